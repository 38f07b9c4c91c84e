//! A contact in the store: its record, and the table of all.

use std::time::Duration;

use rohrpost_packet::envelope::KeyId;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::record::{decode, encode};
use crate::address::Address;

/// A contact, as its user knows it.
pub struct KnownContact {
    /// What the user calls it.
    pub name: String,
    /// How it is reached, in its newest generation.
    pub address: Address,
    /// Whether its fingerprint was compared.
    pub verified: bool,
    /// Whether nothing goes there and nothing is taken from there.
    pub blocked: bool,
    /// When it was added, since the Unix epoch.
    pub added: Duration,
    /// Every message of it before this number is over.
    pub(super) below: u64,
    /// Number of the next message to it.
    pub(super) next: u64,
    /// Told to it with every address: since when this side counts its messages. A change tells it to
    /// number them anew.
    pub(super) counts_since: u32,
    /// What it told last; zero if nothing.
    pub(super) counted_since: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactRecord {
    version: u32,
    name: String,
    /// As [`Address`] encodes it, in hex.
    address: String,
    verified: bool,
    blocked: bool,
    /// In Unix seconds.
    added: u64,
    below: u64,
    next: u64,
    counts_since: u32,
    counted_since: u32,
}

impl KnownContact {
    /// Its identity.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.address.contact.identity.key_id()
    }

    fn record(&self) -> ContactRecord {
        ContactRecord {
            version: 1,
            name: self.name.clone(),
            address: data_encoding::HEXLOWER.encode(&self.address.encode()),
            verified: self.verified,
            blocked: self.blocked,
            added: self.added.as_secs(),
            below: self.below,
            next: self.next,
            counts_since: self.counts_since,
            counted_since: self.counted_since,
        }
    }

    fn of(record: ContactRecord) -> Result<Self, StoreError> {
        let bytes = data_encoding::HEXLOWER.decode(record.address.as_bytes());
        let bytes = bytes.map_err(|_| StoreError::Record)?;
        Ok(Self {
            name: record.name,
            address: Address::decode(&bytes).map_err(|_| StoreError::Record)?,
            verified: record.verified,
            blocked: record.blocked,
            added: Duration::from_secs(record.added),
            below: record.below,
            next: record.next,
            counts_since: record.counts_since,
            counted_since: record.counted_since,
        })
    }
}

pub(super) fn contacts(tx: &ReadTx<'_>) -> Result<Vec<KnownContact>, StoreError> {
    let mut contacts = Vec::new();
    for record in tx.iter(CONTACTS)? {
        contacts.push(KnownContact::of(decode(&record?.1)?)?);
    }
    contacts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(contacts)
}

pub(super) fn by_key(tx: &ReadTx<'_>, key: KeyId) -> Result<Option<KnownContact>, StoreError> {
    let record = tx.get(CONTACTS, key.as_bytes())?;
    record.map(|record| KnownContact::of(decode(&record)?)).transpose()
}

pub(super) fn named(tx: &ReadTx<'_>, name: &str) -> Result<KnownContact, StoreError> {
    let mut contacts = contacts(tx)?.into_iter();
    contacts.find(|known| known.name == name).ok_or_else(|| StoreError::Unknown(name.to_owned()))
}

pub(super) fn put(tx: &mut WriteTx<'_>, contact: &KnownContact) -> Result<(), StoreError> {
    let record = encode(&contact.record())?;
    Ok(tx.put(CONTACTS, contact.key().as_bytes(), &record)?)
}

pub(super) const CONTACTS: KeyedTable = KeyedTable::new("contacts");
