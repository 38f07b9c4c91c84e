//! What is to be forgotten, in the order in which its time began: whoever forgets looks at what is
//! due, not at all that there is.
//!
//! Each log is a table to which an entry is appended when its time begins. Clocks may go back, the
//! numbers of a log do not; an entry of a later date than today's, of a clock that was ahead, counts
//! from today on.

use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_vault::{KeyedTable, OrderedTable, ReadTx, WriteTx};

use super::error::StoreError;

/// A message whose time has begun.
#[derive(Clone, Copy)]
pub(super) enum Ended {
    /// A message of the inbox was read.
    Read(u64),
    /// A message of the outbox was settled.
    Settled(MessageId),
}

/// First entry of a log.
pub(super) enum Next<T> {
    /// The time of the entry is over, and it is taken off.
    Over(T),
    /// The time of the entry was of a clock that was ahead: it is last now, with today's date.
    Ahead,
    /// The time of no entry is over.
    Nothing,
}

/// Notes that a message may be forgotten after the time for which messages stay, from now on.
pub(super) fn ended(tx: &mut WriteTx<'_>, what: Ended, now: Duration) -> Result<(), StoreError> {
    let mut entry = [0; 1 + 16];
    match what {
        Ended::Read(number) => entry[9..].copy_from_slice(&number.to_be_bytes()),
        Ended::Settled(id) => {
            entry[0] = 1;
            entry[1..].copy_from_slice(id.as_bytes());
        }
    }
    append(tx, ENDED, &entry, now).map(drop)
}

/// Remembers the id of a message that came from a sender. Others may give the same: by accident, or so
/// that a message that they know of does not come.
pub(super) fn saw(
    tx: &mut WriteTx<'_>,
    from: KeyId,
    id: MessageId,
    now: Duration,
) -> Result<(), StoreError> {
    let name = sender_and_id(from, id);
    tx.put(SEEN, &name, &[])?;
    append(tx, SEEN_LOG, &name, now).map(drop)
}

/// True if a message of this sender and id came before.
pub(super) fn seen(tx: &ReadTx<'_>, from: KeyId, id: MessageId) -> Result<bool, StoreError> {
    Ok(tx.contains(SEEN, &sender_and_id(from, id))?)
}

fn sender_and_id(from: KeyId, id: MessageId) -> Vec<u8> {
    [from.as_bytes().as_slice(), id.as_bytes()].concat()
}

/// Notes that fragments of a message came, of which the entry says. Gives the number of the entry.
pub(super) fn fragments_came(
    tx: &mut WriteTx<'_>,
    entry: &[u8],
    now: Duration,
) -> Result<u64, StoreError> {
    append(tx, CAME_LOG, entry, now)
}

/// Takes the entry of this number off the log of fragments. If its time was of a clock that was ahead,
/// it may have another by now; then it stays, and finds no message when its time is over.
pub(super) fn no_fragments(tx: &mut WriteTx<'_>, number: u64) -> Result<(), StoreError> {
    tx.remove_entry(CAME_LOG, number)?;
    Ok(())
}

/// Takes the first entry off the log of fragments that came before `limit`.
pub(super) fn next_fragments(
    tx: &mut WriteTx<'_>,
    limit: Duration,
    now: Duration,
) -> Result<Next<Vec<u8>>, StoreError> {
    next(tx, CAME_LOG, limit, now)
}

/// Takes the first message off the log whose time began before `limit`: it is to be forgotten.
pub(super) fn next_ended(
    tx: &mut WriteTx<'_>,
    limit: Duration,
    now: Duration,
) -> Result<Next<Ended>, StoreError> {
    let entry = match next(tx, ENDED, limit, now)? {
        Next::Over(entry) => entry,
        Next::Ahead => return Ok(Next::Ahead),
        Next::Nothing => return Ok(Next::Nothing),
    };
    let (kind, rest) = entry.split_first().ok_or(StoreError::Record)?;
    let id: [u8; 16] = rest.try_into().map_err(|_| StoreError::Record)?;
    let [.., a, b, c, d, e, f, g, h] = id;
    match kind {
        0 => Ok(Next::Over(Ended::Read(u64::from_be_bytes([a, b, c, d, e, f, g, h])))),
        1 => Ok(Next::Over(Ended::Settled(MessageId::new(id)))),
        _ => Err(StoreError::Record),
    }
}

/// Time of the message that is forgotten first, and count of those whose time began until `limit`.
pub(super) fn first(
    tx: &ReadTx<'_>,
    limit: Option<Duration>,
) -> Result<(Option<Duration>, usize), StoreError> {
    let (mut first, mut count) = (None, 0);
    for record in tx.entries(ENDED, 0)? {
        let began = split(&record?.1)?.0;
        first.get_or_insert(began);
        if limit.is_none_or(|limit| began > limit) {
            break;
        }
        count += 1;
    }
    Ok((first, count))
}

/// Forgets ids of messages that came before `limit`, some at a time. True if there may be more.
pub(super) fn forget_ids(
    tx: &mut WriteTx<'_>,
    limit: Duration,
    now: Duration,
) -> Result<bool, StoreError> {
    for _ in 0..SLICE {
        match next(tx, SEEN_LOG, limit, now)? {
            Next::Over(name) => drop(tx.remove(SEEN, &name)?),
            Next::Ahead => {}
            Next::Nothing => return Ok(false),
        }
    }
    Ok(true)
}

fn append(
    tx: &mut WriteTx<'_>,
    log: OrderedTable,
    entry: &[u8],
    now: Duration,
) -> Result<u64, StoreError> {
    Ok(tx.append(log, &[&now.as_secs().to_be_bytes(), entry].concat())?)
}

fn next(
    tx: &mut WriteTx<'_>,
    log: OrderedTable,
    limit: Duration,
    now: Duration,
) -> Result<Next<Vec<u8>>, StoreError> {
    let Some((number, entry)) = tx.entries(log, 0)?.next().transpose()? else {
        return Ok(Next::Nothing);
    };
    let (began, entry) = split(&entry)?;
    if began >= limit && began <= now {
        return Ok(Next::Nothing);
    }
    tx.remove_entry(log, number)?;
    if began < limit {
        return Ok(Next::Over(entry.to_vec()));
    }
    append(tx, log, entry, now)?;
    Ok(Next::Ahead)
}

fn split(entry: &[u8]) -> Result<(Duration, &[u8]), StoreError> {
    let (began, entry) = entry.split_first_chunk().ok_or(StoreError::Record)?;
    Ok((Duration::from_secs(u64::from_be_bytes(*began)), entry))
}

pub(super) const TABLES: [KeyedTable; 1] = [SEEN];
pub(super) const LOGS: [OrderedTable; 3] = [ENDED, SEEN_LOG, CAME_LOG];
/// Ids that are forgotten at a time: some milliseconds of work.
const SLICE: usize = 200;
/// Messages that came: `sender 32 ‖ id 16`.
const SEEN: KeyedTable = KeyedTable::new("seen");
const SEEN_LOG: OrderedTable = OrderedTable::new("seen, in their order");
/// `Unix second u64 ‖ what fragments say of their message`.
const CAME_LOG: OrderedTable = OrderedTable::new("fragments, in their order");
/// `Unix second u64 ‖ kind u8 (0 read, 1 settled) ‖ 8 zeros and number u64, or message id 16`.
const ENDED: OrderedTable = OrderedTable::new("ended");
