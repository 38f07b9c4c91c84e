//! Contacts of which nothing is heard though letters have left for them.
//!
//! One rule for all who tell of it: a letter left five days ago, and no sign of life has come since.
//! Whoever is not written to is not missed, whatever the time since the last sign of life.

use std::time::Duration;

use rohrpost_packet::envelope::KeyId;
use rohrpost_vault::{KeyedTable, WriteTx};

use super::contact::{KnownContact, by_key};
use super::error::StoreError;
use super::file::Store;

/// Silence of a contact for which letters have left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// Time of the last sign of life, since the Unix epoch; none if nothing was ever heard.
    pub heard: Option<Duration>,
    /// Time at which the first letter left after it, since the Unix epoch.
    pub first: Duration,
}

impl Store {
    /// Notes that a part of a message has left for a contact. The disk is written if it is the first
    /// since the last sign of life.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn letter_left(&self, to: KeyId, now: Duration) -> Result<(), StoreError> {
        if self.vault.read(|tx| tx.contains(UNANSWERED, to.as_bytes()))? {
            return Ok(());
        }
        self.vault.write(|tx| letter_left(tx, to, now))
    }

    /// Silence of a contact, if it is to be told of.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn silence(
        &self,
        contact: &KnownContact,
        now: Duration,
    ) -> Result<Option<Silence>, StoreError> {
        let first = self.vault.read(|tx| tx.get(UNANSWERED, contact.key().as_bytes()))?;
        let first = first.map(|first| seconds(&first)).transpose()?;
        Ok(first.and_then(|first| silence(contact, first, now)))
    }

    /// All contacts whose silence is to be told of, by name.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn silences(&self, now: Duration) -> Result<Vec<(KnownContact, Silence)>, StoreError> {
        self.vault.read(|tx| {
            let mut silences = Vec::new();
            for record in tx.iter(UNANSWERED)? {
                let (key, first) = record?;
                let first = seconds(&first)?;
                // Contacts are large records; hardly any of these letters is so old.
                if first.saturating_add(SILENT) > now {
                    continue;
                }
                let key = key.as_slice().try_into().map_err(|_| StoreError::Record)?;
                let known = by_key(tx, KeyId::new(key))?;
                silences.extend(known.and_then(|known| {
                    let silence = silence(&known, first, now)?;
                    Some((known, silence))
                }));
            }
            silences.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
            Ok(silences)
        })
    }
}

/// Notes that a letter has left for a contact.
pub(super) fn letter_left(
    tx: &mut WriteTx<'_>,
    to: KeyId,
    now: Duration,
) -> Result<(), StoreError> {
    if tx.contains(UNANSWERED, to.as_bytes())? {
        return Ok(());
    }
    Ok(tx.put(UNANSWERED, to.as_bytes(), &now.as_secs().to_be_bytes())?)
}

/// Takes note that a letter of a contact has come which left at this time: it answers what had left
/// before. What left more than a week later did so by a clock that was ahead.
pub(super) fn end_by(tx: &mut WriteTx<'_>, contact: KeyId, at: Duration) -> Result<(), StoreError> {
    let Some(first) = tx.get(UNANSWERED, contact.as_bytes())? else { return Ok(()) };
    let first = seconds(&first)?;
    if at >= first || first.saturating_sub(at) > WAITS { end(tx, contact) } else { Ok(()) }
}

/// Forgets the letters that have left for a contact: a sign of life has come, or none is expected
/// any more.
pub(super) fn end(tx: &mut WriteTx<'_>, contact: KeyId) -> Result<(), StoreError> {
    tx.remove(UNANSWERED, contact.as_bytes())?;
    Ok(())
}

/// Forgets what had left before a store was moved: from now on it is asked anew who answers.
pub(super) fn end_all(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    let mut keys = Vec::new();
    for record in tx.iter(UNANSWERED)? {
        keys.push(record?.0);
    }
    keys.iter().try_for_each(|key| tx.remove(UNANSWERED, key).map(drop))?;
    Ok(())
}

fn silence(known: &KnownContact, first: Duration, now: Duration) -> Option<Silence> {
    let told = !known.blocked() && first.saturating_add(SILENT) <= now;
    // A sign of life of a later date is one of a clock that was ahead: it came before the letter.
    told.then(|| Silence { heard: known.last_heard().map(|heard| heard.min(first)), first })
}

fn seconds(record: &[u8]) -> Result<Duration, StoreError> {
    let record = record.try_into().map_err(|_| StoreError::Record)?;
    Ok(Duration::from_secs(u64::from_be_bytes(record)))
}

/// Time after which a letter without an answer is told of, as long as the courier waits before it
/// takes a contact for one that is away: longer than a weekend and its bridging days.
const SILENT: Duration = Duration::from_secs(5 * 86_400);

/// Time for which a letter may have waited in a mailbox, and a day.
const WAITS: Duration = Duration::from_secs(8 * 86_400);

pub(super) const TABLES: [KeyedTable; 1] = [UNANSWERED];
/// Unix seconds at which the first letter left since the last sign of life, by contact.
const UNANSWERED: KeyedTable = KeyedTable::new("unanswered");
