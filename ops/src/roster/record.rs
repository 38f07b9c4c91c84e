//! The record of what an agency has signed: version and hash of the last roster of each network,
//! beside its key.
//!
//! Whoever hands over a directory decides what signatures stand in it. So an agency goes by its own
//! record: it signs no roster that is older than one it has signed, and no second one of a version.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rohrpost_measure::output::say;
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::trust::TrustRoot;
use serde::{Deserialize, Serialize};

use crate::error::OpsError;
use crate::folder::replace;

/// The last rosters that an agency has signed.
pub(super) struct Record {
    path: PathBuf,
    /// Network id of the trust root, as the record names it.
    network: String,
    /// By network id: a directory with another trust root of the same name is of another network.
    last: BTreeMap<String, Last>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    name: String,
    version: u32,
    roster: String,
}

impl Record {
    /// Reads a record; empty if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is none of these.
    pub(super) fn read(path: PathBuf, trust: &TrustRoot) -> Result<Self, OpsError> {
        let last = match rohrpost_network::read_text(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| OpsError::Record {
                path: path.clone(),
                fault: error.message().to_owned(),
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(OpsError::Read { path, source }),
        };
        Ok(Self { path, network: HEXLOWER.encode(trust.network_id().as_bytes()), last })
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
        let Some(last) = self.last.get(&self.network) else { return Ok(()) };
        let (agency, signed) = (agency.to_owned(), last.version);
        match signed.cmp(&roster.version) {
            Ordering::Greater => Err(OpsError::Older { agency, version: roster.version, signed }),
            Ordering::Equal if last.roster != roster.hash.to_string() => {
                Err(OpsError::SameVersion { agency, version: signed })
            }
            _ => Ok(()),
        }
    }

    /// Notes that the agency signs a roster, before it does, and says so when a record begins.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn note(&mut self, agency: &str, roster: &Roster) -> Result<(), OpsError> {
        let (name, version) = (roster.network.clone(), roster.version);
        let last = Last { name, version, roster: roster.hash.to_string() };
        if self.last.insert(self.network.clone(), last).is_none() {
            let path = self.path.display();
            say(&format!(
                "{path} notes from now on what {agency} has signed; keep it with the key"
            ));
        }
        let text = toml::to_string(&self.last).map_err(|error| OpsError::Record {
            path: self.path.clone(),
            fault: error.to_string(),
        })?;
        let head = "# The last rosters that were signed with the key beside this file.\n";
        replace(&self.path, &format!("{head}{text}")).map_err(|error| match error {
            OpsError::Write { path, source } => OpsError::Unrecorded { path, source },
            error => error,
        })
    }
}
