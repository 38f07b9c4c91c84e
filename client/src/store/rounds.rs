//! Rounds: the course in which all contacts are told of an address version, each at a time that is
//! drawn for it alone. Were all told at once, who sees which mailboxes get a letter at that moment
//! would know the contacts after a few days.
//!
//! A round is one small record however many contacts there are. Its key puts them into an order,
//! and it holds the time of the next one in that order: the least of as many independent draws as
//! contacts are left. When that contact was told, the next time is drawn, as the least of those that
//! remain. So the times are those of independent draws, nothing is drawn anew by a restart, and no
//! step touches more contacts than are told in it.

use std::ops::Range;
use std::time::Duration;

use rand::RngExt;
use rohrpost_packet::envelope::KeyId;
use rohrpost_vault::{KeyedTable, OrderedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::exchange;
use super::permutation::permuted;
use super::record::{Hex, decode, encode};
use crate::randomness;

/// Rounds that are not over.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rounds {
    /// Rounds by their begin. One that is over stays until those before it are.
    rounds: Vec<Round>,
    /// Number in the list of those who have none of this client's addresses from which on they are
    /// to be told the newest, at once.
    without: Option<u64>,
}

/// Course in which contacts are told of one address version.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Round {
    version: u64,
    /// Minute of the client's time online at which the round began.
    minute: u64,
    /// Minutes online within which all contacts are told.
    within: u64,
    /// Time at which the round began, in Unix seconds.
    began: u64,
    /// Key of the contacts' order.
    key: Hex<32>,
    /// Places of contacts at the begin, some of them empty.
    places: u32,
    /// Contacts whose turn was, of those places.
    over: u32,
    /// Turn of the next contact in the minutes online, as their fraction.
    turn: f64,
    /// The same in the time after which contacts are told whatever the minutes.
    late: f64,
}

impl Round {
    fn begin(version: u64, (minute, within): (u64, u64), now: Duration, places: u32) -> Self {
        let key = Hex(randomness::rng().random());
        let (began, over) = (now.as_secs(), 0);
        let [turn, late] = [(); 2].map(|()| least(places, 0.0));
        Self { version, minute, within, began, key, places, over, turn, late }
    }

    const fn is_over(&self) -> bool {
        self.over >= self.places
    }

    /// The place of the next contact, if its turn has come. Where the client was too seldom online
    /// for too long, contacts are `late` and do not wait for their minutes.
    fn next(&mut self, online: u64, now: Duration, late: bool) -> Option<u64> {
        if self.is_over() {
            return None;
        }
        let left = self.places - self.over - 1;
        if self.due_minute() <= online {
            self.turn = least(left, self.turn);
        } else if late && self.due_date() <= now {
            self.late = least(left, self.late);
        } else {
            return None;
        }
        let place = permuted(&self.key.0, self.places, self.over);
        self.over += 1;
        Some(place.into())
    }

    fn due_minute(&self) -> u64 {
        let minutes = Duration::from_secs(self.within).mul_f64(self.turn).as_secs();
        self.minute.saturating_add((1 + minutes).min(self.within))
    }

    fn due_date(&self) -> Duration {
        let span = Duration::from_secs(PATIENCE.end - PATIENCE.start);
        let waits = Duration::from_secs(PATIENCE.start) + span.mul_f64(self.late);
        Duration::from_secs(self.began).saturating_add(waits)
    }
}

/// Draws the least of so many numbers that are uniform between `from` and one.
fn least(count: u32, from: f64) -> f64 {
    let drawn: f64 = randomness::rng().random();
    let least = 1.0 - (1.0 - drawn).powf(1.0 / f64::from(count.max(1)));
    (from + (1.0 - from) * least).min(1.0 - f64::EPSILON)
}

/// Has each contact told of the newest address within so many minutes online. Who waits for an
/// older one waits on, for a longer round than this is for; who has none at all does not wait.
pub(super) fn begin(
    tx: &mut WriteTx<'_>,
    version: u64,
    (online, within): (u64, u64),
    now: Duration,
) -> Result<(), StoreError> {
    let mut rounds = load(tx)?;
    // A shorter round is for a store that has lost what it had told: nobody waits longer than that.
    rounds.rounds.retain(|other| other.within <= within);
    let places = u32::try_from(tx.next_number(PLACES)).map_err(|_| StoreError::Record)?;
    rounds.rounds.push(Round::begin(version, (online, within), now, places));
    rounds.without = Some(0);
    save(tx, rounds)
}

/// True if nobody waits to be told.
pub(super) fn are_over(tx: &ReadTx<'_>) -> Result<bool, StoreError> {
    Ok(!tx.contains(ROUNDS, &[])?)
}

/// Contacts whose turn it is to be told of an address, [`SLICE`] of each kind at most: further ones
/// have their turn the next time.
pub(super) fn take_due(
    tx: &mut WriteTx<'_>,
    online: u64,
    now: Duration,
) -> Result<Vec<KeyId>, StoreError> {
    let mut rounds = load(tx)?;
    let mut due = Vec::new();
    if let Some(from) = rounds.without {
        let mut next = None;
        for record in tx.entries(WITHOUT, from)?.take(SLICE) {
            let (number, key) = record?;
            due.push(key_id(&key)?);
            next = Some(number + 1);
        }
        rounds.without = next.filter(|_| due.len() == SLICE);
    }
    let late = late(&rounds.rounds);
    let (mut turns, mut before) = (SLICE, 0);
    for (round, late) in rounds.rounds.iter_mut().zip(late) {
        while turns > 0
            && let Some(place) = round.next(online, now, late)
        {
            turns -= 1;
            let Some(key) = tx.entry(PLACES, place)? else { continue };
            let key = key_id(&key)?;
            // Who waits in a round before this one has its turn in that, and who was told since this
            // one began has had it.
            let waits = before..round.version;
            if exchange::with(tx, key)?.is_some_and(|with| waits.contains(&with.telling)) {
                due.push(key);
            }
        }
        before = round.version;
    }
    let over = rounds.rounds.iter().take_while(|round| round.is_over()).count();
    rounds.rounds.drain(..over);
    save(tx, rounds)?;
    Ok(due)
}

/// True for each round of a client that is too seldom online to tell all: another began within
/// [`OFTEN`] of it, or two that are a day apart came after it. One is not enough after a long absence:
/// a round begins before it and one at its end, and whoever is back has the hours before it to tell
/// everybody in.
fn late(rounds: &[Round]) -> Vec<bool> {
    let apart = |one: &Round, other: &Round| other.began.saturating_sub(one.began);
    let is_late = |(at, round): (usize, &Round)| match &rounds[at + 1..] {
        [] => false,
        [next] => apart(round, next) < OFTEN,
        [next, .., last] => apart(round, next) < OFTEN || apart(next, last) >= DAY,
    };
    rounds.iter().enumerate().map(is_late).collect()
}

/// Gives a new contact its place in the order of every later round, and in the list of those who
/// have none of this client's addresses. Gives both numbers.
pub(super) fn join(tx: &mut WriteTx<'_>, key: KeyId) -> Result<(u64, u64), StoreError> {
    Ok((tx.append(PLACES, key.as_bytes())?, tx.append(WITHOUT, key.as_bytes())?))
}

/// Takes a contact's place away.
pub(super) fn leave(tx: &mut WriteTx<'_>, place: u64) -> Result<(), StoreError> {
    tx.remove_entry(PLACES, place)?;
    Ok(())
}

/// Takes a contact off the list of those who have none of this client's addresses.
pub(super) fn has_one(tx: &mut WriteTx<'_>, without: u64) -> Result<(), StoreError> {
    tx.remove_entry(WITHOUT, without)?;
    Ok(())
}

fn load(tx: &ReadTx<'_>) -> Result<Rounds, StoreError> {
    tx.get(ROUNDS, &[])?.map_or_else(|| Ok(Rounds::default()), |record| decode(&record))
}

fn save(tx: &mut WriteTx<'_>, rounds: Rounds) -> Result<(), StoreError> {
    if rounds.rounds.is_empty() && rounds.without.is_none() {
        tx.remove(ROUNDS, &[])?;
        return Ok(());
    }
    Ok(tx.put(ROUNDS, &[], &encode(&rounds)?)?)
}

fn key_id(record: &[u8]) -> Result<KeyId, StoreError> {
    record.try_into().map(KeyId::new).map_err(|_| StoreError::Record)
}

pub(super) const TABLES: [KeyedTable; 1] = [ROUNDS];
pub(super) const LISTS: [OrderedTable; 2] = [PLACES, WITHOUT];
/// All rounds: one record, while there are any.
const ROUNDS: KeyedTable = KeyedTable::new("rounds");
/// Key ids of the contacts, in the order of their addition.
const PLACES: OrderedTable = OrderedTable::new("places of contacts");
/// Key ids of the contacts who have acknowledged none of this client's addresses.
const WITHOUT: OrderedTable = OrderedTable::new("contacts without an address");
/// Contacts that are told in a step: some milliseconds of work.
const SLICE: usize = 100;
/// Seconds within which a client that is used every other day begins another round.
const OFTEN: u64 = 5 * DAY;
const DAY: u64 = 86_400;
/// Time after which a contact is told at the next opportunity, in seconds, if the client was too
/// seldom online to tell it before: a prekey stays for a week at least after it was replaced.
const PATIENCE: Range<u64> = 4 * DAY..7 * DAY;
