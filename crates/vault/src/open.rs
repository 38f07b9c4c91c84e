//! An open vault from within: its database, its keys, and the erasure key of its newest commit.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::error::VaultError;
use crate::file::{BehindHead, VaultFile};
use crate::keys::{ErasureKey, Keys};
use crate::seals::Seals;

/// The parts of an open vault that reading and writing need.
pub(crate) struct Open {
    // Dropped in this order: redb writes its last page before the file, and its lock, goes.
    pub(crate) database: Database,
    pub(crate) file: Arc<VaultFile>,
    pub(crate) seals: Arc<Seals>,
    pub(crate) keys: Arc<Keys>,
    /// Records that were opened so far.
    pub(crate) opened: AtomicU64,
    /// Erasure key of the newest commit. Both are replaced together: whoever begins to read has
    /// both of one commit.
    erasure: RwLock<Arc<ErasureKey>>,
}

impl Open {
    pub(crate) fn new(
        database: Database,
        file: Arc<VaultFile>,
        seals: Arc<Seals>,
        keys: Arc<Keys>,
        erasure: ErasureKey,
    ) -> Self {
        Self {
            database,
            file,
            seals,
            keys,
            opened: AtomicU64::new(0),
            erasure: RwLock::new(Arc::new(erasure)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The newest commit's state, and the key of its erasable tables.
    pub(crate) fn snapshot(&self) -> Result<(ReadTransaction, Arc<ErasureKey>), VaultError> {
        let erasure = self.erasure.read().unwrap_or_else(PoisonError::into_inner);
        let transaction = self.database.begin_read();
        Ok((transaction.map_err(VaultError::store(self.path()))?, Arc::clone(&erasure)))
    }

    pub(crate) fn erasure_key(&self) -> Arc<ErasureKey> {
        Arc::clone(&self.erasure.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Commits a state under a new erasure key, and overwrites the one before. At any point the
    /// disk holds the key of the state that redb would open with.
    pub(crate) fn commit_erasing(
        &self,
        transaction: WriteTransaction,
        next: ErasureKey,
    ) -> Result<(), VaultError> {
        self.file.announce(&next, &self.keys)?;
        let mut current = self.erasure.write().unwrap_or_else(PoisonError::into_inner);
        transaction.commit().map_err(VaultError::store(self.path()))?;
        *current = Arc::new(next);
        // As with the anchor: the commit has taken place. What could not be overwritten now is, by
        // the next erasure or when the vault is opened.
        let _ = self.file.settle(&current, &self.keys);
        Ok(())
    }
}

/// Treatment of a file's pages when redb opens it.
pub(crate) enum Pages {
    /// Every page that is in use is read against its checksum, and redb reports what it cannot make
    /// sense of.
    Check,
    /// Only what redb needs is read: redb trusts the file, and may panic if it is not as it was
    /// written. Right for a file of our own that is just being made, and for one whose pages are
    /// sealed. One that was not closed in order is not opened.
    Trust,
}

/// Opens redb behind the head.
pub(crate) fn database(
    file: &Arc<VaultFile>,
    seals: &Arc<Seals>,
    pages: &Pages,
) -> Result<Database, VaultError> {
    let check = matches!(pages, Pages::Check);
    let backend = BehindHead { file: Arc::clone(file), seals: Arc::clone(seals) };
    Database::builder()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(check)
        .set_repair_callback(move |repair| {
            if !check {
                repair.abort()
            }
        })
        .create_with_backend(backend)
        .map_err(VaultError::store(file.path()))
}

/// Bytes of pages that redb keeps in memory, encrypted records all of them.
const CACHE: usize = 8 << 20;
