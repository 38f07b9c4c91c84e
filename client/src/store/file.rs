//! The store's file: its place in a client's home, and what is done with it as a whole.

use std::path::{Path, PathBuf};

use rohrpost_vault::{Unlock, Vault, VaultError};

use super::error::StoreError;

/// A client's store, open.
pub struct Store {
    pub(super) vault: Vault,
}

impl Store {
    /// True if a home has a store.
    #[must_use]
    pub fn is_in(home: &Path) -> bool {
        file(home).exists()
    }

    /// Copies the store to a new file, which opens with the same passphrase or key file.
    ///
    /// # Errors
    /// There is a file already, or it cannot be written.
    pub fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        Ok(self.vault.back_up(to)?)
    }

    /// Locks the store by another passphrase or key file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn change_unlock(&mut self, unlock: &Unlock) -> Result<(), StoreError> {
        Ok(self.vault.change_unlock(unlock)?)
    }

    /// Destroys the store of a home that no process has open.
    ///
    /// # Errors
    /// There is no store, or it is open.
    pub fn wipe(home: &Path) -> Result<(), StoreError> {
        match Vault::wipe(&file(home)) {
            Err(VaultError::Missing(_)) => Err(StoreError::Missing(home.to_owned())),
            wiped => Ok(wiped?),
        }
    }
}

pub(super) fn make_home(home: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home).map_err(|source| StoreError::Home { path: home.to_owned(), source })
}

pub(super) fn file(home: &Path) -> PathBuf {
    home.join("store.vault")
}
