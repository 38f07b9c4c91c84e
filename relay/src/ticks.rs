//! The ticks of a relay's sessions, which a worker that was held up makes up for as far as nobody
//! is worse off for it.
//!
//! A worker that is late finds cells of several slots on the links. They count for the newest slot
//! that has begun, with those before it as slots that brought none: an earlier one would have room
//! for one cell and shed the others, though each came in a slot of its own. A session's cell that
//! came since the newest slot began is one too many then; it has a slot to spare afterwards.

use std::time::Duration;

use rohrpost_proto::time::Time;

/// The ticks of sessions, at each multiple of a quarter slot.
pub(crate) struct Ticks {
    period: Duration,
    due: Time,
}

/// A tick that is to be run.
pub(crate) struct Tick {
    /// Time at which it was due.
    pub(crate) at: Time,
    /// True if the cells that have come are to be taken off the links: the newest slot begins.
    pub(crate) collects: bool,
}

impl Ticks {
    /// The ticks after `now`; a period is a quarter slot.
    pub(crate) fn new(now: Time, period: Duration) -> Self {
        Self { period, due: now.next_multiple(period) }
    }

    /// Time at which the next tick is due.
    pub(crate) const fn due(&self) -> Time {
        self.due
    }

    /// Skips what was due too long ago; gives how late the first of it is. Cells for clients that
    /// leave in a burst would show that the relay was held up, and tell of a time long past.
    pub(crate) fn skip(&mut self, now: Time) -> Option<Duration> {
        let late = now.since(self.due);
        if late <= TOO_LATE {
            return None;
        }
        self.due = now.next_multiple(self.period);
        Some(late)
    }

    /// The next tick if it is due, in order of time.
    pub(crate) fn take(&mut self, now: Time) -> Option<Tick> {
        let at = self.due;
        if at > now {
            return None;
        }
        self.due = at + self.period;
        let begins = at.slot(self.period).number().is_multiple_of(PHASES.into());
        Some(Tick { at, collects: begins && now < at + self.period * PHASES })
    }
}

/// Lateness from which a relay skips the ticks that it missed.
const TOO_LATE: Duration = Duration::from_secs(1);
/// Ticks of a slot.
const PHASES: u32 = 4;

#[cfg(test)]
mod tests {
    use rohrpost_packet::{Classic, NodeNumber, Packet, ShortGeneration};
    use rohrpost_proto::entry::{Entry, SessionHandle};
    use rohrpost_proto::frame::UpCell;

    use super::*;

    const SLOT: Duration = Duration::from_millis(400);
    const BEFORE: Duration = Duration::from_millis(10);

    /// A relay with one session, whose client's cells come shortly before each slot ends.
    struct Relay {
        ticks: Ticks,
        entry: Entry<Classic>,
        session: SessionHandle,
        /// Time at which the client's next cell comes.
        next: Time,
        left: usize,
        shed: usize,
    }

    impl Relay {
        fn new(now: Time) -> Self {
            let mut entry = Entry::new(SLOT, 1);
            let session = entry.join(&mut rand::rng()).unwrap();
            let (ticks, next) = (Ticks::new(now, SLOT / 4), now + SLOT - BEFORE);
            Self { ticks, entry, session, next, left: 0, shed: 0 }
        }

        /// Wakes the worker, which runs what is due.
        fn wake(&mut self, now: Time) {
            self.ticks.skip(now);
            while let Some(Tick { at, collects }) = self.ticks.take(now) {
                while collects && self.next <= now {
                    let packet = Packet::random(&mut rand::rng());
                    let (first_hop, generation) = (NodeNumber::new(7), ShortGeneration::new(1));
                    let cell = UpCell::Packet { first_hop, generation, packet };
                    self.entry.handle_cell(self.session, cell).unwrap();
                    self.next = self.next + SLOT;
                }
                let tick = self.entry.tick(at, &mut rand::rng());
                (self.left, self.shed) = (self.left + tick.up.len(), self.shed + tick.shed);
            }
        }
    }

    /// Checks that cells which came one a slot while the worker was held up all leave when it goes
    /// on, or when the next slot begins, however many ticks it makes up for or skips.
    #[test]
    fn cells_that_came_while_the_worker_was_held_up_leave() {
        let begin = Time::from_micros(1_795_000_000_000_000);
        for held_up in [0, 1, 3, 4, 5, 8, 9, 12, 13] {
            for late in [20, 80] {
                let mut relay = Relay::new(begin);
                let wakes = (1..=40).filter(|quarter| !(10..10 + held_up).contains(quarter));
                wakes.for_each(|quarter| {
                    relay.wake(begin + SLOT / 4 * quarter + Duration::from_millis(late));
                });
                let case = format!("{held_up} quarters and {late} ms");
                assert_eq!((relay.left, relay.shed), (10, 0), "{case}");
            }
        }
    }

    /// Checks that a worker that was held up for long sends no client a cell of a time long past.
    #[test]
    fn ticks_of_long_ago_are_skipped() {
        let begin = Time::from_micros(1_795_000_000_000_000);
        let mut ticks = Ticks::new(begin, SLOT / 4);
        let now = begin + Duration::from_millis(2_345);
        assert_eq!(ticks.skip(now), Some(Duration::from_millis(2_245)));
        assert!(ticks.take(now).is_none());
        assert!(ticks.due() == begin + Duration::from_millis(2_400));
    }
}
