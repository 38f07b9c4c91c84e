//! Codes of what the store refuses.

use std::io;

use rohrpost_vault::VaultError;

use crate::api::{Failure, FailureCode};
use crate::store::StoreError;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Unknown(_) => FailureCode::UnknownContact,
            StoreError::Number(_) | StoreError::Id(_) => FailureCode::UnknownMessage,
            StoreError::Name { .. } => FailureCode::Name,
            StoreError::NameTaken(_) => FailureCode::NameTaken,
            StoreError::NameUsed(_) => FailureCode::NameUsed,
            StoreError::Known(_) => FailureCode::Known,
            StoreError::OlderCard(_) => FailureCode::Card,
            StoreError::Blocked(_) => FailureCode::Blocked,
            StoreError::TooLong { .. } => FailureCode::TooLong,
            StoreError::LongLife { .. } => FailureCode::Lifetime,
            StoreError::IdTaken(_) => FailureCode::IdTaken,
            StoreError::Settled { .. } => FailureCode::Settled,
            StoreError::Vault(VaultError::Io { source, .. }) if is_full(source) => {
                FailureCode::Full
            }
            StoreError::Vault(VaultError::Io { .. }) | StoreError::Unavailable(_) => {
                FailureCode::System
            }
            _ => FailureCode::Store,
        };
        Self::new(code, &error)
    }
}

/// The refusal of a backup: what is wrong is the file that it was to be, unless the store is.
pub(super) fn not_backed_up(error: &StoreError) -> Failure {
    let code = match error {
        StoreError::Vault(VaultError::Io { source, .. }) if is_full(source) => FailureCode::Full,
        StoreError::Vault(
            VaultError::Exists(_)
            | VaultError::Missing(_)
            | VaultError::Denied(_)
            | VaultError::Io { .. },
        ) => FailureCode::File,
        _ => FailureCode::Store,
    };
    Failure::new(code, error)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
