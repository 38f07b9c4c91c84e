//! The book of a load: every message from when it was due until it arrived, and what else the
//! clients told.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::message::LoadMessageId;

/// News of a client.
pub(crate) enum Note {
    /// The client is connected, has keys, and all its mailboxes have answered.
    Ready,
    /// The client's link was lost, or could not be made.
    Trouble(String),
    /// A message that was due so long after the begin has been posted, or was refused.
    Posted(LoadMessageId, Duration, Result<(), String>),
    /// A message has left in a payload slot.
    Left(LoadMessageId),
    /// A message has left once more, for nothing was heard of it.
    LeftAgain,
    /// A message has arrived, so long after it was due; or another than was sent.
    Arrived(Option<(LoadMessageId, Duration)>),
    /// A pull was answered.
    Answered(Beyond),
    /// A cell was written at its slot, in so much time.
    Written(Duration),
    /// So many slots have passed without a cell.
    Skipped(u64),
    /// A loop has not come back.
    LoopLost,
}

/// Time that a pull and its answer took beyond what was drawn and what ticks made them wait, in µs.
/// Below zero if a tick came earlier than on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beyond {
    /// Time between the client and the mailbox and back.
    pub(crate) round: i64,
    /// The way back alone, from the common tick on, by the clocks of two relays and the client.
    pub(crate) back: i64,
}

/// All that was told since the load began.
pub(crate) struct Ledger {
    /// Messages that have not arrived.
    open: BTreeMap<LoadMessageId, Open>,
    arrived: HashSet<LoadMessageId>,
    /// Time between due and arrival, in µs.
    pub(crate) latency: Histogram<u64>,
    /// Time beyond the known of every pull that was answered; at most [`ANSWERS`].
    pub(crate) beyond: Vec<Beyond>,
    /// Time that clients took at their slots, from waking up until QUIC had the cell, in µs.
    pub(crate) writes: Histogram<u64>,
    pub(crate) duplicates: u64,
    /// Times that a message left once more.
    pub(crate) again: u64,
    /// Messages that arrived with other bytes than were sent.
    pub(crate) damaged: u64,
    pub(crate) skipped: u64,
    pub(crate) loops_lost: u64,
    pub(crate) disconnects: u64,
    /// Trouble of links and refusals that was told last.
    pub(crate) trouble: Option<String>,
}

/// A message that has not arrived.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Open {
    /// Due time after the begin of the load.
    pub(crate) due: Duration,
    pub(crate) state: State,
}

/// Progress of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The message waits for a payload slot.
    Posted,
    /// The message has left its client.
    Left,
    /// The message's own client did not take it.
    Refused,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are sound");
        Self {
            open: BTreeMap::new(),
            arrived: HashSet::new(),
            latency,
            beyond: Vec::new(),
            writes: Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are sound"),
            duplicates: 0,
            again: 0,
            damaged: 0,
            skipped: 0,
            loops_lost: 0,
            disconnects: 0,
            trouble: None,
        }
    }

    pub(crate) fn take(&mut self, note: Note) {
        match note {
            Note::Ready => {}
            Note::Trouble(what) => {
                self.disconnects += 1;
                self.trouble = Some(what);
            }
            Note::Posted(message, due, taken) => {
                let state = if taken.is_ok() { State::Posted } else { State::Refused };
                self.open.insert(message, Open { due, state });
                self.trouble = taken.err().or_else(|| self.trouble.take());
            }
            Note::Left(message) => self.advance(message, State::Left),
            Note::LeftAgain => self.again += 1,
            Note::Arrived(Some((message, after))) => self.arrive(message, after),
            Note::Arrived(None) => self.damaged += 1,
            Note::Answered(beyond) if self.beyond.len() < ANSWERS => self.beyond.push(beyond),
            Note::Answered(_) => {}
            Note::Written(took) => {
                let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST);
                self.writes.saturating_record(micros.max(1));
            }
            Note::Skipped(slots) => self.skipped += slots,
            Note::LoopLost => self.loops_lost += 1,
        }
    }

    fn advance(&mut self, message: LoadMessageId, state: State) {
        if let Some(open) = self.open.get_mut(&message) {
            open.state = state;
        }
    }

    fn arrive(&mut self, message: LoadMessageId, after: Duration) {
        self.open.remove(&message);
        if !self.arrived.insert(message) {
            self.duplicates += 1;
            return;
        }
        let micros = u64::try_from(after.as_micros()).unwrap_or(LONGEST);
        self.latency.saturating_record(micros.max(1));
    }

    /// Messages that were due and posted.
    pub(crate) fn sent(&self) -> usize {
        self.arrived.len() + self.open.len()
    }

    pub(crate) fn arrived(&self) -> usize {
        self.arrived.len()
    }

    /// Messages that have not arrived: on their way as long as there is hope, then lost.
    pub(crate) const fn open(&self) -> &BTreeMap<LoadMessageId, Open> {
        &self.open
    }

    /// Tells whether some message may still come.
    pub(crate) fn hopes(&self) -> bool {
        self.open.values().any(|open| open.state != State::Refused)
    }
}

/// Ten minutes in µs; whatever takes longer counts as that.
const LONGEST: u64 = 600_000_000;
/// Answers kept for percentiles, 16 MB; later ones are not looked at.
const ANSWERS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(number: u32) -> LoadMessageId {
        LoadMessageId { sender: 1, number }
    }

    fn posted(ledger: &mut Ledger, number: u32) {
        ledger.take(Note::Posted(id(number), Duration::from_secs(number.into()), Ok(())));
    }

    #[test]
    fn what_does_not_arrive_is_lost_with_its_time_and_state() {
        let mut ledger = Ledger::new();
        (0..3).for_each(|number| posted(&mut ledger, number));
        ledger.take(Note::Posted(id(3), Duration::from_secs(3), Err("no room".to_owned())));
        ledger.take(Note::Left(id(0)));
        ledger.take(Note::Left(id(1)));
        ledger.take(Note::Arrived(Some((id(0), Duration::from_millis(2300)))));
        assert_eq!((ledger.sent(), ledger.arrived()), (4, 1));
        let lost: Vec<_> = ledger.open().iter().map(|(id, open)| (id.number, open)).collect();
        let open = |due, state| Open { due: Duration::from_secs(due), state };
        assert_eq!(lost[0], (1, &open(1, State::Left)));
        assert_eq!(lost[1], (2, &open(2, State::Posted)));
        assert_eq!(lost[2], (3, &open(3, State::Refused)));
        assert!(ledger.hopes());
    }

    #[test]
    fn nothing_is_hoped_for_of_messages_that_were_refused() {
        let mut ledger = Ledger::new();
        ledger.take(Note::Posted(id(0), Duration::ZERO, Err("the outbox is full".to_owned())));
        assert!(!ledger.hopes());
        assert_eq!(ledger.trouble.as_deref(), Some("the outbox is full"));
    }

    #[test]
    fn a_second_copy_is_a_duplicate_and_does_not_count_twice() {
        let mut ledger = Ledger::new();
        posted(&mut ledger, 0);
        for after in [1000, 9000] {
            ledger.take(Note::Arrived(Some((id(0), Duration::from_millis(after)))));
        }
        ledger.take(Note::Arrived(None));
        assert_eq!((ledger.sent(), ledger.arrived()), (1, 1));
        assert_eq!((ledger.duplicates, ledger.damaged), (1, 1));
        assert_eq!(ledger.latency.len(), 1);
        assert!(ledger.latency.max().abs_diff(1_000_000) < 1_000);
    }
}
