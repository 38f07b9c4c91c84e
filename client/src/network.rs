//! The network directory: `trust.toml`, `roster.toml`, `roster.sig`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rohrpost_proto::roster::{self, NetworkFiles, Roster};
use rohrpost_proto::trust::TrustRoot;

use crate::clock::unix_now;

/// A network that a client can use.
pub struct Network {
    /// Who makes it up.
    pub trust: TrustRoot,
    /// Nodes and rates.
    pub roster: Arc<Roster>,
}

impl Network {
    /// Reads and checks the files of a network directory.
    ///
    /// # Errors
    /// Which file is wrong, and what to do.
    pub fn open(directory: &Path) -> Result<Self, NetworkError> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path).map_err(|source| NetworkError::Read { path, source })
        };
        let (trust, roster) = (read("trust.toml")?, read("roster.toml")?);
        let signatures = read("roster.sig")?;
        let files = NetworkFiles { trust: &trust, roster: &roster, signatures: &signatures };
        let now = unix_now().as_secs();
        let (trust, roster) = files.open(now).map_err(|source| NetworkError::Files {
            directory: directory.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self { trust, roster: Arc::new(roster) })
    }
}

/// Why a network cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A file cannot be read.
    #[error(
        "cannot read {path}: {source}; --network takes the directory with trust.toml, roster.toml and roster.sig that your agency gave you"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is wrong.
    #[error("network directory {directory}: {source}")]
    Files {
        /// The directory.
        directory: PathBuf,
        /// Which file, and what is wrong.
        source: Box<roster::NetworkError>,
    },
}
