//! The three files of a network directory, read together.

use super::error::RosterError;
use super::members::Roster;
use super::signatures::parse_signatures;
use crate::directory::trust::{TrustError, TrustRoot};

/// Texts of the files that describe a network.
pub struct NetworkFiles<'a> {
    /// Text of `trust.toml`, the trust root.
    pub trust: &'a str,
    /// Text of `roster.toml`, the roster.
    pub roster: &'a str,
    /// Text of `roster.sig`; empty if there is none.
    pub signatures: &'a str,
}

impl NetworkFiles<'_> {
    /// Checks the files: the roster holds today and enough agencies of the trust root signed it.
    ///
    /// # Errors
    /// The file that is wrong, and what to do.
    pub fn open(&self, now_unix: u64) -> Result<(TrustRoot, Roster), NetworkFilesError> {
        let trust = TrustRoot::parse(self.trust)?;
        let signatures =
            parse_signatures(self.signatures).map_err(NetworkFilesError::Signatures)?;
        let roster = Roster::verify(self.roster, &signatures, &trust, now_unix)?;
        Ok((trust, roster))
    }
}

/// Fault in one of a network's files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkFilesError {
    /// The file `trust.toml` is wrong.
    #[error("trust root: {0}")]
    Trust(#[from] TrustError),
    /// The file `roster.toml` is wrong, or not signed enough.
    #[error("roster: {0}")]
    Roster(#[from] RosterError),
    /// The file `roster.sig` is wrong.
    #[error("signatures: {0}")]
    Signatures(#[source] RosterError),
}
