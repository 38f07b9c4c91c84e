//! The state of the store itself: its network, its newest incarnation, how long it keeps messages,
//! and how much of what nobody has read.

use std::path::Path;
use std::time::Duration;

use rohrpost_network::Network;
use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::error::StoreError;

pub(super) fn of_network(
    tx: &ReadTx<'_>,
    network: &Network,
    path: &Path,
) -> Result<(), StoreError> {
    let own = tx.get(STATE, NETWORK)?;
    let same = own.is_some_and(|own| *own == network.roster.network_id.as_bytes());
    if same { Ok(()) } else { Err(StoreError::Network(path.to_owned())) }
}

/// Begins an incarnation now. Its number is the Unix second, and above that of the last one.
pub(super) fn next_incarnation(tx: &mut WriteTx<'_>, now: Duration) -> Result<u32, StoreError> {
    let before = if tx.get(STATE, INCARNATION)?.is_some() { number(tx, INCARNATION)? } else { 0 };
    let before = u32::try_from(before).map_err(|_| StoreError::Record)?;
    let incarnation =
        u32::try_from(now.as_secs()).unwrap_or(u32::MAX).max(before.saturating_add(1));
    tx.put(STATE, INCARNATION, &u64::from(incarnation).to_be_bytes())?;
    Ok(incarnation)
}

/// Adds to the minutes for which the client was online, and returns their sum.
pub(super) fn count_online(tx: &mut WriteTx<'_>, minutes: u64) -> Result<u64, StoreError> {
    let sum = online(tx)?.saturating_add(minutes);
    tx.put(STATE, ONLINE, &sum.to_be_bytes())?;
    Ok(sum)
}

/// Minutes for which the client was online while a contact was to be told of an address.
pub(super) fn online(tx: &ReadTx<'_>) -> Result<u64, StoreError> {
    if tx.get(STATE, ONLINE)?.is_some() { number(tx, ONLINE) } else { Ok(0) }
}

/// The latest date that a link has shown, in Unix seconds; zero before the first.
pub(super) fn latest_date(tx: &ReadTx<'_>) -> Result<u64, StoreError> {
    if tx.get(STATE, DATE)?.is_some() { number(tx, DATE) } else { Ok(0) }
}

/// Notes that the client goes on elsewhere, in this incarnation; or, with none, that it is here.
pub(super) fn move_to(tx: &mut WriteTx<'_>, incarnation: Option<u32>) -> Result<(), StoreError> {
    match incarnation {
        Some(incarnation) => tx.put(STATE, MOVED, &u64::from(incarnation).to_be_bytes())?,
        None => drop(tx.remove(STATE, MOVED)?),
    }
    Ok(())
}

/// Time at which the client went on elsewhere, since the Unix epoch, if it did.
pub(super) fn moved(tx: &ReadTx<'_>) -> Result<Option<Duration>, StoreError> {
    let moved = tx.get(STATE, MOVED)?.is_some();
    moved.then(|| number(tx, MOVED).map(Duration::from_secs)).transpose()
}

/// Time for which messages stay, if it is limited.
pub(super) fn retention(tx: &ReadTx<'_>) -> Result<Option<Duration>, StoreError> {
    let limited = tx.get(STATE, RETENTION)?.is_some();
    limited.then(|| number(tx, RETENTION).map(Duration::from_secs)).transpose()
}

pub(super) fn keep_for(tx: &mut WriteTx<'_>, keep: Duration) -> Result<(), StoreError> {
    Ok(tx.put(STATE, RETENTION, &keep.as_secs().to_be_bytes())?)
}

/// Bytes that all messages together may have that nobody has read, if the user has said so.
pub(super) fn unread_room(tx: &ReadTx<'_>) -> Result<Option<u64>, StoreError> {
    let limited = tx.get(STATE, UNREAD_ROOM)?.is_some();
    limited.then(|| number(tx, UNREAD_ROOM)).transpose()
}

pub(super) fn set_unread_room(tx: &mut WriteTx<'_>, bytes: u64) -> Result<(), StoreError> {
    Ok(tx.put(STATE, UNREAD_ROOM, &bytes.to_be_bytes())?)
}

/// Puts so many bytes where nothing reads them, in the place of those before.
pub(super) fn fill(tx: &mut WriteTx<'_>, len: usize) -> Result<(), StoreError> {
    Ok(tx.put(STATE, FILLING, &vec![0; len])?)
}

/// Notes up to which Unix second the backup went from which the store was restored.
pub(super) fn note_restored(tx: &mut WriteTx<'_>, as_of: u64) -> Result<(), StoreError> {
    Ok(tx.put(STATE, RESTORED, &as_of.to_be_bytes())?)
}

/// Time up to which the backup went from which the store was restored, since the Unix epoch.
pub(super) fn restored(tx: &ReadTx<'_>) -> Result<Option<Duration>, StoreError> {
    let restored = tx.get(STATE, RESTORED)?.is_some();
    restored.then(|| number(tx, RESTORED).map(Duration::from_secs)).transpose()
}

/// Messages that were forgotten because their time was over.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Forgetting {
    /// Count of the messages.
    pub count: u64,
    /// Time at which the last was forgotten, since the Unix epoch; zero if none was.
    pub last: Duration,
}

/// Counts messages that are forgotten now.
pub(super) fn count_forgotten(
    tx: &mut WriteTx<'_>,
    count: usize,
    now: Duration,
) -> Result<(), StoreError> {
    if count == 0 {
        return Ok(());
    }
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let count = forgetting(tx)?.count.saturating_add(count);
    tx.put(STATE, FORGOTTEN, &count.to_be_bytes())?;
    Ok(tx.put(STATE, FORGOTTEN_LAST, &now.as_secs().to_be_bytes())?)
}

/// What was forgotten so far.
pub(super) fn forgetting(tx: &ReadTx<'_>) -> Result<Forgetting, StoreError> {
    if tx.get(STATE, FORGOTTEN)?.is_none() {
        return Ok(Forgetting::default());
    }
    let last = Duration::from_secs(number(tx, FORGOTTEN_LAST)?);
    Ok(Forgetting { count: number(tx, FORGOTTEN)?, last })
}

/// Time for which the entry has been silent, as long as the client ran.
pub(super) fn entry_silent(tx: &ReadTx<'_>) -> Result<Duration, StoreError> {
    if tx.get(STATE, ENTRY_SILENT)?.is_none() {
        return Ok(Duration::ZERO);
    }
    number(tx, ENTRY_SILENT).map(Duration::from_secs)
}

pub(super) fn note_entry_silent(tx: &mut WriteTx<'_>, silent: Duration) -> Result<(), StoreError> {
    Ok(tx.put(STATE, ENTRY_SILENT, &silent.as_secs().to_be_bytes())?)
}

/// Texts of the newest roster that came over the network, if one did.
pub(super) fn roster(tx: &ReadTx<'_>) -> Result<Option<RosterFiles>, StoreError> {
    let text = |key: &[u8]| {
        let bytes = tx.get(STATE, key)?.map(|value| value.to_vec());
        bytes.map(|bytes| String::from_utf8(bytes).map_err(|_| StoreError::Record)).transpose()
    };
    let (roster, signatures) = (text(ROSTER)?, text(ROSTER_SIGNATURES)?);
    Ok(roster.zip(signatures).map(|(roster, signatures)| RosterFiles { roster, signatures }))
}

pub(super) fn keep_roster(tx: &mut WriteTx<'_>, files: &RosterFiles) -> Result<(), StoreError> {
    tx.put(STATE, ROSTER, files.roster.as_bytes())?;
    Ok(tx.put(STATE, ROSTER_SIGNATURES, files.signatures.as_bytes())?)
}

fn number(tx: &ReadTx<'_>, key: &[u8]) -> Result<u64, StoreError> {
    let value = tx.get(STATE, key)?.ok_or(StoreError::Record)?;
    let bytes = value.as_slice().try_into().map_err(|_| StoreError::Record)?;
    Ok(u64::from_be_bytes(bytes))
}

pub(super) const STATE: KeyedTable = KeyedTable::new("state");
pub(super) const NETWORK: &[u8] = b"network";
/// The newest incarnation, of the store or of a contact in it: the upper half of the numbers that
/// it gives to messages.
const INCARNATION: &[u8] = b"incarnation";
/// Minutes online, a clock that stands still while the client is off.
const ONLINE: &[u8] = b"online";
/// The latest date that a link has shown, in Unix seconds.
pub(super) const DATE: &[u8] = b"date";
/// Incarnation in which the client goes on elsewhere.
const MOVED: &[u8] = b"moved";
/// Time for which messages stay, in seconds.
const RETENTION: &[u8] = b"retention";
/// Bytes that all messages together may have that nobody has read.
const UNREAD_ROOM: &[u8] = b"unread room";
/// Count of the messages that were forgotten because their time was over.
const FORGOTTEN: &[u8] = b"forgotten";
/// Unix second at which the last of them was.
const FORGOTTEN_LAST: &[u8] = b"forgotten last";
/// Unix second up to which the backup went from which the store was restored.
const RESTORED: &[u8] = b"restored";
/// Seconds for which the entry has been silent while the client ran.
const ENTRY_SILENT: &[u8] = b"entry silent";
/// Text of the newest roster that came over the network.
const ROSTER: &[u8] = b"roster";
/// The agencies' signatures under it.
const ROSTER_SIGNATURES: &[u8] = b"roster signatures";
/// Bytes that were written to see whether the disk has room.
const FILLING: &[u8] = b"filling";
