//! Errors of an agent that cannot start, or go on.

use crate::session::SessionError;
use crate::store::StoreError;

/// Reason why an agent cannot start, or has ended by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session cannot start.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The client goes on elsewhere, from a backup.
    #[error(
        "this client was moved on {0} (UTC): it goes on from a backup elsewhere, and this copy must \
         not run any more; remove it with wipe, or if the other is lost, restore its newest backup"
    )]
    Moved(String),
    /// Another copy of the client runs, which began before this one.
    #[error(
        "another copy of this client runs, which began before this one: each would get a part of the \
         mail. Run one of them only; to move a client, use backup and restore"
    )]
    Twin,
}
