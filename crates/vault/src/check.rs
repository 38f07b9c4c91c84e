//! The check of a whole vault, in steps, while it is read and written.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::vec;

use redb::{ReadTransaction, TableHandle};

use crate::error::VaultError;
use crate::keys::{ErasureKey, TableKeys};
use crate::ledger::{Account, LEDGER, Ledger, definition};
use crate::vault::Vault;

/// A check that goes on: holds all records of one commit against its ledger, as an opening does
/// after a crash. It holds no lock; the pages that it still has to read are not used again before
/// it ends.
pub struct Check {
    transaction: ReadTransaction,
    erasure: Arc<ErasureKey>,
    tables: vec::IntoIter<(Vec<u8>, Account)>,
    /// Tables of the file that the ledger has not named yet.
    names: BTreeSet<String>,
    table: Option<Part>,
}

/// A table that is being checked.
struct Part {
    keys: TableKeys,
    expected: Account,
    found: Account,
    /// Key of the last record that was read.
    after: Option<Vec<u8>>,
}

impl Vault {
    /// Begins a check of all that the newest commit left.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn begin_check(&self) -> Result<Check, VaultError> {
        let path = self.path();
        let (transaction, erasure) = self.snapshot()?;
        let ledger = Ledger::load(&transaction, self.keys(), path)?;
        let tables = transaction.list_tables().map_err(VaultError::store(path))?;
        let mut names: BTreeSet<_> = tables.map(|table| table.name().to_owned()).collect();
        names.remove(LEDGER.name());
        let tables: Vec<_> = ledger.tables.into_iter().collect();
        Ok(Check { transaction, erasure, tables: tables.into_iter(), names, table: None })
    }

    /// Checks so many records more, and no more than some MiB of them; true when all are checked.
    ///
    /// # Errors
    /// The file is damaged or cannot be read; the check need not go on.
    pub fn go_on(&self, check: &mut Check, records: usize) -> Result<bool, VaultError> {
        check.step(self, records)
    }
}

impl Check {
    fn step(&mut self, vault: &Vault, records: usize) -> Result<bool, VaultError> {
        let path = vault.path();
        let Some(mut part) = self.table.take().or_else(|| self.next(vault)) else {
            let named = self.names.is_empty();
            let stray = || VaultError::damaged(path, "it holds a table that no rohrpost made");
            return if named { Ok(true) } else { Err(stray()) };
        };
        let lost = || VaultError::damaged(path, "records are missing or were exchanged");
        if !self.names.contains(&part.keys.name) {
            return Err(lost());
        }
        let store = self.transaction.open_table(definition(&part.keys.name));
        let store = store.map_err(VaultError::store(path))?;
        let from = part.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = store.range::<&[u8]>((from, Bound::Unbounded));
        let (mut left, mut bytes, mut last) = (records, BYTES, None);
        let mut ended = true;
        for record in range.map_err(VaultError::store(path))? {
            let (stored, sealed) = record.map_err(VaultError::store(path))?;
            let print = part.keys.fingerprint(stored.value(), sealed.value()).ok_or_else(lost)?;
            part.found.add(&print);
            last = Some(stored.value().to_vec());
            (left, bytes) = (left.saturating_sub(1), bytes.saturating_sub(sealed.value().len()));
            if left == 0 || bytes == 0 {
                ended = false;
                break;
            }
        }
        part.after = last.or(part.after);
        if !ended {
            self.table = Some(part);
            return Ok(false);
        }
        self.names.remove(&part.keys.name);
        if part.found.is_as(&part.expected) { Ok(false) } else { Err(lost()) }
    }

    fn next(&mut self, vault: &Vault) -> Option<Part> {
        let (label, expected) = self.tables.next()?;
        let keys = vault.keys().table(&label, &self.erasure);
        Some(Part { keys, expected, found: Account::default(), after: None })
    }
}

/// Bytes of records after which a step ends.
const BYTES: usize = 4 << 20;
