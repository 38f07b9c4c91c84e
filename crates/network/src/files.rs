//! The files of a network: `trust.toml`, `roster.toml` and `roster.sig` (`docs/directory.md`).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_proto::directory::roster::{
    NetworkFiles, NetworkFilesError, Roster, parse_signatures,
};
use rohrpost_proto::directory::trust::TrustRoot;

use crate::clock::unix_now;

/// A network whose files have been read and checked.
pub struct Network {
    /// The agencies that make it up.
    pub trust: Arc<TrustRoot>,
    /// Nodes of the network and the rates that all follow.
    pub roster: Arc<Roster>,
}

impl Network {
    /// Reads and checks the files of a network directory, signatures included.
    ///
    /// # Errors
    /// A file is missing or wrong; the error names it and says what to do.
    pub fn open(directory: &Path) -> Result<Self, NetworkError> {
        Self::open_at(directory, unix_now())
    }

    /// Reads and checks the files of a network directory as [`open`](Self::open) does, though the roster
    /// may have expired: whoever sends by it has to see to that.
    ///
    /// # Errors
    /// A file is missing or wrong; the error names it and says what to do.
    pub fn open_expired(directory: &Path) -> Result<Self, NetworkError> {
        Self::open_at(directory, Duration::ZERO)
    }

    fn open_at(directory: &Path, now: Duration) -> Result<Self, NetworkError> {
        let read = |name: &str| {
            let path = directory.join(name);
            read_text(&path).map_err(|source| NetworkError::Read {
                file: path.display().to_string(),
                source,
                remedy: DIRECTORY_REMEDY,
            })
        };
        let (trust, roster) = (read("trust.toml")?, read("roster.toml")?);
        let signatures = read("roster.sig")?;
        let files = NetworkFiles { trust: &trust, roster: &roster, signatures: &signatures };
        Self::check(&files, now, |_| format!("network directory {}", directory.display()))
    }

    /// Reads and checks files that a configuration names one by one. A roster without a file of
    /// signatures is an unsigned one, which says more than a missing file.
    ///
    /// # Errors
    /// A file is missing or wrong; the error names it and says what to do.
    pub fn read(paths: FilePaths<'_>) -> Result<Self, NetworkError> {
        Self::read_texts(paths).map(|(network, _)| network)
    }

    /// Reads and checks files as [`read`](Self::read) does, and gives the texts of roster and signatures
    /// beside what they say.
    ///
    /// # Errors
    /// A file is missing or wrong; the error names it and says what to do.
    pub fn read_texts(paths: FilePaths<'_>) -> Result<(Self, RosterFiles), NetworkError> {
        let read = |what, path: &Path| {
            read_text(path).map_err(|source| NetworkError::Read {
                file: format!("{what} {}", path.display()),
                source,
                remedy: "",
            })
        };
        let trust = read("the trust root", paths.trust)?;
        let roster = read("the roster", paths.roster)?;
        let signatures = match read_text(paths.signatures) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            _ => read("the signatures", paths.signatures)?,
        };
        let files = NetworkFiles { trust: &trust, roster: &roster, signatures: &signatures };
        let network = Self::check(&files, unix_now(), |error| {
            let path = match error {
                NetworkFilesError::Trust(_) => paths.trust,
                NetworkFilesError::Signatures(_) => paths.signatures,
                _ => paths.roster,
            };
            path.display().to_string()
        })?;
        Ok((network, RosterFiles { roster, signatures }))
    }

    /// The network by these texts of a roster, if that is genuine and newer.
    #[must_use]
    pub fn renewed(&self, files: &RosterFiles) -> Option<Self> {
        let signatures = parse_signatures(&files.signatures).ok()?;
        let roster = Roster::verify(&files.roster, &signatures, &self.trust, 0).ok()?;
        let newer = roster.version > self.roster.version;
        newer.then(|| Self { trust: Arc::clone(&self.trust), roster: Arc::new(roster) })
    }

    /// Checks the texts by a date; `file` gives the place of an error.
    fn check(
        files: &NetworkFiles<'_>,
        now: Duration,
        file: impl FnOnce(&NetworkFilesError) -> String,
    ) -> Result<Self, NetworkError> {
        let (trust, roster) = files.open(now.as_secs()).map_err(|source| NetworkError::Check {
            file: file(&source),
            source: Box::new(source),
        })?;
        Ok(Self { trust: Arc::new(trust), roster: Arc::new(roster) })
    }
}

/// Reads a file of text, of a network or a node. One of more than 16 MiB is none, and no more of it is
/// read.
///
/// # Errors
/// The file cannot be read, is longer, or is no text.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LIMIT + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|len| len <= LIMIT) {
        return Ok(text);
    }
    let why = format!("it holds more than {LIMIT} bytes, the most that such a file may have");
    Err(io::Error::new(io::ErrorKind::FileTooLarge, why))
}

/// Paths of the files of a network, wherever they lie.
#[derive(Clone, Copy)]
pub struct FilePaths<'a> {
    /// Path of the trust root, `trust.toml`.
    pub trust: &'a Path,
    /// Path of the roster, `roster.toml`.
    pub roster: &'a Path,
    /// Path of the agencies' signatures, `roster.sig`.
    pub signatures: &'a Path,
}

/// The file for which a network cannot be used, and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A file cannot be read.
    #[error("cannot read {file}: {source}{remedy}")]
    Read {
        /// The file's path, with its purpose where a configuration names it.
        file: String,
        /// The system's reason.
        source: io::Error,
        /// The remedy as the end of the sentence; empty where the path says it.
        remedy: &'static str,
    },
    /// A file is wrong.
    #[error("{file}: {source}")]
    Check {
        /// The network directory, or the file's path.
        file: String,
        /// The file that is wrong, and why.
        source: Box<NetworkFilesError>,
    },
}

const DIRECTORY_REMEDY: &str = "; --network takes the directory with trust.toml, roster.toml and \
                                roster.sig that your agency gave you";
/// Bytes of the longest file: a roster has some 300 bytes a node.
const LIMIT: u64 = 16 << 20;
