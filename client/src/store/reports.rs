//! Reports on messages that ended without having been delivered: each is listed until its sender says
//! that he was told.

use rohrpost_packet::envelope::MessageId;

use super::error::StoreError;
use super::file::Store;
use super::outbox::{Outgoing, by_id};
use super::undelivered;

impl Store {
    /// Messages that were given up and of which their sender was not told, in the order of their
    /// acceptance: those of programs, or of the user.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn undelivered(&self, program: bool) -> Result<Vec<Outgoing>, StoreError> {
        self.vault.read(|tx| {
            let mut undelivered = Vec::new();
            for id in undelivered::ids(tx)? {
                undelivered.extend(by_id(tx, id)?.filter(|one| one.program == program));
            }
            undelivered.sort_by_key(|one| one.order);
            Ok(undelivered)
        })
    }

    /// Notes that the sender of these messages was told that they were not delivered. Others than
    /// his, and others than such messages, change nothing.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn told_undelivered(&self, ids: &[MessageId], program: bool) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            for id in ids {
                if by_id(tx, *id)?.is_some_and(|one| one.program == program) {
                    undelivered::forget(tx, *id)?;
                }
            }
            Ok(())
        })
    }
}
