//! Names that identities were called by: one that once meant somebody is not given to somebody else
//! unawares, for whoever sees it in an old message, or in a program, means the first.

use rohrpost_packet::envelope::KeyId;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::contact::looking_like;
use super::error::StoreError;
use super::file::Store;
use crate::contact_name::ContactName;

impl Store {
    /// Frees a name, so that a contact can be called by it though somebody else was before. One by
    /// which a contact is called stays its own.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn free_name(&self, name: &str) -> Result<(), StoreError> {
        let Ok(name) = ContactName::new(name) else {
            return Ok(());
        };
        self.vault.write(|tx| {
            if looking_like(tx, &name)?.is_none() {
                tx.remove(NAMES, name.look().as_bytes())?;
            }
            Ok(())
        })
    }
}

/// Notes that an identity is called by a name.
///
/// # Errors
/// Another identity was called by it, or by one that looks the same.
pub(super) fn claim(
    tx: &mut WriteTx<'_>,
    name: &ContactName,
    key: KeyId,
) -> Result<(), StoreError> {
    if owner(tx, name)?.is_some_and(|owner| owner != *key.as_bytes()) {
        return Err(StoreError::NameUsed(name.as_str().to_owned()));
    }
    Ok(tx.put(NAMES, name.look().as_bytes(), key.as_bytes())?)
}

fn owner(tx: &ReadTx<'_>, name: &ContactName) -> Result<Option<[u8; 32]>, StoreError> {
    let key = tx.get(NAMES, name.look().as_bytes())?;
    key.map(|key| key.as_slice().try_into().map_err(|_| StoreError::Record)).transpose()
}

pub(super) const TABLES: [KeyedTable; 1] = [NAMES];
/// Key ids of identities by the look of a name: one for each name that was ever given.
const NAMES: KeyedTable = KeyedTable::new("names");
