//! Messages that were told of, and that their senders may not know to have come: an acknowledgement
//! names them until a letter says that it was heard. One record for each contact. Of the last ones
//! before those the ids are remembered: a contact that goes on from an older copy of its store gives
//! their numbers again.

use std::collections::BTreeMap;

use rohrpost_packet::envelope::{KeyId, Kind, MessageId};
use rohrpost_proto::courier::{Complete, PAST};
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::error::StoreError;
use super::exchange;

/// Remembers messages that were told of, and forgets those below `floor`.
pub(super) fn remember(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    messages: impl IntoIterator<Item = Complete>,
    floor: u64,
) -> Result<(), StoreError> {
    let mut all = of(tx, sender)?;
    all.extend(messages);
    let (left, over): (Vec<_>, Vec<_>) = all.into_iter().partition(|told| told.sequence >= floor);
    remember_past(tx, sender, &over)?;
    let entry = |told: &Complete| {
        let mut entry = [0; ENTRY];
        entry[..8].copy_from_slice(&told.sequence.to_be_bytes());
        entry[8..12].copy_from_slice(&told.fragments.to_be_bytes());
        entry[12..].copy_from_slice(told.message.as_bytes());
        entry
    };
    let record: Vec<_> = left.iter().flat_map(entry).collect();
    if record.is_empty() {
        tx.remove(TOLD, sender.as_bytes())?;
        return Ok(());
    }
    Ok(tx.put(TOLD, sender.as_bytes(), &record)?)
}

/// Remembers a message that was shown though it waited for another, unless all up to it are over: its
/// contact knows that it has come, and takes a client that does not for an older copy.
pub(super) fn remember_alone(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    message: Complete,
) -> Result<(), StoreError> {
    match exchange::with(tx, sender)? {
        Some(with) if message.sequence >= with.below => remember(tx, sender, [message], 0),
        _ => Ok(()),
    }
}

/// Adds to the ids of the last messages that the contact knows to have come.
fn remember_past(tx: &mut WriteTx<'_>, sender: KeyId, over: &[Complete]) -> Result<(), StoreError> {
    if over.is_empty() {
        return Ok(());
    }
    let mut past: BTreeMap<_, _> = past_of(tx, sender)?.into_iter().collect();
    past.extend(over.iter().map(|told| (told.sequence, told.message)));
    let last = past.iter().skip(past.len().saturating_sub(PAST));
    let entry = |(number, id): (&u64, &MessageId)| {
        let mut entry = [0; PAST_ENTRY];
        entry[..8].copy_from_slice(&number.to_be_bytes());
        entry[8..].copy_from_slice(id.as_bytes());
        entry
    };
    let record: Vec<_> = last.flat_map(entry).collect();
    Ok(tx.put(TOLD_BEFORE, sender.as_bytes(), &record)?)
}

/// Numbers and ids of the last messages that a contact knows to have come, at most [`PAST`].
pub(super) fn past_of(tx: &ReadTx<'_>, sender: KeyId) -> Result<Vec<(u64, MessageId)>, StoreError> {
    let record = tx.get(TOLD_BEFORE, sender.as_bytes())?.unwrap_or_default();
    let (entries, rest) = record.as_chunks::<PAST_ENTRY>();
    let entry = |entry: &[u8; PAST_ENTRY]| {
        let (number, id) = entry.split_first_chunk()?;
        Some((u64::from_be_bytes(*number), MessageId::new(id.try_into().ok()?)))
    };
    let past = entries.iter().map(entry).collect::<Option<_>>();
    past.filter(|_| rest.is_empty()).ok_or(StoreError::Record)
}

/// Forgets all messages of a contact.
pub(super) fn forget(tx: &mut WriteTx<'_>, sender: KeyId) -> Result<(), StoreError> {
    tx.remove(TOLD, sender.as_bytes())?;
    tx.remove(TOLD_BEFORE, sender.as_bytes())?;
    Ok(())
}

/// A contact's messages, at most 128 by the courier's window.
pub(super) fn of(tx: &ReadTx<'_>, sender: KeyId) -> Result<Vec<Complete>, StoreError> {
    let record = tx.get(TOLD, sender.as_bytes())?.unwrap_or_default();
    let (entries, rest) = record.as_chunks::<ENTRY>();
    if !rest.is_empty() {
        return Err(StoreError::Record);
    }
    let entry = |entry: &[u8; ENTRY]| {
        let (sequence, rest) = entry.split_first_chunk()?;
        let (fragments, id) = rest.split_first_chunk()?;
        Some(Complete {
            sequence: u64::from_be_bytes(*sequence),
            message: MessageId::new(id.try_into().ok()?),
            kind: Kind::Content,
            fragments: u32::from_be_bytes(*fragments),
        })
    };
    entries.iter().map(|bytes| entry(bytes).ok_or(StoreError::Record)).collect()
}

/// Bytes of an entry: number, count of fragments, and id.
const ENTRY: usize = 28;
/// Bytes of an entry of what is over: number and id.
const PAST_ENTRY: usize = 24;
pub(super) const TABLES: [KeyedTable; 2] = [TOLD, TOLD_BEFORE];
/// Entries by sender.
const TOLD: KeyedTable = KeyedTable::new("told");
/// Entries of what is over, by sender.
const TOLD_BEFORE: KeyedTable = KeyedTable::new("told before");
