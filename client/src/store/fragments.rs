//! Fragments of messages that are not complete: one record for each message of which there is a
//! fragment, so what there is of a message is found, and forgotten, without reading what others
//! have. The fragments' bytes lie apart (`bodies`).
//!
//! What is complete leaves this file, and its bytes stay where they are. What never becomes complete
//! takes no more room than `quota` grants, and ends when its sender has given it up: by his word, or,
//! if nothing is heard of him any more, when no message lives so long.

use std::time::Duration;

use rohrpost_packet::envelope::{Fragment, FragmentPosition, KeyId, Kind, MessageId};
use rohrpost_proto::courier::{Complete, OPEN_ADDRESSES, Part, incarnation_of};
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::bodies::Body;
use super::due;
use super::error::StoreError;
use super::quota::{self, Claim};
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
    /// Id of the body.
    body: Hex<16>,
}

/// What has come of an open message.
struct Came {
    pieces: u32,
    /// Bytes of the fragments, of each [`LEAST`] at least.
    bytes: u64,
    /// Time at which the last of them came, in Unix seconds, to the day.
    last: u64,
    /// Number of the entry that says so in the log of what is due.
    entry: u64,
    /// A bit for each fragment.
    there: Vec<u8>,
}

/// A complete message.
pub(super) struct Whole {
    /// Minutes from the Unix epoch to when the message was written, by its first fragment that came.
    pub(super) minutes: u32,
    /// Bytes for which the body takes room.
    pub(super) bytes: u64,
    /// The body; none if a part of it is missing.
    pub(super) body: Option<Body>,
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
            body: Hex(Body::new().id),
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

    fn claim(&self) -> Claim {
        Claim { sender: self.sender(), kind: self.kind, fragments: self.count }
    }

    /// Name of the message, of which all has come.
    fn complete(&self) -> Complete {
        Complete {
            sequence: self.sequence,
            message: MessageId::new(self.message.0),
            kind: Kind::Content,
            fragments: self.count,
        }
    }

    fn body(&self, came: &Came) -> Body {
        Body { id: self.body.0, pieces: came.pieces }
    }

    /// The fragments of the message that are in the store.
    fn parts(&self, tx: &ReadTx<'_>) -> Result<Vec<Part>, StoreError> {
        let came = came(tx, self)?;
        let kind = Kind::from_byte(self.kind).ok_or(StoreError::Record)?;
        let part = |index| Part {
            sequence: self.sequence,
            message: MessageId::new(self.message.0),
            kind,
            position: FragmentPosition { index, count: self.count },
        };
        Ok((0..self.count).filter(|index| came.has(*index)).map(part).collect())
    }

    /// Takes the message off those that are open; its body stays.
    fn close(&self, tx: &mut WriteTx<'_>) -> Result<Came, StoreError> {
        let came = came(tx, self)?;
        due::no_fragments(tx, came.entry)?;
        tx.remove(CAME, &message(self.name()))?;
        tx.remove(OPEN, &message(self.name()))?;
        let mut open = names(tx, self.sender())?;
        open.retain(|name| *name != self.name());
        put_names(tx, self.sender(), &open)?;
        quota::release(tx, self.claim(), came.bytes)?;
        Ok(came)
    }

    /// Takes the message off those that are open. What is left of it if it is not whole is forgotten.
    fn end(&self, tx: &mut WriteTx<'_>) -> Result<Whole, StoreError> {
        let came = self.close(tx)?;
        let body = self.body(&came);
        let whole = came.is_whole(self.count);
        if !whole {
            body.forget(tx)?;
        }
        let (minutes, bytes) = (self.minutes, came.bytes);
        Ok(Whole { minutes, bytes, body: whole.then_some(body) })
    }

    fn forget(&self, tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
        let came = self.close(tx)?;
        self.body(&came).forget(tx)
    }
}

impl Came {
    /// Nothing of a message of so many fragments.
    fn nothing(count: u32) -> Self {
        let bytes = usize::try_from(count.div_ceil(8)).unwrap_or(0);
        Self { pieces: 0, bytes: 0, last: 0, entry: 0, there: vec![0; bytes] }
    }

    fn has(&self, index: u32) -> bool {
        let (byte, bit) = bit(index);
        self.there.get(byte).is_some_and(|byte| byte & bit != 0)
    }

    /// Notes a fragment; false if it was there, or is beyond the message.
    fn note(&mut self, fragment: &Fragment) -> bool {
        let FragmentPosition { index, count } = fragment.position;
        let (byte, bit) = bit(index);
        let new = index < count && !self.has(index);
        if new && let Some(byte) = self.there.get_mut(byte) {
            *byte |= bit;
            self.bytes += u64::try_from(fragment.body.len()).unwrap_or(u64::MAX).max(LEAST);
        }
        new
    }

    fn is_whole(&self, count: u32) -> bool {
        self.there.iter().map(|byte| byte.count_ones()).sum::<u32>() == count
    }

    /// `pieces u32 ‖ bytes u64 ‖ last u64 ‖ entry u64 ‖ bits`.
    fn encode(&self) -> Vec<u8> {
        let [bytes, last, entry] = [self.bytes, self.last, self.entry].map(u64::to_be_bytes);
        [&self.pieces.to_be_bytes()[..], &bytes, &last, &entry, &self.there].concat()
    }

    fn decode(record: &[u8]) -> Option<Self> {
        let (pieces, rest) = record.split_first_chunk()?;
        let (numbers, there) = rest.split_first_chunk::<24>()?;
        let [bytes, last, entry] = numbers.as_chunks::<8>().0 else { return None };
        let [bytes, last, entry] = [bytes, last, entry].map(|number| u64::from_be_bytes(*number));
        let pieces = u32::from_be_bytes(*pieces);
        Some(Self { pieces, bytes, last, entry, there: there.to_vec() })
    }
}

/// Stores fragments of one message that have come together; false, and nothing is stored, if its
/// sender has no room. If they belong to another message of that number than the fragments before
/// them, as after a restart of their sender from an older copy, those are forgotten.
pub(super) fn store(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    fragments: &[&Fragment],
    now: Duration,
) -> Result<bool, StoreError> {
    let Some(first) = fragments.first() else { return Ok(true) };
    let new = OpenRecord::of(sender, first);
    let known = open(tx, new.name())?;
    let (record, is_new) = match known {
        Some(known) if known.is_of(first) => (known, false),
        Some(other) => {
            other.forget(tx)?;
            (new, true)
        }
        None => (new, true),
    };
    let mut came = if is_new { Came::nothing(record.count) } else { came(tx, &record)? };
    let before = came.bytes;
    let fragments: Vec<_> = fragments.iter().copied().filter(|one| came.note(one)).collect();
    if fragments.is_empty() {
        return Ok(true);
    }
    if !quota::take(tx, record.claim(), came.bytes - before)? {
        return Ok(false);
    }
    if is_new || came.last.abs_diff(now.as_secs()) >= STEP {
        if !is_new {
            due::no_fragments(tx, came.entry)?;
        }
        came.last = now.as_secs();
        came.entry = due::fragments_came(tx, &entry(record.name(), came.last), now)?;
    }
    let mut body = record.body(&came);
    body.add(tx, &fragments)?;
    came.pieces = body.pieces;
    tx.put(CAME, &message(record.name()), &came.encode())?;
    if is_new {
        tx.put(OPEN, &message(record.name()), &encode(&record)?)?;
        let mut open = names(tx, sender)?;
        open.push(record.name());
        put_names(tx, sender, &open)?;
        keep_newest_addresses(tx, sender)?;
    }
    Ok(true)
}

/// Forgets fragments of older versions of an address than a session goes on with.
fn keep_newest_addresses(tx: &mut WriteTx<'_>, sender: KeyId) -> Result<(), StoreError> {
    let mut addresses = names(tx, sender)?;
    addresses.retain(|(_, kind, _)| *kind == Kind::Address.byte());
    addresses.sort_unstable();
    for name in addresses.into_iter().rev().skip(OPEN_ADDRESSES) {
        let address = open(tx, name)?.ok_or(StoreError::Record)?;
        // One that is whole is about to be taken.
        if !came(tx, &address)?.is_whole(address.count) {
            address.forget(tx)?;
        }
    }
    Ok(())
}

/// Takes a complete message from those that are open; none if it was taken before.
pub(super) fn take(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    complete: &Complete,
) -> Result<Option<Whole>, StoreError> {
    let Some(open) = open(tx, (sender, complete.kind.byte(), complete.sequence))? else {
        return Ok(None);
    };
    open.end(tx).map(Some)
}

/// A message that has ended because nothing more of it comes.
pub(super) struct Ended {
    /// Pieces of what there was of it.
    pub(super) pieces: u32,
    /// The message if all of it has come, and it waited for another: its sender knows that it has
    /// come, so it is to be shown. Those before it that wait as well come first, in their order.
    pub(super) whole: Vec<(Complete, Whole)>,
    pub(super) sender: KeyId,
}

/// Takes a message from those that are open if its last fragment came at the time that an entry of the
/// log says; none if more of it has come since, or it was complete or forgotten.
pub(super) fn end(tx: &mut WriteTx<'_>, entry: &[u8]) -> Result<Option<Ended>, StoreError> {
    let (name, last) = split_entry(entry).ok_or(StoreError::Record)?;
    let Some(open) = open(tx, name)? else { return Ok(None) };
    let came = came(tx, &open)?;
    if came.last != last {
        return Ok(None);
    }
    let sender = open.sender();
    if !is_content(&name) || !came.is_whole(open.count) {
        open.forget(tx)?;
        return Ok(Some(Ended { pieces: came.pieces, whole: Vec::new(), sender }));
    }
    let (mut pieces, mut whole) = (0, Vec::new());
    for (open, came) in whole_below(tx, sender, open.sequence.saturating_add(1))? {
        pieces += came.pieces;
        whole.push((open.complete(), open.end(tx)?));
    }
    Ok(Some(Ended { pieces, whole, sender }))
}

/// The whole messages of a contact with numbers below this one that are open, in their order.
fn whole_below(
    tx: &ReadTx<'_>,
    sender: KeyId,
    number: u64,
) -> Result<Vec<(OpenRecord, Came)>, StoreError> {
    let mut whole = Vec::new();
    let mut names = names(tx, sender)?;
    names.retain(|name| is_content(name) && name.2 < number);
    names.sort_unstable();
    for name in names {
        let open = open(tx, name)?.ok_or(StoreError::Record)?;
        let came = came(tx, &open)?;
        if came.is_whole(open.count) {
            whole.push((open, came));
        }
    }
    Ok(whole)
}

/// Takes the whole messages of a contact from those that are open that have numbers of older
/// incarnations than this number is of, in their order: those of which `picks` picks the count of
/// fragments.
pub(super) fn take_left_behind(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    number: u64,
    picks: impl Fn(u32) -> bool,
) -> Result<Vec<(MessageId, Whole)>, StoreError> {
    let mut taken = Vec::new();
    let older = |open: &OpenRecord| incarnation_of(open.sequence) < incarnation_of(number);
    for (open, _) in whole_below(tx, sender, number)? {
        if older(&open) && picks(open.count) {
            taken.push((MessageId::new(open.message.0), open.end(tx)?));
        }
    }
    Ok(taken)
}

/// Forgets the fragments of all messages of a contact.
pub(super) fn forget_all(tx: &mut WriteTx<'_>, sender: KeyId) -> Result<(), StoreError> {
    for name in names(tx, sender)? {
        open(tx, name)?.ok_or(StoreError::Record)?.forget(tx)?;
    }
    Ok(())
}

/// Forgets the fragments of a contact's messages of this kind before this number. What is whole of
/// older incarnations stays, of the newest [`LEFT_BEHIND`] messages: its sender may have forgotten
/// it.
pub(super) fn drop_below(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    kind: Kind,
    below: u64,
) -> Result<(), StoreError> {
    let mut over = names(tx, sender)?;
    over.retain(|(_, of, sequence)| *of == kind.byte() && *sequence < below);
    over.sort_unstable();
    let mut room = LEFT_BEHIND;
    for name in over.into_iter().rev() {
        let open = open(tx, name)?.ok_or(StoreError::Record)?;
        let stays = is_content(&name) && incarnation_of(name.2) < incarnation_of(below) && room > 0;
        if stays && came(tx, &open)?.is_whole(open.count) {
            room -= 1;
        } else {
            open.forget(tx)?;
        }
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

/// Names of a contact's open messages: at most 128 by the courier's bound, [`LEFT_BEHIND`] of older
/// incarnations, and [`OPEN_ADDRESSES`] addresses.
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

const fn is_content((_, kind, _): &Name) -> bool {
    *kind == Kind::Content.byte()
}

fn open(tx: &ReadTx<'_>, name: Name) -> Result<Option<OpenRecord>, StoreError> {
    tx.get(OPEN, &message(name))?.map(|record| decode(&record)).transpose()
}

fn came(tx: &ReadTx<'_>, open: &OpenRecord) -> Result<Came, StoreError> {
    let record = tx.get(CAME, &message(open.name()))?;
    record.and_then(|record| Came::decode(&record)).ok_or(StoreError::Record)
}

fn message((sender, kind, sequence): Name) -> [u8; 41] {
    let mut key = [0; 41];
    key[..32].copy_from_slice(sender.as_bytes());
    key[32] = kind;
    key[33..].copy_from_slice(&sequence.to_be_bytes());
    key
}

/// `name 41 ‖ last u64`, by which it is found again that fragments of a message came then.
fn entry(name: Name, last: u64) -> Vec<u8> {
    [&message(name)[..], &last.to_be_bytes()].concat()
}

fn split_entry(entry: &[u8]) -> Option<(Name, u64)> {
    let (sender, rest) = entry.split_first_chunk()?;
    let (kind, rest) = rest.split_first()?;
    let (sequence, last) = rest.split_first_chunk()?;
    let sequence = u64::from_be_bytes(*sequence);
    let last = u64::from_be_bytes(last.try_into().ok()?);
    Some(((KeyId::new(*sender), *kind, sequence), last))
}

/// Byte and bit of a fragment among those of its message.
fn bit(index: u32) -> (usize, u8) {
    (usize::try_from(index / 8).unwrap_or(usize::MAX), 1 << (index % 8))
}

/// Whole messages of a contact that stay under numbers of older incarnations.
const LEFT_BEHIND: usize = 128;
/// Bytes for which a fragment takes room at least: a record of the disk, though it may hold none.
const LEAST: u64 = 400;
/// Seconds after which it is noted again that fragments of a message come.
const STEP: u64 = 86_400;
pub(super) const TABLES: [KeyedTable; 3] = [OPEN, OPEN_OF, CAME];
/// Open messages by sender, kind and number.
const OPEN: KeyedTable = KeyedTable::new("open messages");
/// Kinds and numbers of open messages, by sender: so one contact's are found among all.
const OPEN_OF: KeyedTable = KeyedTable::new("open messages of a contact");
/// What has come of each open message, by sender, kind and number. The one record of a message that
/// changes with each commit: 2.4 KB at most, a bit for each of 18 642 fragments.
const CAME: KeyedTable = KeyedTable::new("fragments");
