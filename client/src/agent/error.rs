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
}
