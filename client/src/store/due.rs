//! What is to be forgotten, in the order in which its time began: whoever forgets looks at what is
//! due, not at all that there is.
//!
//! Each log is a table to which an entry is appended when its time begins. Clocks may go back, the
//! numbers of a log do not; an entry of a later date than today's, of a clock that was ahead, counts
//! from today on.

use std::time::Duration;

use rohrpost_packet::envelope::MessageId;
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
    append(tx, ENDED, &entry, now)
}

/// Remembers the id of a message that came.
pub(super) fn saw(tx: &mut WriteTx<'_>, id: MessageId, now: Duration) -> Result<(), StoreError> {
    tx.put(SEEN, id.as_bytes(), &[])?;
    append(tx, SEEN_LOG, id.as_bytes(), now)
}

/// True if a message of this id came before.
pub(super) fn seen(tx: &ReadTx<'_>, id: MessageId) -> Result<bool, StoreError> {
    Ok(tx.contains(SEEN, id.as_bytes())?)
}

/// Takes messages off the log whose time began before `limit`: they are to be forgotten, and there
/// may be more if these are [`SLICE`].
pub(super) fn over(
    tx: &mut WriteTx<'_>,
    limit: Duration,
    now: Duration,
) -> Result<Vec<Ended>, StoreError> {
    let ended = |entry: Vec<u8>| {
        let (kind, rest) = entry.split_first().ok_or(StoreError::Record)?;
        let id: [u8; 16] = rest.try_into().map_err(|_| StoreError::Record)?;
        let [.., a, b, c, d, e, f, g, h] = id;
        match kind {
            0 => Ok(Ended::Read(u64::from_be_bytes([a, b, c, d, e, f, g, h]))),
            1 => Ok(Ended::Settled(MessageId::new(id))),
            _ => Err(StoreError::Record),
        }
    };
    take(tx, ENDED, limit, now)?.into_iter().map(ended).collect()
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

/// Forgets ids of messages that came before `limit`. True if there may be more.
pub(super) fn forget_ids(
    tx: &mut WriteTx<'_>,
    limit: Duration,
    now: Duration,
) -> Result<bool, StoreError> {
    let over = take(tx, SEEN_LOG, limit, now)?;
    for id in &over {
        tx.remove(SEEN, id)?;
    }
    Ok(over.len() == SLICE)
}

fn append(
    tx: &mut WriteTx<'_>,
    log: OrderedTable,
    entry: &[u8],
    now: Duration,
) -> Result<(), StoreError> {
    tx.append(log, &[&now.as_secs().to_be_bytes(), entry].concat())?;
    Ok(())
}

/// Takes the first entries off a log whose time began before `limit`. Those of a clock that was
/// ahead go to its end, with today's date.
fn take(
    tx: &mut WriteTx<'_>,
    log: OrderedTable,
    limit: Duration,
    now: Duration,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let (mut over, mut ahead, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for record in tx.entries(log, 0)?.take(SLICE) {
        let (number, entry) = record?;
        let (began, entry) = split(&entry)?;
        if began < limit {
            over.push(entry.to_vec());
        } else if began > now {
            ahead.push(entry.to_vec());
        } else {
            break;
        }
        numbers.push(number);
    }
    for number in numbers {
        tx.remove_entry(log, number)?;
    }
    for entry in ahead {
        append(tx, log, &entry, now)?;
    }
    Ok(over)
}

fn split(entry: &[u8]) -> Result<(Duration, &[u8]), StoreError> {
    let (began, entry) = entry.split_first_chunk().ok_or(StoreError::Record)?;
    Ok((Duration::from_secs(u64::from_be_bytes(*began)), entry))
}

pub(super) const TABLES: [KeyedTable; 1] = [SEEN];
pub(super) const LOGS: [OrderedTable; 2] = [ENDED, SEEN_LOG];
/// Entries that are taken off a log at a time: some milliseconds of work.
pub(super) const SLICE: usize = 200;
/// Ids of messages that came.
const SEEN: KeyedTable = KeyedTable::new("seen");
const SEEN_LOG: OrderedTable = OrderedTable::new("seen, in their order");
/// `Unix second u64 ‖ kind u8 (0 read, 1 settled) ‖ 8 zeros and number u64, or message id 16`.
const ENDED: OrderedTable = OrderedTable::new("ended");
