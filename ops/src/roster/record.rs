//! The record of what an agency has signed: version and hash of the last roster, beside its key.
//!
//! Whoever hands over a directory decides what signatures stand in it. So an agency goes by its own
//! record: it signs no roster that is older than one it has signed, and no second one of a version.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rohrpost_proto::directory::roster::Roster;
use serde::{Deserialize, Serialize};

use crate::error::OpsError;
use crate::folder::replace;

/// The last roster that an agency has signed.
pub(super) struct Record {
    path: PathBuf,
    last: Option<Last>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    network: String,
    version: u32,
    roster: String,
}

impl Record {
    /// Reads a record; empty if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is none of these.
    pub(super) fn read(path: PathBuf) -> Result<Self, OpsError> {
        let last = match rohrpost_network::read_text(&path) {
            Ok(text) => toml::from_str(&text).map(Some).map_err(|error| OpsError::Record {
                path: path.clone(),
                fault: error.message().to_owned(),
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(OpsError::Read { path, source }),
        };
        Ok(Self { path, last })
    }

    /// The record that goes with a key file.
    pub(super) fn beside(key: &Path) -> PathBuf {
        let mut name = key.as_os_str().to_owned();
        name.push(".signed");
        name.into()
    }

    /// Checks that the agency may sign a roster.
    ///
    /// # Errors
    /// It has signed a newer one, or another of the same version.
    pub(super) fn check(&self, agency: &str, roster: &Roster) -> Result<(), OpsError> {
        let Some(last) = self.last.as_ref().filter(|last| last.network == roster.network) else {
            return Ok(());
        };
        let agency = agency.to_owned();
        match last.version.cmp(&roster.version) {
            std::cmp::Ordering::Greater => {
                Err(OpsError::Older { agency, version: roster.version, signed: last.version })
            }
            std::cmp::Ordering::Equal if last.roster != roster.hash.to_string() => {
                Err(OpsError::SameVersion { agency, version: last.version })
            }
            _ => Ok(()),
        }
    }

    /// Notes that the agency signs a roster, before it does.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn note(&self, roster: &Roster) -> Result<(), OpsError> {
        let last = Last {
            network: roster.network.clone(),
            version: roster.version,
            roster: roster.hash.to_string(),
        };
        let text = toml::to_string(&last).map_err(|error| OpsError::Record {
            path: self.path.clone(),
            fault: error.to_string(),
        })?;
        let head = "# The last roster that was signed with the key beside this file.\n";
        replace(&self.path, &format!("{head}{text}"))
    }
}
