//! Locks are taken over from a holder that has panicked: the panic ends the process anyway, and
//! until then no other thread is to add one of its own.

use std::sync::{LockResult, PoisonError};

/// Takes the guard of a lock over, also from a holder that has panicked.
pub trait Unpoison {
    /// The guard of the lock.
    type Guard;

    /// The guard, whatever has become of the last holder.
    fn unpoison(self) -> Self::Guard;
}

impl<G> Unpoison for LockResult<G> {
    type Guard = G;

    fn unpoison(self) -> G {
        self.unwrap_or_else(PoisonError::into_inner)
    }
}
