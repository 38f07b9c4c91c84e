//! The directory of a network's files, as the ceremony changes it: one process at a time, and each file
//! whole or not at all.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rohrpost_measure::output::tell;
use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_proto::directory::roster::{
    RosterError, RosterSignature, parse_signatures, render_signatures,
};
use rohrpost_proto::directory::trust::TrustRoot;

use crate::error::OpsError;

/// The directory of a network.
pub(crate) struct Folder {
    path: PathBuf,
    /// Held while the files are changed.
    _lock: Option<File>,
}

impl Folder {
    /// The directory, to be read.
    pub(crate) fn open(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
    }

    /// The directory, to be changed: waits until nobody else changes it, and says so.
    ///
    /// # Errors
    /// There is no such directory.
    pub(crate) fn lock(path: &Path) -> Result<Self, OpsError> {
        Ok(Self { path: path.to_owned(), _lock: Some(lock(path, "changes these files")?) })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads the trust root.
    ///
    /// # Errors
    /// The file cannot be read, or is wrong.
    pub(crate) fn trust(&self) -> Result<TrustRoot, OpsError> {
        let text = self.read(TRUST)?;
        TrustRoot::parse(&text).map_err(|source| OpsError::Trust { path: self.file(TRUST), source })
    }

    /// Reads the roster's text.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn roster(&self) -> Result<String, OpsError> {
        self.read(ROSTER)
    }

    /// Reads the signatures; none if there is no file of them.
    ///
    /// # Errors
    /// The file cannot be read, or is wrong.
    pub(crate) fn signatures(&self) -> Result<Vec<RosterSignature>, OpsError> {
        match self.read(SIGNATURES) {
            Ok(text) => parse_signatures(&text).map_err(|source| self.fault(SIGNATURES, source)),
            Err(OpsError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the roster.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn put_roster(&self, text: &str) -> Result<(), OpsError> {
        self.replace(ROSTER, text)
    }

    /// Writes the signatures.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn put_signatures(&self, signatures: &[RosterSignature]) -> Result<(), OpsError> {
        self.replace(SIGNATURES, &render_signatures(signatures))
    }

    /// Writes a roster and its signatures as they came from the network. The signatures go first: those of
    /// another roster count for nothing, so that a roster is never there with fewer than it came with.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn put_newer(&self, files: &RosterFiles) -> Result<(), OpsError> {
        self.replace(SIGNATURES, &files.signatures)?;
        self.replace(ROSTER, &files.roster)
    }

    /// Fault of one of the files.
    pub(crate) fn fault(&self, name: &str, source: RosterError) -> OpsError {
        OpsError::Roster { path: self.file(name), source: Box::new(source) }
    }

    fn read(&self, name: &str) -> Result<String, OpsError> {
        let path = self.file(name);
        rohrpost_network::read_text(&path).map_err(|source| OpsError::Read { path, source })
    }

    fn replace(&self, name: &str, text: &str) -> Result<(), OpsError> {
        replace(&self.file(name), text)
    }
}

/// Locks a file or directory, and says for what it waits meanwhile.
///
/// # Errors
/// It cannot be opened, or the system refuses.
pub(crate) fn lock(path: &Path, what: &str) -> Result<File, OpsError> {
    let failed = |source| OpsError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            tell(&format!("{}: waiting for another command that {what}", path.display()));
            file.lock().map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Writes a file whole or not at all, also if the machine fails. What stands beside it is not
/// followed.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), OpsError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        file.write_all(text.as_bytes())?;
        // Rosters are for everybody to read; a file that is there keeps its mode.
        let mode = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
        file.as_file().set_permissions(mode.map_or_else(public, |old| old.permissions()))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(parent)?.sync_all()
    };
    write().map_err(|source| OpsError::Write { path: path.to_owned(), source })
}

fn public() -> Permissions {
    Permissions::from_mode(0o644)
}

pub(crate) const TRUST: &str = "trust.toml";
pub(crate) const ROSTER: &str = "roster.toml";
pub(crate) const SIGNATURES: &str = "roster.sig";
