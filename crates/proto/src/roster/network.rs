//! The three files of a network directory, read together.

use super::{Roster, RosterError, parse_signatures};
use crate::trust::{TrustError, TrustRoot};

/// Texts of the files that describe a network.
pub struct NetworkFiles<'a> {
    /// `trust.toml`.
    pub trust: &'a str,
    /// `roster.toml`.
    pub roster: &'a str,
    /// `roster.sig`; empty if there is none.
    pub signatures: &'a str,
}

impl NetworkFiles<'_> {
    /// Checks them: the roster holds today and enough agencies of the trust root signed it.
    ///
    /// # Errors
    /// Which file is wrong, and what to do.
    pub fn open(&self, now_unix: u64) -> Result<(TrustRoot, Roster), NetworkFilesError> {
        let trust = TrustRoot::parse(self.trust)?;
        let signatures =
            parse_signatures(self.signatures).map_err(NetworkFilesError::Signatures)?;
        let roster = Roster::verify(self.roster, &signatures, &trust, now_unix)?;
        Ok((trust, roster))
    }
}

/// Which file of a network is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkFilesError {
    /// `trust.toml`.
    #[error("trust root: {0}")]
    Trust(#[from] TrustError),
    /// `roster.toml`, or that it is not signed enough.
    #[error("roster: {0}")]
    Roster(#[from] RosterError),
    /// `roster.sig`.
    #[error("signatures: {0}")]
    Signatures(#[source] RosterError),
}
