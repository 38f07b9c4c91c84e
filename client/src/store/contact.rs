//! A contact in the store: its record, and the table of all contacts.

use std::time::Duration;

use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::Contact;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::exchange::{self, Exchange};
use super::record::{decode, encode};
use super::rounds;
use crate::address::{Address, time};
use crate::contact_name::{ContactName, look};

/// A contact, as its user knows it.
pub struct KnownContact {
    /// The name by which the user calls the contact.
    pub name: String,
    /// The newest version of the contact's address.
    pub address: Address,
    /// True if the contact's fingerprint was compared.
    pub verified: bool,
    /// Time at which the contact was added, since the Unix epoch.
    pub added: Duration,
    /// Version of the address on the newest card of the contact that was added.
    pub(super) card: u64,
    /// Place in the order in which contacts are told of addresses.
    pub(super) place: u64,
    /// State of what is exchanged with the contact.
    pub(super) exchange: Exchange,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactRecord {
    version: u32,
    name: String,
    /// The address as [`Address`] encodes it, in hex.
    address: String,
    verified: bool,
    /// Time at which the contact was added, in Unix seconds.
    added: u64,
    card: u64,
    place: u64,
}

impl KnownContact {
    /// The key id of the contact's identity.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.address.contact.identity.key_id()
    }

    /// True if nothing goes to the contact and nothing is taken from it.
    #[must_use]
    pub const fn blocked(&self) -> bool {
        self.exchange.blocked
    }

    /// Time of the last sign of life of the contact, since the Unix epoch, to the hour; of its
    /// addition before the first.
    #[must_use]
    pub const fn heard(&self) -> Duration {
        self.exchange.heard()
    }

    /// Time of the last sign of life, since the Unix epoch; none if nothing was ever heard.
    #[must_use]
    pub fn last_heard(&self) -> Option<Duration> {
        self.exchange.heard_once.then(|| self.heard())
    }

    /// How the contact is reached, with the age of that: since it was added where nothing tells.
    pub(super) fn into_contact(self) -> Contact {
        let Contact { made, .. } = self.address.contact;
        Contact { made: made.or_else(|| time(self.added.as_secs())), ..self.address.contact }
    }

    fn record(&self) -> ContactRecord {
        ContactRecord {
            version: 1,
            name: self.name.clone(),
            address: data_encoding::HEXLOWER.encode(&self.address.encode()),
            verified: self.verified,
            added: self.added.as_secs(),
            card: self.card,
            place: self.place,
        }
    }

    /// The contact of a record, with what is exchanged with it.
    fn of(tx: &ReadTx<'_>, record: &[u8]) -> Result<Self, StoreError> {
        let record: ContactRecord = decode(record)?;
        let bytes = data_encoding::HEXLOWER.decode(record.address.as_bytes());
        let bytes = bytes.map_err(|_| StoreError::Record)?;
        let address = Address::decode(&bytes).map_err(|_| StoreError::Record)?;
        let key = address.contact.identity.key_id();
        Ok(Self {
            name: record.name,
            address,
            verified: record.verified,
            added: Duration::from_secs(record.added),
            card: record.card,
            place: record.place,
            exchange: exchange::with(tx, key)?.ok_or(StoreError::Record)?,
        })
    }
}

pub(super) fn contacts(tx: &ReadTx<'_>) -> Result<Vec<KnownContact>, StoreError> {
    let mut contacts = Vec::new();
    for record in tx.iter(CONTACTS)? {
        contacts.push(KnownContact::of(tx, &record?.1)?);
    }
    contacts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(contacts)
}

pub(super) fn by_key(tx: &ReadTx<'_>, key: KeyId) -> Result<Option<KnownContact>, StoreError> {
    let record = tx.get(CONTACTS, key.as_bytes())?;
    record.map(|record| KnownContact::of(tx, &record)).transpose()
}

/// The contact of this name, or of this id.
pub(super) fn named(tx: &ReadTx<'_>, name: &str) -> Result<KnownContact, StoreError> {
    let unknown = || StoreError::Unknown(name.to_owned());
    if let Some(key) = key_id(name) {
        return by_key(tx, key)?.ok_or_else(unknown);
    }
    let name = ContactName::new(name).map_err(|_| unknown())?;
    looking_like(tx, &name)?.ok_or_else(unknown)
}

/// The identity whose id a text is: 64 hex digits.
pub(super) fn key_id(text: &str) -> Option<KeyId> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok().map(KeyId::new)
}

/// The contact whose name looks like this one: there is never more than one.
pub(super) fn looking_like(
    tx: &ReadTx<'_>,
    name: &ContactName,
) -> Result<Option<KnownContact>, StoreError> {
    let Some(key) = tx.get(LOOKS, name.look().as_bytes())? else {
        return Ok(None);
    };
    let key = key.as_slice().try_into().map_err(|_| StoreError::Record)?;
    by_key(tx, KeyId::new(key))
}

/// Puts the contact's own record; what is exchanged with it has another.
pub(super) fn put(tx: &mut WriteTx<'_>, contact: &KnownContact) -> Result<(), StoreError> {
    Ok(tx.put(CONTACTS, contact.key().as_bytes(), &encode(&contact.record())?)?)
}

/// Calls a contact by this name, which no other one has, instead of the one before.
pub(super) fn call(
    tx: &mut WriteTx<'_>,
    contact: &mut KnownContact,
    name: &ContactName,
) -> Result<(), StoreError> {
    tx.remove(LOOKS, look(&contact.name).as_bytes())?;
    name.as_str().clone_into(&mut contact.name);
    tx.put(LOOKS, name.look().as_bytes(), contact.key().as_bytes())?;
    put(tx, contact)
}

/// Forgets a contact.
pub(super) fn remove(tx: &mut WriteTx<'_>, contact: &KnownContact) -> Result<(), StoreError> {
    let key = contact.key();
    tx.remove(CONTACTS, key.as_bytes())?;
    tx.remove(LOOKS, look(&contact.name).as_bytes())?;
    rounds::leave(tx, contact.place)?;
    if let Some(without) = contact.exchange.without {
        rounds::has_one(tx, without)?;
    }
    exchange::remove(tx, key)
}

pub(super) const TABLES: [KeyedTable; 2] = [CONTACTS, LOOKS];
const CONTACTS: KeyedTable = KeyedTable::new("contacts");
/// Key ids of contacts by the look of their names.
const LOOKS: KeyedTable = KeyedTable::new("looks of names");
