//! The account of a vault: what must be there. Implements docs/store.md, "The ledger".
//!
//! One sealed record, written in every transaction that changes anything, with the number of the
//! commit and, for each table, the number of its records and the sum of their fingerprints. A
//! record that was removed, added, swapped or put back in an older version does not add up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableHandle,
    WriteTransaction,
};

use crate::error::VaultError;
use crate::keys::{ErasureKey, Fingerprint, Keys, TableKeys, open, seal};

/// Account of all that the vault holds after a commit.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Number of the commit, which rises by one with each.
    pub(crate) commit: u64,
    /// Number of the erasure key under which the erasable tables are encrypted.
    pub(crate) erasure: u64,
    /// Tables by label. A table is here from its first record on, and in redb just as long.
    pub(crate) tables: BTreeMap<Vec<u8>, Account>,
}

/// Account of a table's records.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) count: u64,
    /// The next sequence number of an ordered table; never given twice.
    pub(crate) next: u64,
    /// Bytes of all records with their keys, sealed.
    pub(crate) bytes: u64,
    /// XOR of all records' fingerprints.
    sum: [u8; 32],
}

impl Account {
    pub(crate) fn add(&mut self, print: &Fingerprint) {
        self.count += 1;
        self.bytes += print.len;
        self.toggle(print);
    }

    /// Takes a record off the account. The count is checked when the vault is opened, so a record
    /// that was found is in it.
    pub(crate) fn subtract(&mut self, print: &Fingerprint) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(print.len);
        self.toggle(print);
    }

    /// True if the account is of the same records.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        self.count == other.count && self.bytes == other.bytes && self.sum == other.sum
    }

    fn toggle(&mut self, print: &Fingerprint) {
        for (sum, byte) in self.sum.iter_mut().zip(print.print) {
            *sum ^= byte;
        }
    }
}

impl Ledger {
    pub(crate) fn load(
        transaction: &ReadTransaction,
        keys: &Keys,
        path: &Path,
    ) -> Result<Self, VaultError> {
        let store = transaction.open_table(LEDGER).map_err(VaultError::store(path))?;
        Self::read(&store, keys, path)
    }

    pub(crate) fn read(
        store: &impl ReadableTable<&'static [u8], &'static [u8]>,
        keys: &Keys,
        path: &Path,
    ) -> Result<Self, VaultError> {
        let sealed = store.get(LEDGER_KEY).map_err(VaultError::store(path))?;
        let record = sealed.and_then(|it| open(&keys.ledger, LABEL, LEDGER_KEY, it.value()));
        let ledger = record.and_then(|record| Self::decode(&record.value));
        ledger.ok_or_else(|| VaultError::damaged(path, "its ledger does not open"))
    }

    pub(crate) fn save(
        &self,
        transaction: &WriteTransaction,
        keys: &Keys,
        path: &Path,
    ) -> Result<(), VaultError> {
        let mut store = transaction.open_table(LEDGER).map_err(VaultError::store(path))?;
        let sealed = seal(&keys.ledger, LABEL, LEDGER_KEY, &[], &self.encode());
        store.insert(LEDGER_KEY, sealed.as_slice()).map_err(VaultError::store(path))?;
        Ok(())
    }

    /// The ledger of a database that was just opened, held against the anchor.
    pub(crate) fn anchored(
        database: &Database,
        keys: &Keys,
        anchor: u64,
        path: &Path,
    ) -> Result<Self, VaultError> {
        let transaction = database.begin_read().map_err(VaultError::store(path))?;
        let ledger = Self::load(&transaction, keys, path)?;
        if ledger.commit < anchor {
            return Err(VaultError::damaged(path, "its newest changes are missing"));
        }
        Ok(ledger)
    }

    /// Holds everything in the database, which has no newer commit, against the ledger.
    pub(crate) fn verify(
        &self,
        database: &Database,
        keys: &Keys,
        erasure: &ErasureKey,
        path: &Path,
    ) -> Result<(), VaultError> {
        let transaction = database.begin_read().map_err(VaultError::store(path))?;
        let tables = transaction.list_tables().map_err(VaultError::store(path))?;
        let mut names: BTreeSet<_> = tables.map(|table| table.name().to_owned()).collect();
        names.remove(LEDGER.name());
        for (label, account) in &self.tables {
            let table = keys.table(label, erasure);
            let there = names.remove(&table.name);
            if !there || !adds_up(&transaction, &table, account, path)? {
                return Err(VaultError::damaged(path, "records are missing or were exchanged"));
            }
        }
        if !names.is_empty() {
            return Err(VaultError::damaged(path, "it holds a table that no rohrpost made"));
        }
        Ok(())
    }

    /// `commit u64 ‖ erasure u64 ‖ (len(label) u8 ‖ label ‖ count u64 ‖ next u64 ‖ bytes u64 ‖ sum 32)…`
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.commit.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.erasure.to_be_bytes());
        for (label, account) in &self.tables {
            bytes.push(u8::try_from(label.len()).expect("tables bound the length of their names"));
            bytes.extend_from_slice(label);
            bytes.extend_from_slice(&account.count.to_be_bytes());
            bytes.extend_from_slice(&account.next.to_be_bytes());
            bytes.extend_from_slice(&account.bytes.to_be_bytes());
            bytes.extend_from_slice(&account.sum);
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (commit, rest) = bytes.split_first_chunk::<8>()?;
        let (erasure, mut rest) = rest.split_first_chunk::<8>()?;
        let (commit, erasure) = (u64::from_be_bytes(*commit), u64::from_be_bytes(*erasure));
        let mut tables = BTreeMap::new();
        while let Some((&len, after)) = rest.split_first() {
            let (label, after) = after.split_at_checked(usize::from(len))?;
            let (count, after) = after.split_first_chunk::<8>()?;
            let (next, after) = after.split_first_chunk::<8>()?;
            let (bytes, after) = after.split_first_chunk::<8>()?;
            let (sum, after) = after.split_first_chunk::<32>()?;
            let [count, next, bytes] = [count, next, bytes].map(|it| u64::from_be_bytes(*it));
            tables.insert(label.to_vec(), Account { count, next, bytes, sum: *sum });
            rest = after;
        }
        Some(Self { commit, erasure, tables })
    }
}

fn adds_up(
    transaction: &ReadTransaction,
    table: &TableKeys,
    expected: &Account,
    path: &Path,
) -> Result<bool, VaultError> {
    let store = transaction.open_table(definition(&table.name)).map_err(VaultError::store(path))?;
    let mut found = Account::default();
    for record in store.iter().map_err(VaultError::store(path))? {
        let (stored, sealed) = record.map_err(VaultError::store(path))?;
        let Some(print) = table.fingerprint(stored.value(), sealed.value()) else {
            return Ok(false);
        };
        found.add(&print);
    }
    Ok(found.is_as(expected))
}

/// The redb definition of a table with this name.
pub(crate) const fn definition(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

pub(crate) const LEDGER: TableDefinition<'static, &'static [u8], &'static [u8]> =
    definition("ledger");
/// The ledger's label: no table's is empty.
const LABEL: &[u8] = b"";
const LEDGER_KEY: &[u8] = b"ledger";
