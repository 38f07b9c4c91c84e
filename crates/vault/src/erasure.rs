//! Erasure: what is removed from an erasable table is gone from the file. Implements docs/store.md,
//! "Erasure".
//!
//! redb writes each change to other pages than those it replaces, and leaves the old ones as they
//! are. So the records of erasable tables are encrypted under keys that come from the master key
//! and a random *erasure key*. That lies in two places of the file's head, where it is overwritten
//! in place. An erasure encrypts all records that are left under a new erasure key, in the
//! transaction that removes the others, and then overwrites the old key: no earlier version of any
//! of them can be read again, wherever it lies.
//!
//! The order makes it safe at every point. A new key goes into one place, and to the disk, before
//! the commit that needs it; the old key leaves the other place after that commit is on the disk.
//! The ledger names the key of its commit, so opening knows which of two keys counts, and
//! overwrites the other. Erasures use the places in turns: the first to be overwritten is never the
//! only one that holds the current key.

use std::path::Path;

use redb::{ReadableTable, WriteTransaction};

use crate::error::VaultError;
use crate::keys::{ErasureKey, Keys, TableKeys};
use crate::ledger::{Account, Ledger, definition};
use crate::table::is_erasable;

/// The key that a ledger names, and whether both places hold it.
pub(crate) fn choose(
    places: [Option<ErasureKey>; 2],
    number: u64,
    path: &Path,
) -> Result<(ErasureKey, bool), VaultError> {
    let mut fitting: Vec<_> =
        places.into_iter().flatten().filter(|place| place.number == number).collect();
    let settled = fitting.len() == 2;
    let chosen = fitting.pop();
    let missing = || VaultError::damaged(path, "neither copy of its erasure key can be read");
    Ok((chosen.ok_or_else(missing)?, settled))
}

/// Encrypts the records of all erasable tables under the next erasure key, and has the ledger say
/// so.
pub(crate) fn rekey(
    transaction: &WriteTransaction,
    ledger: &mut Ledger,
    keys: &Keys,
    before: &ErasureKey,
    path: &Path,
) -> Result<ErasureKey, VaultError> {
    let next = ErasureKey::generate(before.number + 1);
    for (label, account) in ledger.tables.iter_mut().filter(|(label, _)| is_erasable(label)) {
        rekey_table(transaction, account, [before, &next].map(|key| keys.table(label, key)), path)?;
    }
    ledger.erasure = next.number;
    Ok(next)
}

fn rekey_table(
    transaction: &WriteTransaction,
    account: &mut Account,
    [old, new]: [TableKeys; 2],
    path: &Path,
) -> Result<(), VaultError> {
    let definition = definition(&old.name);
    let mut store = transaction.open_table(definition).map_err(VaultError::store(path))?;
    let mut records = Vec::new();
    for record in store.iter().map_err(VaultError::store(path))? {
        let (stored, sealed) = record.map_err(VaultError::store(path))?;
        records.push((stored.value().to_vec(), sealed.value().to_vec()));
    }
    let unreadable = || VaultError::damaged(path, "a record does not open");
    for (stored, sealed) in records {
        let record = old.open(&stored, &sealed).ok_or_else(unreadable)?;
        account.subtract(&old.fingerprint(&stored, &sealed).ok_or_else(unreadable)?);
        store.remove(stored.as_slice()).map_err(VaultError::store(path))?;
        let stored = new.blind(&record.key);
        let sealed = new.seal(&stored, &record.key, &record.value);
        account.add(&new.fingerprint(&stored, &sealed).ok_or_else(unreadable)?);
        store.insert(stored.as_slice(), sealed.as_slice()).map_err(VaultError::store(path))?;
    }
    Ok(())
}
