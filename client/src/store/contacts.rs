//! Contacts: whom the client can write to, and where it stands with each.

use std::time::Duration;

use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::Contact;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::record::{decode, encode};
use super::{Store, StoreError};
use crate::Address;

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

impl Store {
    /// Adds a contact under a name of the user's choice. Its first message will bear a number of
    /// this store's life.
    ///
    /// # Errors
    /// The name is taken or unusable, or the contact is known by another, or blocked.
    pub fn add_contact(
        &self,
        name: &str,
        contact: Contact,
        now: Duration,
    ) -> Result<(), StoreError> {
        let usable =
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
        if !usable || name.len() > NAME_LIMIT {
            return Err(StoreError::Name(name.to_owned()));
        }
        self.vault.write(|tx| {
            let key = contact.identity.key_id();
            for known in contacts(tx)? {
                if known.key() == key && known.blocked {
                    return Err(StoreError::Blocked(known.name));
                }
                if known.key() == key {
                    return Err(StoreError::Known(known.name));
                }
                if known.name == name {
                    return Err(StoreError::NameTaken(known.name));
                }
            }
            // Above all that it may have seen, if it was a contact before.
            let life = super::next_life(tx, now)?;
            let known = KnownContact {
                name: name.to_owned(),
                address: Address { generation: 0, counts_since: 0, contact: contact.clone() },
                verified: false,
                blocked: false,
                added: now,
                below: 0,
                next: u64::from(life) << 32,
                counts_since: life,
                counted_since: 0,
            };
            put(tx, &known)?;
            super::address::tell(tx, key, now)
        })
    }

    /// All contacts by name, the blocked ones among them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn contacts(&self) -> Result<Vec<KnownContact>, StoreError> {
        self.vault.read(contacts)
    }

    /// The contact of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn contact(&self, name: &str) -> Result<KnownContact, StoreError> {
        self.vault.read(|tx| named(tx, name))
    }

    /// The name of a contact; empty if it is one no more.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn name_of(&self, key: KeyId) -> Result<String, StoreError> {
        self.vault.read(|tx| Ok(by_key(tx, key)?.map_or_else(String::new, |known| known.name)))
    }

    /// The fingerprint was compared.
    ///
    /// # Errors
    /// There is no such contact.
    pub fn verify(&self, name: &str) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            let mut contact = named(tx, name)?;
            contact.verified = true;
            put(tx, &contact)
        })
    }

    /// From now on nothing goes to a contact and nothing is taken from it: a new generation begins,
    /// of which all others hear, and the write keys that it knows are good for nothing.
    ///
    /// # Errors
    /// There is no such contact.
    pub fn block(&self, name: &str, now: Duration) -> Result<KeyId, StoreError> {
        self.vault.write(|tx| {
            let mut contact = named(tx, name)?;
            contact.blocked = true;
            put(tx, &contact)?;
            super::outbox::drop_all(tx, contact.key(), now)?;
            super::fragments::drop_below(tx, contact.key(), u64::MAX)?;
            super::address::roll(tx, now, true)?;
            Ok(contact.key())
        })
    }

    /// Forgets a contact, its unfinished messages and what waits for it. What it wrote stays in the
    /// inbox.
    ///
    /// # Errors
    /// There is no such contact.
    pub fn remove(&self, name: &str, now: Duration) -> Result<KeyId, StoreError> {
        self.vault.write(|tx| {
            let key = named(tx, name)?.key();
            super::outbox::drop_all(tx, key, now)?;
            super::fragments::drop_below(tx, key, u64::MAX)?;
            tx.remove(CONTACTS, key.as_bytes())?;
            Ok(key)
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
/// Bytes of a contact's name.
const NAME_LIMIT: usize = 64;
