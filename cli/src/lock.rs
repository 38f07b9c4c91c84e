//! The lock of a store: what the user gives to open it, or to lock it anew.

use std::path::PathBuf;

use rohrpost_client::{StoreError, Unlock, VaultError};
use zeroize::Zeroizing;

use crate::error::CommandError;

/// Lock of a store: a key file, a passphrase in a file, or one that is asked for.
pub(crate) struct Lock {
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl Lock {
    /// Gives this lock, or another if it names nothing.
    pub(crate) fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        let named = self.key_file.is_some() || self.passphrase_file.is_some();
        if named { self } else { other() }
    }

    /// Unlocks a store that exists.
    pub(crate) fn unlock(&self, question: &str) -> Result<Unlock, CommandError> {
        if let Some(path) = &self.key_file {
            return Ok(Unlock::key_file(path).map_err(StoreError::from)?);
        }
        match self.passphrase()? {
            Some(unlock) => Ok(unlock),
            None => Ok(Unlock::passphrase(ask(question)?)),
        }
    }

    /// Makes a lock for a new store, or a new one: a key file is made if it is not there, a
    /// passphrase is asked for twice.
    pub(crate) fn make(&self) -> Result<NewLock, CommandError> {
        if let Some(path) = &self.key_file {
            let (unlock, made) = match Unlock::key_file(path) {
                Err(VaultError::Missing(_)) => (Unlock::make_key_file(path), Some(path.clone())),
                found => (found, None),
            };
            return Ok(NewLock { unlock: unlock.map_err(StoreError::from)?, made });
        }
        if let Some(unlock) = self.passphrase()? {
            return Ok(NewLock { unlock, made: None });
        }
        let first = ask("new passphrase: ")?;
        if first.is_empty() {
            let why = "an empty passphrase protects nothing; choose four or more random words";
            return Err(CommandError::Usage(why.to_owned()));
        }
        if *first != *ask("the same again: ")? {
            return Err(CommandError::Usage("the two differ; nothing was changed".to_owned()));
        }
        Ok(NewLock { unlock: Unlock::passphrase(first), made: None })
    }

    fn passphrase(&self) -> Result<Option<Unlock>, CommandError> {
        let Some(path) = &self.passphrase_file else {
            return Ok(None);
        };
        let bytes = rohrpost_secret_file::read(path, PASSPHRASE_LIMIT)?;
        let line = str::from_utf8(&bytes).ok().and_then(|text| text.lines().next());
        let Some(line) = line.filter(|line| !line.is_empty()) else {
            let why = format!("the first line of {} is empty, or no text", path.display());
            return Err(CommandError::Usage(why));
        };
        Ok(Some(Unlock::passphrase(Zeroizing::new(line.to_owned()))))
    }
}

/// A lock for a new store, or a new one for a store.
pub(crate) struct NewLock {
    pub(crate) unlock: Unlock,
    /// The key file that was made for it.
    made: Option<PathBuf>,
}

impl NewLock {
    /// Removes the key file that was made for a store that did not come about.
    pub(crate) fn discard(self) {
        if let Some(path) = self.made {
            // The error that led here is the one to report.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Asks on the terminal that the command runs in, whatever standard input is: a text or a card may
/// come from there.
fn ask(question: &str) -> Result<Zeroizing<String>, CommandError> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|_| CommandError::NoPassphrase)
}

/// Bytes of the longest file with a passphrase.
const PASSPHRASE_LIMIT: usize = 4096;
