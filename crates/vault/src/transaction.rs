//! Transactions: the inside of [`Vault::read`](crate::Vault::read) and
//! [`Vault::write`](crate::Vault::write).

use std::ops::{Bound, Deref};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use zeroize::Zeroizing;

use crate::erasure;
use crate::error::VaultError;
use crate::keys::{ErasureKey, Keys, Record, TableKeys};
use crate::ledger::{LEDGER, Ledger, definition};
use crate::open::Open;
use crate::table::{KEY_LIMIT, KeyedTable, OrderedTable, Table, VALUE_LIMIT, is_erasable};

/// The vault as one commit left it, or in a [`WriteTx`] as its own changes so far have it.
pub struct ReadTx<'v> {
    store: Store,
    ledger: Ledger,
    keys: &'v Keys,
    /// Erasure key of this state.
    erasure: Arc<ErasureKey>,
    opened: &'v AtomicU64,
    path: &'v Path,
}

enum Store {
    Read(ReadTransaction),
    Write(Box<WriteTransaction>),
}

impl<'v> ReadTx<'v> {
    pub(crate) fn begin(open: &'v Open) -> Result<Self, VaultError> {
        let (keys, path) = (&open.keys, open.path());
        let (transaction, erasure) = open.snapshot()?;
        let ledger = Ledger::load(&transaction, keys, path)?;
        let store = Store::Read(transaction);
        Ok(Self { store, ledger, keys, erasure, opened: &open.opened, path })
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn get(
        &self,
        table: KeyedTable,
        key: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let Some(table) = self.known(table.into()) else { return Ok(None) };
        Ok(self.record(&table, &table.blind(key))?.map(|record| record.value))
    }

    /// True if there is a value under `key`, which is not read.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn contains(&self, table: KeyedTable, key: &[u8]) -> Result<bool, VaultError> {
        let Some(table) = self.known(table.into()) else { return Ok(false) };
        let (stored, definition) = (table.blind(key), definition(&table.name));
        let error = VaultError::store(self.path);
        let there = match &self.store {
            Store::Read(store) => has(&store.open_table(definition).map_err(error)?, &stored),
            Store::Write(store) => has(&store.open_table(definition).map_err(error)?, &stored),
        };
        there.map_err(VaultError::store(self.path))
    }

    /// The record with this number.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn entry(
        &self,
        table: OrderedTable,
        number: u64,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let Some(table) = self.known(table.into()) else { return Ok(None) };
        Ok(self.record(&table, &number.to_be_bytes())?.map(|record| record.value))
    }

    /// All records of a table with their keys, in no order that means anything.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn iter(&self, table: KeyedTable) -> Result<Iter<'_>, VaultError> {
        self.records(table.into(), &[]).map(Iter)
    }

    /// The records of a table from this number on, with their numbers, in their order.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn entries(&self, table: OrderedTable, from: u64) -> Result<Entries<'_>, VaultError> {
        self.records(table.into(), &from.to_be_bytes()).map(Entries)
    }

    /// The number of records that a table has; costs nothing.
    #[must_use]
    pub fn count(&self, table: impl Into<Table>) -> u64 {
        self.ledger.tables.get(&table.into().label()).map_or(0, |account| account.count)
    }

    /// The number that the next record of a table gets, above all that it ever had; costs nothing.
    #[must_use]
    pub fn next_number(&self, table: OrderedTable) -> u64 {
        self.ledger.tables.get(&Table::from(table).label()).map_or(0, |account| account.next)
    }

    /// A table's keys, if it was ever written to. Others are not in the database, where to open
    /// them for writing would make them.
    fn known(&self, table: Table) -> Option<TableKeys> {
        let label = table.label();
        self.ledger.tables.contains_key(&label).then(|| self.table(&label))
    }

    fn table(&self, label: &[u8]) -> TableKeys {
        self.keys.table(label, &self.erasure)
    }

    fn record(&self, table: &TableKeys, stored: &[u8]) -> Result<Option<Record>, VaultError> {
        let definition = definition(&table.name);
        let error = VaultError::store(self.path);
        let sealed = match &self.store {
            Store::Read(store) => fetch(&store.open_table(definition).map_err(error)?, stored),
            Store::Write(store) => fetch(&store.open_table(definition).map_err(error)?, stored),
        };
        let Some(sealed) = sealed.map_err(VaultError::store(self.path))? else { return Ok(None) };
        let record = table.open(stored, &sealed);
        self.opened.fetch_add(1, Ordering::Relaxed);
        let record = record.ok_or_else(|| VaultError::damaged(self.path, "a record does not open"));
        record.map(Some)
    }

    /// Iterates over a table. Some keys are listed at a time, and the values read one by one:
    /// whoever stops early has paid for what was read alone.
    fn records(&self, table: Table, from: &[u8]) -> Result<Records<'_>, VaultError> {
        let table = self.table(&table.label());
        let ended = !self.ledger.tables.contains_key(table.label());
        let from = Bound::Included(from.to_vec());
        Ok(Records { view: self, table, from, waiting: Vec::new().into_iter(), ended })
    }

    /// The next keys of a table.
    fn keys_from(
        &self,
        table: &TableKeys,
        from: &Bound<Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>, VaultError> {
        let definition = definition(&table.name);
        let error = VaultError::store(self.path);
        let keys = match &self.store {
            Store::Read(store) => list(&store.open_table(definition).map_err(error)?, from),
            Store::Write(store) => list(&store.open_table(definition).map_err(error)?, from),
        };
        keys.map_err(VaultError::store(self.path))
    }
}

/// Changes that are committed together or not at all. Reads see them already.
pub struct WriteTx<'v> {
    view: ReadTx<'v>,
    changed: bool,
    /// A step began and did not end: the database may hold half of it.
    unfinished: bool,
    /// A record of an erasable table was removed or replaced.
    erases: bool,
}

impl<'v> WriteTx<'v> {
    pub(crate) fn begin(open: &'v Open) -> Result<Self, VaultError> {
        let (keys, path) = (&open.keys, open.path());
        let transaction = open.database.begin_write().map_err(VaultError::store(path))?;
        let ledger = {
            let store = transaction.open_table(LEDGER).map_err(VaultError::store(path))?;
            Ledger::read(&store, keys, path)?
        };
        let store = Store::Write(Box::new(transaction));
        let (erasure, opened) = (open.erasure_key(), &open.opened);
        let view = ReadTx { store, ledger, keys, erasure, opened, path };
        Ok(Self { view, changed: false, unfinished: false, erases: false })
    }

    /// Puts a value under `key`, in place of the one that was there.
    ///
    /// # Errors
    /// Key or value is too long, or the file is damaged or cannot be written.
    pub fn put(&mut self, table: KeyedTable, key: &[u8], value: &[u8]) -> Result<(), VaultError> {
        bounded("key", key, KEY_LIMIT)?;
        bounded("value", value, VALUE_LIMIT)?;
        let label = Table::from(table).label();
        let table = self.view.table(&label);
        let stored = table.blind(key);
        let sealed = table.seal(&stored, key, value);
        self.store(&table, &stored, Some(&sealed)).map(|_| ())
    }

    /// Removes the record under `key`; false if there was none.
    ///
    /// # Errors
    /// The file is damaged or cannot be written.
    pub fn remove(&mut self, table: KeyedTable, key: &[u8]) -> Result<bool, VaultError> {
        let Some(table) = self.view.known(table.into()) else { return Ok(false) };
        self.store(&table, &table.blind(key), None)
    }

    /// Appends a value and returns its number, which no record of the table had before.
    ///
    /// # Errors
    /// The value is too long, or the file is damaged or cannot be written.
    pub fn append(&mut self, table: OrderedTable, value: &[u8]) -> Result<u64, VaultError> {
        bounded("value", value, VALUE_LIMIT)?;
        let label = Table::from(table).label();
        let table = self.view.table(&label);
        let account = self.view.ledger.tables.entry(label).or_default();
        let number = account.next;
        account.next += 1;
        let stored = number.to_be_bytes();
        let sealed = table.seal(&stored, &stored, value);
        self.store(&table, &stored, Some(&sealed)).map(|_| number)
    }

    /// Replaces the value with this number; false, and nothing is written, if there is none.
    ///
    /// # Errors
    /// The value is too long, or the file is damaged or cannot be written.
    pub fn replace(
        &mut self,
        table: OrderedTable,
        number: u64,
        value: &[u8],
    ) -> Result<bool, VaultError> {
        bounded("value", value, VALUE_LIMIT)?;
        let stored = number.to_be_bytes();
        let Some(table) = self.view.known(table.into()) else { return Ok(false) };
        if self.view.record(&table, &stored)?.is_none() {
            return Ok(false);
        }
        let sealed = table.seal(&stored, &stored, value);
        self.store(&table, &stored, Some(&sealed))
    }

    /// Removes the record with this number; false if there is none. The number is not used again.
    ///
    /// # Errors
    /// The file is damaged or cannot be written.
    pub fn remove_entry(&mut self, table: OrderedTable, number: u64) -> Result<bool, VaultError> {
        let Some(table) = self.view.known(table.into()) else { return Ok(false) };
        self.store(&table, &number.to_be_bytes(), None)
    }

    /// Commits, and returns the commit's number; none if nothing was changed.
    pub(crate) fn commit(self, open: &Open) -> Result<Option<u64>, VaultError> {
        let ReadTx { store, mut ledger, keys, erasure, path, .. } = self.view;
        if self.unfinished {
            return Err(VaultError::Unfinished(path.to_owned()));
        }
        let Store::Write(transaction) = store else { return Ok(None) };
        if !self.changed {
            return Ok(None);
        }
        ledger.commit += 1;
        if self.erases {
            let next = erasure::rekey(&transaction, &mut ledger, keys, &erasure, path)?;
            ledger.save(&transaction, keys, path)?;
            open.commit_erasing(*transaction, next)?;
        } else {
            ledger.save(&transaction, keys, path)?;
            transaction.commit().map_err(VaultError::store(path))?;
        }
        Ok(Some(ledger.commit))
    }

    /// Inserts or removes a record, with its fingerprint in the ledger; true if one was there.
    fn store(
        &mut self,
        table: &TableKeys,
        stored: &[u8],
        sealed: Option<&[u8]>,
    ) -> Result<bool, VaultError> {
        let Store::Write(transaction) = &self.view.store else { return Ok(false) };
        let path = self.view.path;
        self.unfinished = true;
        let before = {
            let mut store =
                transaction.open_table(definition(&table.name)).map_err(VaultError::store(path))?;
            let before = match sealed {
                Some(sealed) => store.insert(stored, sealed),
                None => store.remove(stored),
            };
            let before = before.map_err(VaultError::store(path))?;
            before.map(|sealed| table.fingerprint(stored, sealed.value()))
        };
        let short = || VaultError::damaged(path, "a record is too short");
        let account = self.view.ledger.tables.entry(table.label().to_vec()).or_default();
        let there = before.is_some();
        if let Some(print) = before {
            account.subtract(&print.ok_or_else(short)?);
        }
        if let Some(sealed) = sealed {
            account.add(&table.fingerprint(stored, sealed).ok_or_else(short)?);
        }
        self.changed |= there || sealed.is_some();
        self.erases |= there && is_erasable(table.label());
        self.unfinished = false;
        Ok(there)
    }
}

impl<'v> Deref for WriteTx<'v> {
    type Target = ReadTx<'v>;

    fn deref(&self) -> &ReadTx<'v> {
        &self.view
    }
}

/// Records of a keyed table: key and value.
pub struct Iter<'t>(Records<'t>);

/// Records of an ordered table: number and value.
pub struct Entries<'t>(Records<'t>);

struct Records<'t> {
    view: &'t ReadTx<'t>,
    table: TableKeys,
    /// Begin of what is not listed yet.
    from: Bound<Vec<u8>>,
    waiting: vec::IntoIter<Vec<u8>>,
    /// True if nothing is left to be listed.
    ended: bool,
}

impl Records<'_> {
    fn next(&mut self) -> Option<Result<(Vec<u8>, Record), VaultError>> {
        if self.waiting.len() == 0 && !self.ended {
            let keys = match self.view.keys_from(&self.table, &self.from) {
                Ok(keys) => keys,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            };
            self.ended = keys.len() < LISTED;
            self.from = keys.last().cloned().map_or(Bound::Unbounded, Bound::Excluded);
            self.waiting = keys.into_iter();
        }
        let stored = self.waiting.next()?;
        let record = self.view.record(&self.table, &stored).and_then(|record| {
            record.ok_or_else(|| VaultError::damaged(self.view.path, "a record is missing"))
        });
        Some(record.map(|record| (stored, record)))
    }
}

impl Iterator for Iter<'_> {
    type Item = Result<(Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>), VaultError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(|(_, record)| (record.key, record.value)))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(u64, Zeroizing<Vec<u8>>), VaultError>;

    fn next(&mut self) -> Option<Self::Item> {
        let path = self.0.view.path;
        let number = |stored: &[u8]| stored.try_into().ok().map(u64::from_be_bytes);
        Some(self.0.next()?.and_then(|(stored, record)| match number(&stored) {
            Some(number) => Ok((number, record.value)),
            None => Err(VaultError::damaged(path, "a record has no number")),
        }))
    }
}

fn fetch(
    store: &impl ReadableTable<&'static [u8], &'static [u8]>,
    stored: &[u8],
) -> Result<Option<Vec<u8>>, redb::StorageError> {
    Ok(store.get(stored)?.map(|sealed| sealed.value().to_vec()))
}

fn has(
    store: &impl ReadableTable<&'static [u8], &'static [u8]>,
    stored: &[u8],
) -> Result<bool, redb::StorageError> {
    Ok(store.get(stored)?.is_some())
}

fn list(
    store: &impl ReadableTable<&'static [u8], &'static [u8]>,
    from: &Bound<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, redb::StorageError> {
    let range = store.range::<&[u8]>((from.as_ref().map(Vec::as_slice), Bound::Unbounded))?;
    range.take(LISTED).map(|record| Ok(record?.0.value().to_vec())).collect()
}

fn bounded(what: &'static str, bytes: &[u8], limit: usize) -> Result<(), VaultError> {
    let len = bytes.len();
    if len > limit { Err(VaultError::TooLong { what, len, limit }) } else { Ok(()) }
}

/// Keys that an iteration lists at a time.
const LISTED: usize = 256;
