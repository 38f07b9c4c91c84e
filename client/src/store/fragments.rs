//! Fragments of messages that are not complete, and one record for each message of which there is a
//! fragment: so what there is of a message is found, and forgotten, without reading what others
//! have.

use rohrpost_packet::envelope::{Fragment, FragmentPosition, KeyId, Kind, MessageId};
use rohrpost_proto::courier::{Complete, MESSAGE_BYTES, Part};
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::StoreError;
use super::record::{Hex, decode, encode};

/// A message of which fragments are in the store.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenRecord {
    version: u32,
    sender: Hex<32>,
    sequence: u64,
    message: Hex<16>,
    kind: u8,
    count: u32,
    minutes: u32,
}

/// A complete message.
pub(super) struct Assembled {
    /// Minutes from the Unix epoch to when the message was written, by its first fragment that came.
    pub(super) minutes: u32,
    /// The body; none if a part of it is missing.
    pub(super) body: Option<Zeroizing<Vec<u8>>>,
}

impl OpenRecord {
    fn of(sender: KeyId, fragment: &Fragment) -> Self {
        Self {
            version: 1,
            sender: Hex(*sender.as_bytes()),
            sequence: fragment.sequence,
            message: Hex(*fragment.message.as_bytes()),
            kind: fragment.kind.byte(),
            count: fragment.position.count,
            minutes: fragment.minutes,
        }
    }

    /// True if a fragment is of this message. The time of writing does not count: a sender that
    /// gives each fragment another would have those before it forgotten.
    fn is_of(&self, fragment: &Fragment) -> bool {
        self.message.0 == *fragment.message.as_bytes() && self.count == fragment.position.count
    }

    fn sender(&self) -> KeyId {
        KeyId::new(self.sender.0)
    }

    fn name(&self) -> Name {
        (self.sender(), self.kind, self.sequence)
    }

    fn fragments(&self) -> impl Iterator<Item = (u32, [u8; 45])> + use<> {
        let name = self.name();
        (0..self.count).map(move |index| (index, place(name, index)))
    }

    /// The fragments of the message that are in the store.
    fn parts(&self, tx: &ReadTx<'_>) -> Result<Vec<Part>, StoreError> {
        let mut parts = Vec::new();
        for (index, key) in self.fragments() {
            if tx.contains(FRAGMENTS, &key)? {
                parts.push(Part {
                    sequence: self.sequence,
                    message: MessageId::new(self.message.0),
                    kind: Kind::from_byte(self.kind).ok_or(StoreError::Record)?,
                    position: FragmentPosition { index, count: self.count },
                });
            }
        }
        Ok(parts)
    }

    fn forget(&self, tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
        for (_, key) in self.fragments() {
            tx.remove(FRAGMENTS, &key)?;
        }
        tx.remove(OPEN, &message(self.name()))?;
        let mut open = names(tx, self.sender())?;
        open.retain(|name| *name != self.name());
        put_names(tx, self.sender(), &open)
    }
}

/// Stores a fragment. If it belongs to another message of that number than the fragments before it,
/// as after a restart of its sender from an older copy, those are forgotten.
pub(super) fn store(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    fragment: &Fragment,
) -> Result<(), StoreError> {
    let new = OpenRecord::of(sender, fragment);
    let known = open(tx, new.name())?;
    if !known.as_ref().is_some_and(|known| known.is_of(fragment)) {
        if let Some(other) = known {
            other.forget(tx)?;
        }
        tx.put(OPEN, &message(new.name()), &encode(&new)?)?;
        let mut open = names(tx, sender)?;
        open.push(new.name());
        put_names(tx, sender, &open)?;
    }
    Ok(tx.put(FRAGMENTS, &place(new.name(), fragment.position.index), &fragment.body)?)
}

/// All fragments of a message in their order; none if it was taken before.
pub(super) fn assemble(
    tx: &ReadTx<'_>,
    sender: KeyId,
    complete: &Complete,
) -> Result<Option<Assembled>, StoreError> {
    let name = (sender, complete.kind.byte(), complete.sequence);
    let Some(open) = open(tx, name)? else {
        return Ok(None);
    };
    let mut body = Zeroizing::new(Vec::new());
    for (index, key) in open.fragments() {
        let Some(bytes) = tx.get(FRAGMENTS, &key)? else {
            return Ok(Some(Assembled { minutes: open.minutes, body: None }));
        };
        if index == 0 {
            let whole = bytes.len().saturating_mul(usize::try_from(open.count).unwrap_or(0));
            // Once and for all, so that no part of it is left behind in memory by growth.
            body.reserve_exact(whole.min(MESSAGE_BYTES));
        }
        body.extend_from_slice(&bytes);
    }
    Ok(Some(Assembled { minutes: open.minutes, body: Some(body) }))
}

/// Forgets the fragments of one message.
pub(super) fn forget(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    complete: &Complete,
) -> Result<(), StoreError> {
    let open = open(tx, (sender, complete.kind.byte(), complete.sequence))?;
    open.map_or(Ok(()), |open| open.forget(tx))
}

/// Forgets the fragments of a contact's messages of this kind before this number.
pub(super) fn drop_below(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    kind: Kind,
    below: u64,
) -> Result<(), StoreError> {
    let over = |(_, of, sequence): &Name| *of == kind.byte() && *sequence < below;
    for name in names(tx, sender)?.into_iter().filter(over) {
        open(tx, name)?.ok_or(StoreError::Record)?.forget(tx)?;
    }
    Ok(())
}

/// Fragments that are in the store, of a contact's messages.
pub(super) fn parts_of(tx: &ReadTx<'_>, sender: KeyId) -> Result<Vec<Part>, StoreError> {
    let mut parts = Vec::new();
    for name in names(tx, sender)? {
        parts.extend(open(tx, name)?.ok_or(StoreError::Record)?.parts(tx)?);
    }
    Ok(parts)
}

/// Fragments that are in the store, of all messages.
pub(super) fn parts(tx: &ReadTx<'_>) -> Result<Vec<(KeyId, Part)>, StoreError> {
    let mut parts = Vec::new();
    for record in tx.iter(OPEN)? {
        let open: OpenRecord = decode(&record?.1)?;
        parts.extend(open.parts(tx)?.into_iter().map(|part| (open.sender(), part)));
    }
    Ok(parts)
}

/// Names of a contact's open messages: at most 128 and an address, by the courier's bound.
fn names(tx: &ReadTx<'_>, sender: KeyId) -> Result<Vec<Name>, StoreError> {
    let record = tx.get(OPEN_OF, sender.as_bytes())?.unwrap_or_default();
    let (names, rest) = record.as_chunks::<9>();
    let name = |[kind, sequence @ ..]: &[u8; 9]| (sender, *kind, u64::from_be_bytes(*sequence));
    if rest.is_empty() { Ok(names.iter().map(name).collect()) } else { Err(StoreError::Record) }
}

fn put_names(tx: &mut WriteTx<'_>, sender: KeyId, names: &[Name]) -> Result<(), StoreError> {
    if names.is_empty() {
        tx.remove(OPEN_OF, sender.as_bytes())?;
        return Ok(());
    }
    let entry = |(_, kind, sequence): &Name| {
        let mut entry = [*kind; 9];
        entry[1..].copy_from_slice(&sequence.to_be_bytes());
        entry
    };
    let record: Vec<u8> = names.iter().flat_map(entry).collect();
    Ok(tx.put(OPEN_OF, sender.as_bytes(), &record)?)
}

/// Sender, kind and number of a message.
type Name = (KeyId, u8, u64);

fn open(tx: &ReadTx<'_>, name: Name) -> Result<Option<OpenRecord>, StoreError> {
    tx.get(OPEN, &message(name))?.map(|record| decode(&record)).transpose()
}

fn message((sender, kind, sequence): Name) -> [u8; 41] {
    let mut key = [0; 41];
    key[..32].copy_from_slice(sender.as_bytes());
    key[32] = kind;
    key[33..].copy_from_slice(&sequence.to_be_bytes());
    key
}

fn place(name: Name, index: u32) -> [u8; 45] {
    let mut key = [0; 45];
    key[..41].copy_from_slice(&message(name));
    key[41..].copy_from_slice(&index.to_be_bytes());
    key
}

pub(super) const TABLES: [KeyedTable; 3] = [OPEN, OPEN_OF, FRAGMENTS];
/// Open messages by sender, kind and number.
const OPEN: KeyedTable = KeyedTable::new("open messages");
/// Kinds and numbers of open messages, by sender: so one contact's are found among all.
const OPEN_OF: KeyedTable = KeyedTable::new("open messages of a contact");
/// Bytes of the body, by sender, kind, number and index.
const FRAGMENTS: KeyedTable = KeyedTable::new("fragments");
