//! Messages that were told of, and that their senders may not know to have come: an acknowledgement
//! names them until a letter says that it was heard. One record for each contact.

use rohrpost_packet::envelope::{KeyId, Kind, MessageId};
use rohrpost_proto::courier::Complete;
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
    let left = all.iter().filter(|told| told.sequence >= floor);
    let entry = |told: &Complete| {
        let mut entry = [0; ENTRY];
        entry[..8].copy_from_slice(&told.sequence.to_be_bytes());
        entry[8..12].copy_from_slice(&told.fragments.to_be_bytes());
        entry[12..].copy_from_slice(told.message.as_bytes());
        entry
    };
    let record: Vec<_> = left.flat_map(entry).collect();
    if record.is_empty() {
        return forget(tx, sender);
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

/// Forgets all messages of a contact.
pub(super) fn forget(tx: &mut WriteTx<'_>, sender: KeyId) -> Result<(), StoreError> {
    tx.remove(TOLD, sender.as_bytes())?;
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
pub(super) const TABLES: [KeyedTable; 1] = [TOLD];
/// Entries by sender.
const TOLD: KeyedTable = KeyedTable::new("told");
