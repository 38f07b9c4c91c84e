//! Errors of a vault that does not open or does not do what it is asked; each message says what to
//! do.

use std::io;
use std::path::{Path, PathBuf};

/// Reason why a vault does not open, or does not do what it is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// There is no such file or directory.
    #[error("{0} does not exist; correct the path, or make it first")]
    Missing(PathBuf),
    /// There is a file already.
    #[error("{0} exists already and is never overwritten; choose another name, or remove it first")]
    Exists(PathBuf),
    /// Another handle holds the file's lock.
    #[error(
        "{0} is open in another rohrpost process, perhaps the daemon; \
         give the command to the daemon, or stop it first"
    )]
    InUse(PathBuf),
    /// The master key cannot be unwrapped. A wrong passphrase and a changed header look the same.
    #[error(
        "{0} does not open: the passphrase or key file is wrong, or the file's header is damaged; \
         try again, then restore the file from a backup"
    )]
    WrongKey(PathBuf),
    /// A key file was given for a vault that a passphrase locks.
    #[error("{0} is locked by a passphrase, not by a key file; give the passphrase")]
    PassphraseNeeded(PathBuf),
    /// A passphrase was given for a vault that a key file locks.
    #[error("{0} is locked by a key file, not by a passphrase; name the key file")]
    KeyFileNeeded(PathBuf),
    /// The file was written by a later program.
    #[error("{path} has format {version}, which this program does not know; get a newer rohrpost")]
    Newer {
        /// The vault's file.
        path: PathBuf,
        /// The format that its header names.
        version: u32,
    },
    /// Something in the file is not as it was written.
    #[error("{path} is damaged, or not a vault: {what}; restore it from a backup")]
    Damaged {
        /// The vault's file.
        path: PathBuf,
        /// The part that does not fit.
        what: &'static str,
    },
    /// A key file or the directory of a new vault is open to other users of the machine.
    #[error("other users of this machine can use {path}; run: chmod {mode} {path}")]
    Exposed {
        /// The file or directory that others can use.
        path: PathBuf,
        /// The mode that the path needs.
        mode: &'static str,
    },
    /// The file belongs to somebody else, or its mode forbids to read or write it.
    #[error("this user may not use {0}; check its owner and mode, and those of its directory")]
    Denied(PathBuf),
    /// A key file does not hold a key.
    #[error(
        "{0} is not a key file: it holds one line with 32 bytes in hex or base64, \
         and comments that begin with #; restore it from its copy"
    )]
    KeyFile(PathBuf),
    /// A key or value beyond the limit.
    #[error("a record's {what} has {len} bytes, and {limit} is the most; cut it into several")]
    TooLong {
        /// The part of the record: its key or its value.
        what: &'static str,
        /// Bytes that were given.
        len: usize,
        /// Bytes that are the most.
        limit: usize,
    },
    /// A step of a transaction failed, and the transaction was to be committed all the same.
    #[error("a step of the change to {0} failed, so nothing of it was kept; do it again")]
    Unfinished(PathBuf),
    /// The machine does not give the memory that the passphrase costs.
    #[error("the passphrase needs {mebibytes} MiB of free memory; close other programs")]
    Memory {
        /// Memory that the passphrase costs, in MiB.
        mebibytes: u32,
    },
    /// The system refuses; its message says why.
    #[error("{path}: {source}")]
    Io {
        /// The file that the system was asked for.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl VaultError {
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(path.to_owned()),
            io::ErrorKind::AlreadyExists => Self::Exists(path.to_owned()),
            io::ErrorKind::PermissionDenied => Self::Denied(path.to_owned()),
            io::ErrorKind::UnexpectedEof => Self::damaged(path, "it ends too early"),
            _ => Self::Io { path: path.to_owned(), source },
        }
    }

    pub(crate) fn damaged(path: &Path, what: &'static str) -> Self {
        Self::Damaged { path: path.to_owned(), what }
    }

    /// Error for what redb says. Bytes that redb did not write are reported as corruption, as input
    /// that cannot be parsed or found, or as a table of another type.
    pub(crate) fn store<E: Into<redb::Error>>(path: &Path) -> impl Fn(E) -> Self {
        move |error| match error.into() {
            redb::Error::Io(source) if source.kind() != io::ErrorKind::InvalidData => {
                Self::io(path)(source)
            }
            redb::Error::Io(_)
            | redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableDoesNotExist(_) => {
                Self::damaged(path, "its pages are not as they were written")
            }
            error => {
                Self::Io { path: path.to_owned(), source: io::Error::other(error.to_string()) }
            }
        }
    }
}
