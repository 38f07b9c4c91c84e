//! The store behind a handle for asynchronous code, which notices when the disk fails under it.

use std::sync::{Mutex, PoisonError};

use tokio::task::block_in_place;

use crate::store::{SpareStoreKey, Store, StoreError};

/// A store whose work blocks the thread and never the runtime: while it waits for the disk, the
/// runtime's other tasks go on on other threads.
pub(super) struct BlockingStore {
    /// The store, unless the disk has failed and it could not be opened again.
    store: Option<Store>,
    spare_key: SpareStoreKey,
    /// The error by which the disk has failed since the store was opened.
    failure: Mutex<Option<String>>,
}

impl BlockingStore {
    pub(super) fn new(store: Store) -> Self {
        let spare_key = store.spare_key();
        Self { store: Some(store), spare_key, failure: Mutex::new(None) }
    }

    /// Does some work with the store. Needs a runtime of several threads.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let done = self.apart(work);
        self.note(&done);
        done
    }

    /// Does some work with the store whose errors are those of other files.
    pub(super) fn apart<T>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Some(store) = &self.store else {
            return Err(StoreError::Unavailable(self.failure().clone().unwrap_or_default()));
        };
        block_in_place(|| work(store))
    }

    /// Makes the store's file shorter, if most of it is free and little is to be moved.
    pub(super) fn compact_if_little(&mut self) -> Result<(), StoreError> {
        let Some(store) = &mut self.store else {
            return Ok(());
        };
        let done = block_in_place(|| store.compact_if_little());
        self.note(&done);
        done.map(|_| ())
    }

    fn note<T>(&self, done: &Result<T, StoreError>) {
        if let Err(error) = done
            && error.is_of_the_disk()
        {
            self.failure().get_or_insert_with(|| error.to_string());
        }
    }

    /// The error by which the disk has failed since the store was opened.
    pub(super) fn has_failed(&self) -> Option<String> {
        self.failure().clone()
    }

    /// Opens the store, if it could not be opened again when the disk had failed. Whoever asks for
    /// something has it tried at once: he may have made room a moment ago.
    pub(super) fn open_if_closed(&mut self) {
        if self.store.is_none() {
            // The error is told by what is asked for.
            let _ = self.reopen();
        }
    }

    /// Closes the store and opens it again.
    pub(super) fn reopen(&mut self) -> Result<(), StoreError> {
        let opened = block_in_place(|| {
            self.store = None;
            self.spare_key.open()
        });
        match opened {
            Ok(store) => {
                self.store = Some(store);
                *self.failure() = None;
                Ok(())
            }
            Err(error) => {
                *self.failure() = Some(error.to_string());
                Err(error)
            }
        }
    }

    fn failure(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
