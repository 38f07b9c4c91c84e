//! Contacts that have shown that the store was an older copy, to be told to the user for a month.

use std::time::Duration;

use rohrpost_packet::envelope::KeyId;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::error::StoreError;
use super::file::Store;

impl Store {
    /// Contacts that have shown in the last 30 days that the store was an older copy: what both had
    /// exchanged since that copy is lost here.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn older_copies(&self, now: Duration) -> Result<Vec<KeyId>, StoreError> {
        self.vault.read(|tx| {
            let all = all(tx)?.into_iter();
            Ok(all.filter(|(_, at)| now.abs_diff(*at) < TOLD_FOR).map(|(key, _)| key).collect())
        })
    }

    /// True if a contact has shown so within the last hour, and this store has begun anew with it. What
    /// it says is acted on once an hour: else one that lies would have everything begin anew with each
    /// of its letters.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn began_again_lately(&self, contact: KeyId, now: Duration) -> Result<bool, StoreError> {
        self.vault.read(|tx| {
            let Some(at) = tx.get(OLDER_COPIES, contact.as_bytes())? else { return Ok(false) };
            let at = at.as_slice().try_into().map_err(|_| StoreError::Record)?;
            Ok(now.abs_diff(Duration::from_secs(u64::from_be_bytes(at))) < LATELY)
        })
    }
}

/// Notes that a contact has shown it, and forgets what was told for long enough.
pub(super) fn note(tx: &mut WriteTx<'_>, contact: KeyId, now: Duration) -> Result<(), StoreError> {
    for (key, _) in all(tx)?.into_iter().filter(|(_, at)| now.abs_diff(*at) >= TOLD_FOR) {
        tx.remove(OLDER_COPIES, key.as_bytes())?;
    }
    Ok(tx.put(OLDER_COPIES, contact.as_bytes(), &now.as_secs().to_be_bytes())?)
}

fn all(tx: &ReadTx<'_>) -> Result<Vec<(KeyId, Duration)>, StoreError> {
    let mut all = Vec::new();
    for record in tx.iter(OLDER_COPIES)? {
        let (key, at) = record?;
        let key = key.as_slice().try_into().map_err(|_| StoreError::Record)?;
        let at = at.as_slice().try_into().map_err(|_| StoreError::Record)?;
        all.push((KeyId::new(key), Duration::from_secs(u64::from_be_bytes(at))));
    }
    Ok(all)
}

/// Times in Unix seconds by contact: no more than there are contacts.
pub(super) const OLDER_COPIES: KeyedTable = KeyedTable::new("older copies");
const LATELY: Duration = Duration::from_secs(3600);
const TOLD_FOR: Duration = Duration::from_secs(30 * 86_400);
