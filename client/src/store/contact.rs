//! A contact in the store: its record, and the table of all contacts.

use std::ops::Range;
use std::time::Duration;

use rand::RngExt;
use rohrpost_packet::envelope::KeyId;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::record::{decode, encode};
use super::state;
use crate::address::Address;
use crate::contact_name::{ContactName, look};
use crate::randomness;

/// A contact, as its user knows it.
pub struct KnownContact {
    /// The name by which the user calls the contact.
    pub name: String,
    /// The newest version of the contact's address.
    pub address: Address,
    /// True if the contact's fingerprint was compared.
    pub verified: bool,
    /// True if nothing goes to the contact and nothing is taken from it.
    pub blocked: bool,
    /// Time at which the contact was added, since the Unix epoch.
    pub added: Duration,
    /// Version of the address on the newest card of the contact that was added.
    pub(super) card: u64,
    /// Time of the last sign of life of the contact, since the Unix epoch, to the hour; of its
    /// addition before the first.
    pub heard: Duration,
    /// Number before which every message of the contact is over.
    pub(super) below: u64,
    /// Number of the next message to the contact.
    pub(super) next: u64,
    /// Incarnation since which this side counts the contact's messages. Every acknowledgement says
    /// so; a change has the contact send again whatever is open.
    pub(super) since: u32,
    /// Version of the newest own address that the contact has acknowledged; zero if it has none.
    pub(super) told: u64,
    /// Set while the contact is not to be told of the newest address yet.
    pub(super) untold: Option<Untold>,
    /// True if letters of the contact have come since the last acknowledgement to it left.
    pub(super) owes: bool,
}

/// When a contact is told of the newest address, at the latest: drawn once, when there first was
/// something to tell.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Untold {
    /// Minute of the client's time online.
    pub(super) minute: u64,
    /// Time at which this client has been too seldom online to wait for the minute, in Unix seconds.
    pub(super) latest: u64,
    /// Address versions of which the contact has not heard.
    pub(super) versions: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactRecord {
    version: u32,
    name: String,
    /// The address as [`Address`] encodes it, in hex.
    address: String,
    verified: bool,
    blocked: bool,
    /// Time at which the contact was added, in Unix seconds.
    added: u64,
    /// Time of the last sign of life, in Unix seconds.
    heard: u64,
    card: u64,
    below: u64,
    next: u64,
    since: u32,
    told: u64,
    untold: Option<Untold>,
    owes: bool,
}

impl KnownContact {
    /// The key id of the contact's identity.
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
            heard: self.heard.as_secs(),
            card: self.card,
            below: self.below,
            next: self.next,
            since: self.since,
            told: self.told,
            untold: self.untold,
            owes: self.owes,
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
            heard: Duration::from_secs(record.heard),
            card: record.card,
            below: record.below,
            next: record.next,
            since: record.since,
            told: record.told,
            untold: record.untold,
            owes: record.owes,
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

pub(super) fn put(tx: &mut WriteTx<'_>, contact: &KnownContact) -> Result<(), StoreError> {
    let (key, record) = (contact.key(), encode(&contact.record())?);
    tx.put(CONTACTS, key.as_bytes(), &record)?;
    match &contact.untold {
        Some(untold) => tx.put(UNTOLD, key.as_bytes(), &encode(untold)?)?,
        None => drop(tx.remove(UNTOLD, key.as_bytes())?),
    }
    Ok(())
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
    tx.remove(UNTOLD, key.as_bytes())?;
    tx.remove(LOOKS, look(&contact.name).as_bytes())?;
    Ok(())
}

/// Contacts that are not to be told of the newest address yet.
pub(super) fn untold(tx: &ReadTx<'_>) -> Result<Vec<(KeyId, Untold)>, StoreError> {
    let mut all = Vec::new();
    for record in tx.iter(UNTOLD)? {
        let (key, untold) = record?;
        let key = key.as_slice().try_into().map_err(|_| StoreError::Record)?;
        all.push((KeyId::new(key), decode(&untold)?));
    }
    all.sort_by_key(|(key, _)| *key);
    Ok(all)
}

/// Has each contact told of the newest address within so many minutes online, at a time that is
/// drawn for it alone. Who waits for an older one already waits on, and is then told of the newest;
/// who has none at all does not wait.
pub(super) fn tell_all_later(
    tx: &mut WriteTx<'_>,
    now: Duration,
    within: u64,
) -> Result<(), StoreError> {
    let online = state::online(tx)?;
    for mut known in contacts(tx)?.into_iter().filter(|known| !known.blocked) {
        // Whoever has none of this client's addresses gets each new one at once.
        let wait = if known.told > 0 { randomness::rng().random_range(1..=within) } else { 0 };
        let minute = online + wait;
        let latest = now.as_secs().saturating_add(randomness::rng().random_range(PATIENCE));
        let mut untold = known.untold.unwrap_or(Untold { minute, latest, versions: 0 });
        if untold.minute > online + within {
            untold.minute = minute;
        }
        untold.versions += 1;
        known.untold = Some(untold);
        put(tx, &known)?;
    }
    Ok(())
}

/// Time after which a contact is told at the next opportunity, in seconds, if the client was too
/// seldom online to tell it before: a prekey stays for a week at least after it was replaced.
const PATIENCE: Range<u64> = 4 * 86_400..7 * 86_400;

pub(super) const TABLES: [KeyedTable; 3] = [CONTACTS, LOOKS, UNTOLD];
const CONTACTS: KeyedTable = KeyedTable::new("contacts");
/// Key ids of contacts by the look of their names.
const LOOKS: KeyedTable = KeyedTable::new("looks of names");
/// What of a contact says when it is told, for those alone that wait for it: it is looked at each
/// minute.
pub(super) const UNTOLD: KeyedTable = KeyedTable::new("untold contacts");
