//! Compaction: a file most of which is free gives that back to the disk. Implements docs/store.md,
//! "Compaction".
//!
//! redb uses free pages again and leaves the file as long as it was, but for what is free at its
//! end. To compact it is to move pages from the end to free places, by commits like any others:
//! whoever dies meanwhile finds the vault as the last of them left it, and all of them say the same.
//! The work is in what is moved, which is less than is given back.

use redb::CompactionError;

use crate::error::VaultError;
use crate::ledger::Ledger;
use crate::vault::Vault;

impl Vault {
    /// Makes the file shorter if most of it is free, and no more than `most` bytes are in use: so
    /// long does it take to move them. True if it did. Nothing is done while a [`Check`] of this
    /// vault is there.
    ///
    /// [`Check`]: crate::Check
    ///
    /// # Errors
    /// The file is damaged or cannot be written.
    pub fn compact(&mut self, most: u64) -> Result<bool, VaultError> {
        let (used, before) = (self.used()?, self.len()?);
        if used > most || before <= used.saturating_mul(SPARSE).saturating_add(SPARE) {
            return Ok(false);
        }
        match self.open.database.compact() {
            // It is done as well if what was free lay at the end, and nothing had to be moved.
            Ok(_) => Ok(self.len()? < before),
            Err(CompactionError::Storage(error)) => Err(VaultError::store(self.path())(error)),
            // Somebody reads still; another time will do.
            Err(_) => Ok(false),
        }
    }

    /// Bytes of all records.
    fn used(&self) -> Result<u64, VaultError> {
        let (transaction, _) = self.snapshot()?;
        let ledger = Ledger::load(&transaction, self.keys(), self.path())?;
        Ok(ledger.tables.values().map(|account| account.bytes).sum())
    }

    /// Bytes of the file behind its head.
    fn len(&self) -> Result<u64, VaultError> {
        let (_, len) = self.open.file.begin().map_err(VaultError::io(self.path()))?;
        Ok(len)
    }
}

/// A file is compacted if it is longer than this many times its records. Pages of records that came
/// in any order are half full at worst, which no compaction changes.
const SPARSE: u64 = 3;
/// Bytes beyond that: a small vault need not be tidy.
const SPARE: u64 = 4 << 20;
