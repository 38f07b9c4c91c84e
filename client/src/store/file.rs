//! The store's file: its place in a client's home, and what is done with it as a whole.

use std::path::{Path, PathBuf};

use rohrpost_vault::{Check, SpareKey, Unlock, Vault, VaultError, Written};

use super::error::StoreError;
use super::state;

/// A client's store, open.
pub struct Store {
    pub(super) vault: Vault,
}

/// What opens a store again without its passphrase or key file, after the disk has failed under it.
pub struct SpareStoreKey(SpareKey);

impl SpareStoreKey {
    /// Opens the store again. The one that was open before must be dropped.
    ///
    /// # Errors
    /// The store does not open; it may be tried again.
    pub fn open(&self) -> Result<Store, StoreError> {
        Ok(Store { vault: self.0.open()? })
    }
}

impl Store {
    /// Makes what opens the store again once this is dropped. After an error of the disk
    /// ([`StoreError::is_of_the_disk`]) it does nothing any more before that.
    #[must_use]
    pub fn spare_key(&self) -> SpareStoreKey {
        SpareStoreKey(self.vault.spare_key())
    }

    /// Checks that the disk has room for some letters: writes as much, and removes it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn try_disk(&self) -> Result<(), StoreError> {
        self.vault.write(|tx| state::fill(tx, ROOM))?;
        self.vault.write(|tx| state::fill(tx, 0))
    }

    /// True if a home has a store.
    #[must_use]
    pub fn is_in(home: &Path) -> bool {
        file(home).exists()
    }

    /// Count of the records that were opened since the store was: the cost of what was read, whatever
    /// the machine.
    #[must_use]
    pub fn records_opened(&self) -> u64 {
        self.vault.records_opened()
    }

    /// What was written to the store's file since it was opened.
    #[must_use]
    pub fn written(&self) -> Written {
        self.vault.written()
    }

    /// Gives back to the disk what is free of the file, if most of it is: as after files were
    /// forgotten. True if it did. Takes as long as it takes to move what is left.
    ///
    /// # Errors
    /// The store is damaged or cannot be written.
    pub fn compact(&mut self) -> Result<bool, StoreError> {
        Ok(self.vault.compact(u64::MAX)?)
    }

    /// Gives back to the disk what is free of the file if little is left to be moved, so that nobody who
    /// waits for the store notices. True if it did.
    ///
    /// # Errors
    /// The store is damaged or cannot be written.
    pub fn compact_if_little(&mut self) -> Result<bool, StoreError> {
        Ok(self.vault.compact(LITTLE)?)
    }

    /// Copies the store to a new file, which opens with the same passphrase or key file.
    ///
    /// # Errors
    /// There is a file already, or it cannot be written.
    pub fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        Ok(self.vault.back_up(to)?)
    }

    /// Begins a check of all that is in the store, which goes on while it is used.
    ///
    /// # Errors
    /// The store is damaged or cannot be read.
    pub fn begin_check(&self) -> Result<Check, StoreError> {
        Ok(self.vault.begin_check()?)
    }

    /// Checks so many records more; true when all are checked.
    ///
    /// # Errors
    /// The store is damaged or cannot be read.
    pub fn go_on(&self, check: &mut Check, records: usize) -> Result<bool, StoreError> {
        Ok(self.vault.go_on(check, records)?)
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

/// A home that is made for a store, and goes again if none comes about: a restore that fails leaves
/// nothing in the way of the next.
pub(super) struct NewHome {
    /// Directories that were not there before, the deepest first.
    made: Vec<PathBuf>,
}

impl NewHome {
    /// Makes a home, with the directories above it, where it is not there.
    pub(super) fn make(home: &Path) -> Result<Self, StoreError> {
        let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let made = home.ancestors().take_while(missing).map(Path::to_owned).collect();
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let failed = |source| StoreError::Home { path: home.to_owned(), source };
        let new = Self { made };
        builder.create(home).map_err(failed).map(|()| new)
    }

    /// Lets the home stay, which has its store.
    pub(super) fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for NewHome {
    fn drop(&mut self) {
        for directory in &self.made {
            // One that is not empty stays; the error that led here is the one to report.
            let _ = std::fs::remove_dir(directory);
        }
    }
}

/// Refuses a home that others can enter: its files tell when its user writes, and the daemon's
/// socket is in it.
pub(super) fn private_home(home: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(home)
        && std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
    {
        return Err(VaultError::Exposed { path: home.to_owned(), mode: "700" }.into());
    }
    #[cfg(not(unix))]
    let _ = home;
    Ok(())
}

pub(super) fn file(home: &Path) -> PathBuf {
    home.join("store.vault")
}

/// Bytes that an opening moves at most to make the file shorter, which takes less than a second; what
/// has more to move is compacted by a daemon that starts.
pub(super) const MOVED: u64 = 64 << 20;
/// Bytes that a client that runs moves at most, which takes less than 50 ms beside the disk's own time
/// (`just growth`).
const LITTLE: u64 = 2 << 20;
/// Bytes by which the disk is tried: ten letters of the hybrid suite.
const ROOM: usize = 64 << 10;
