//! The store behind a handle for asynchronous code.

use tokio::task::block_in_place;

use crate::store::Store;

/// A store whose work blocks the thread and never the runtime: while it waits for the disk, the
/// runtime's other tasks go on on other threads.
pub(super) struct BlockingStore(Store);

impl BlockingStore {
    pub(super) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// Does some work with the store. Needs a runtime of several threads.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Store) -> T) -> T {
        block_in_place(|| work(&self.0))
    }
}
