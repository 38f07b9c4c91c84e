//! Requests: identities unknown to this client that have its card and have written.
//!
//! Of what they write nothing is kept but the ids of the messages, to count them, and the address,
//! by which they are answered once they are accepted: whoever writes keeps his messages until they
//! are acknowledged, and sends them again. All is bounded, whatever is claimed, and nothing leaves.

use std::time::Duration;

use rohrpost_packet::envelope::{Fragment, IdentityPublic, KeyId, Kind};
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::contact::by_key;
use super::error::StoreError;
use super::file::Store;
use super::record::{Hex, decode, encode};
use crate::address::Address;

/// Somebody unknown who has written.
pub struct ContactRequest {
    /// The identity, which the letters have proven.
    pub identity: IdentityPublic,
    /// Time of the first letter, since the Unix epoch.
    pub first: Duration,
    /// Time of the newest letter that was news, since the Unix epoch.
    pub last: Duration,
    /// Count of messages; of more than 64 that.
    pub messages: usize,
    /// The address, once it has come whole: without it nobody can be accepted.
    pub address: Option<Address>,
}

impl ContactRequest {
    /// The key id of the identity.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.identity.key_id()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestRecord {
    version: u32,
    identity: Hex<32>,
    /// Number of the request, in the order in which they began.
    order: u64,
    first: u64,
    last: u64,
    messages: Vec<Hex<16>>,
    /// The address as [`Address`] encodes it, in hex.
    address: Option<String>,
    /// A newer address, or the first, that has not come whole.
    begun: Option<BegunAddress>,
}

/// Parts of an address.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BegunAddress {
    message: Hex<16>,
    version: u64,
    count: u32,
    /// Index and bytes of each part, the bytes in hex.
    parts: Vec<(u32, String)>,
}

impl RequestRecord {
    fn new(identity: &IdentityPublic, order: u64, now: Duration) -> Self {
        Self {
            version: 1,
            identity: Hex(*identity.as_bytes()),
            order,
            first: now.as_secs(),
            last: now.as_secs(),
            messages: Vec::new(),
            address: None,
            begun: None,
        }
    }

    fn address(&self) -> Result<Option<Address>, StoreError> {
        let Some(address) = &self.address else {
            return Ok(None);
        };
        let bytes = data_encoding::HEXLOWER.decode(address.as_bytes());
        let address = bytes.ok().and_then(|bytes| Address::decode(&bytes).ok());
        address.map(Some).ok_or(StoreError::Record)
    }

    /// Takes a letter; true if it was news.
    fn take(&mut self, fragment: &Fragment) -> Result<bool, StoreError> {
        match fragment.kind {
            Kind::Content => {
                let id = Hex(*fragment.message.as_bytes());
                let new = !self.messages.contains(&id) && self.messages.len() < MESSAGES;
                if new {
                    self.messages.push(id);
                }
                Ok(new)
            }
            Kind::Address => self.take_address(fragment),
            Kind::Acknowledgement | Kind::Loop => Ok(false),
        }
    }

    /// Takes a part of an address: of the newest version alone.
    fn take_address(&mut self, fragment: &Fragment) -> Result<bool, StoreError> {
        let (message, version) = (Hex(*fragment.message.as_bytes()), fragment.sequence);
        let known = self.address()?.map_or(0, |address| address.version);
        let begun = self.begun.as_ref().map_or(0, |begun| begun.version);
        let (index, count) = (fragment.position.index, fragment.position.count);
        if version <= known || version < begun || count > PARTS {
            return Ok(false);
        }
        if self.begun.as_ref().is_none_or(|begun| begun.message != message) {
            self.begun = Some(BegunAddress { message, version, count, parts: Vec::new() });
        }
        let Some(begun) = &mut self.begun else {
            return Ok(false);
        };
        let bytes: usize = begun.parts.iter().map(|(_, part)| part.len() / 2).sum();
        let fits = begun.count == count && bytes + fragment.body.len() <= ADDRESS_BYTES;
        if !fits || begun.parts.iter().any(|(known, _)| *known == index) {
            return Ok(false);
        }
        begun.parts.push((index, data_encoding::HEXLOWER.encode(&fragment.body)));
        if u32::try_from(begun.parts.len()) == Ok(count) {
            begun.parts.sort_unstable_by_key(|(index, _)| *index);
            let whole: String = begun.parts.iter().map(|(_, part)| part.as_str()).collect();
            self.begun = None;
            let bytes = data_encoding::HEXLOWER.decode(whole.as_bytes()).unwrap_or_default();
            let address = Address::decode(&bytes).ok();
            let own = |address: &Address| {
                *address.contact.identity.as_bytes() == self.identity.0
                    && address.version == version
            };
            if address.is_some_and(|address| own(&address)) {
                self.address = Some(whole);
            }
        }
        Ok(true)
    }

    fn request(&self) -> Result<ContactRequest, StoreError> {
        Ok(ContactRequest {
            identity: IdentityPublic::from_bytes(self.identity.0),
            first: Duration::from_secs(self.first),
            last: Duration::from_secs(self.last),
            messages: self.messages.len(),
            address: self.address()?,
        })
    }
}

impl Store {
    /// Takes a letter of somebody who is no contact. Gives the request if there is news of it; none
    /// if there is not, as of a contact that is blocked, or of somebody who was refused.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn take_stranger(
        &self,
        identity: &IdentityPublic,
        fragment: &Fragment,
        now: Duration,
    ) -> Result<Option<ContactRequest>, StoreError> {
        let key = identity.key_id();
        let news = self.vault.read(|tx| {
            if by_key(tx, key)?.is_some() || tx.contains(REFUSED, key.as_bytes())? {
                return Ok::<_, StoreError>(None);
            }
            let mut record = match record(tx, key)? {
                Some(record) => record,
                None => RequestRecord::new(identity, next_order(tx)?, now),
            };
            let new = record.take(fragment)?;
            Ok(Some(record).filter(|_| new))
        })?;
        let Some(mut record) = news else {
            return Ok(None);
        };
        record.last = now.as_secs();
        self.vault.write(|tx| {
            tx.put(REQUESTS, key.as_bytes(), &encode(&record)?)?;
            let oldest = records(tx)?.into_iter().min_by_key(|record| record.order);
            match oldest.filter(|_| tx.count(REQUESTS) > MOST) {
                Some(oldest) => forget(tx, oldest.key()),
                None => Ok(()),
            }
        })?;
        record.request().map(Some)
    }

    /// All requests, the oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn requests(&self) -> Result<Vec<ContactRequest>, StoreError> {
        let mut records = self.vault.read(records)?;
        records.sort_unstable_by_key(|record| record.order);
        records.iter().map(RequestRecord::request).collect()
    }

    /// Count of the requests.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn request_count(&self) -> Result<u64, StoreError> {
        self.vault.read(|tx| Ok(tx.count(REQUESTS)))
    }

    /// Refuses somebody who has written: nothing of his is looked at any more, until his card is added.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn refuse(&self, key: KeyId) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            forget(tx, key)?;
            Ok(tx.put(REFUSED, key.as_bytes(), &[])?)
        })
    }
}

/// Forgets the request of somebody who is a contact from now on, and that he was refused before.
pub(super) fn welcome(tx: &mut WriteTx<'_>, key: KeyId) -> Result<(), StoreError> {
    tx.remove(REFUSED, key.as_bytes())?;
    forget(tx, key)
}

fn forget(tx: &mut WriteTx<'_>, key: KeyId) -> Result<(), StoreError> {
    tx.remove(REQUESTS, key.as_bytes())?;
    Ok(())
}

impl RequestRecord {
    fn key(&self) -> KeyId {
        IdentityPublic::from_bytes(self.identity.0).key_id()
    }
}

fn record(tx: &ReadTx<'_>, key: KeyId) -> Result<Option<RequestRecord>, StoreError> {
    tx.get(REQUESTS, key.as_bytes())?.map(|record| decode(&record)).transpose()
}

fn records(tx: &ReadTx<'_>) -> Result<Vec<RequestRecord>, StoreError> {
    let mut records = Vec::new();
    for record in tx.iter(REQUESTS)? {
        records.push(decode(&record?.1)?);
    }
    Ok(records)
}

fn next_order(tx: &ReadTx<'_>) -> Result<u64, StoreError> {
    Ok(records(tx)?.iter().map(|record| record.order + 1).max().unwrap_or(0))
}

/// Requests that are kept; the oldest yields to another. Whoever yields comes back with the next
/// letter that is sent again.
const MOST: u64 = 16;
/// Messages of one request that are told apart.
const MESSAGES: usize = 64;
/// Parts of an address: three in a classic network.
const PARTS: u32 = 8;
/// Bytes of an address that has begun: one has 2 611.
const ADDRESS_BYTES: usize = 4096;

pub(super) const TABLES: [KeyedTable; 2] = [REQUESTS, REFUSED];
/// Requests by key id, at most [`MOST`].
const REQUESTS: KeyedTable = KeyedTable::new("requests");
/// Key ids of those whom the user has refused: as many as he did.
const REFUSED: KeyedTable = KeyedTable::new("refused");
