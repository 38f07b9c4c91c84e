//! Promises and limits of the traffic schedule (`docs/traffic.md`): how long a message takes when
//! every node does its work at once, and how many messages the grid can carry.

use std::time::Duration;

use rand::{Rng, RngExt};
use rohrpost_measure::statistics::Sample;
use rohrpost_proto::directory::roster::Traffic;

/// The schedule of one roster for clients with so many mailboxes each.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    slot: f64,
    mix_delay: f64,
    /// Number of mailboxes, a float for all that is done with it.
    mailboxes: f64,
}

/// Mean waits at an entry relay.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct EntryWaits {
    pub(crate) up: Duration,
    pub(crate) down: Duration,
}

/// Nearness of a rate to what the schedule carries.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Load {
    /// Easily.
    Carried,
    /// The rate makes long queues: a mailbox that is lent too little room drops messages.
    Tight {
        /// Share of its answers that the busiest mailbox needs, between 0.7 and 1.
        share: f64,
    },
    /// Not at all.
    Beyond {
        /// Messages per second and client that are.
        most: f64,
    },
}

impl Schedule {
    pub(crate) fn new(traffic: &Traffic, mailboxes: u32) -> Self {
        let (slot, mix_delay) = (traffic.slot.as_secs_f64(), traffic.mix_delay.as_secs_f64());
        Self { slot, mix_delay, mailboxes: mailboxes.into() }
    }

    /// Looks at `rate` messages per second and client. Sender: payload slots are 45 of 128.
    /// Recipient: a mailbox answers once per 4 T, its owner's loops (15 of 128 slots) take their
    /// share, and a sender whose own operator has one of the two uses the other only.
    pub(crate) fn load(&self, rate: f64) -> Load {
        let period = 4.0 * self.slot;
        let loops = 4.0 * LOOP_SLOTS / self.mailboxes;
        let sender = PAYLOAD_SLOTS / self.slot;
        let most = sender.min((1.0 - loops).max(0.0) / period);
        let share = rate * period + loops;
        if rate >= most {
            Load::Beyond { most }
        } else if share > TIGHT || rate > sender * TIGHT {
            Load::Tight { share: share.max(rate / sender) }
        } else {
            Load::Carried
        }
    }

    /// Average waits of a pull and its answer at the ticks of the entry relay: up three
    /// quarters of a slot until the slot ends, for clients send in its first half; down half a
    /// slot, and behind other answers of the session, of which on average so many come per slot
    /// (mean of M/D/1).
    pub(crate) fn entry_waits(&self) -> EntryWaits {
        let per_slot = self.mailboxes / 4.0;
        let queue = per_slot / (2.0 * (1.0 - per_slot.min(0.9)));
        EntryWaits {
            up: Duration::from_secs_f64(self.slot * 0.75),
            down: Duration::from_secs_f64(self.slot * (0.5 + queue)),
        }
    }

    /// Ways of messages as the schedule would have them, in seconds: waiting for a payload slot,
    /// the entry's tick, three mixes, the mailbox's answers, three mixes, the entry's tick.
    pub(crate) fn ways(&self, rate: f64, count: usize, rng: &mut impl Rng) -> Sample {
        let mut waits = self.mailbox_waits(rate, count, rng);
        for way in &mut waits {
            *way += self.payload_wait(rng) + self.slot * (0.5 + uniform(rng) / 2.0);
            *way += self.slot * uniform(rng);
            *way += (0..6).map(|_| -self.mix_delay * uniform(rng).ln()).sum::<f64>();
        }
        Sample::new(waits)
    }

    /// Wait for the next odd slot that carries payload, not counting the very next slot: its cell is
    /// built before the message comes.
    fn payload_wait(&self, rng: &mut impl Rng) -> f64 {
        let mut wait = self.slot * (1.0 + 2.0 * uniform(rng));
        let mut odd = rng.random_range(0..ODD_SLOTS);
        while odd == 0 || rng.random_range(0..4) == 0 {
            wait += 2.0 * self.slot;
            odd = (odd + 1) % ODD_SLOTS;
        }
        wait
    }

    /// Waits of messages in a mailbox: first come, first served, one per tick.
    fn mailbox_waits(&self, rate: f64, count: usize, rng: &mut impl Rng) -> Vec<f64> {
        let period = 4.0 * self.slot;
        let messages = rate * period / self.mailboxes;
        let loops = 4.0 * LOOP_SLOTS / self.mailboxes;
        let mut queue = std::collections::VecDeque::new();
        let mut now = 0.0;
        let mut waits = Vec::with_capacity(count);
        while waits.len() < count {
            // At low rates loops stand for messages: they see the same queue.
            let came = poisson(messages + loops, rng);
            let mut arrivals: Vec<f64> = (0..came).map(|_| now + period * uniform(rng)).collect();
            arrivals.sort_by(f64::total_cmp);
            queue.extend(arrivals);
            now += period;
            waits.extend(queue.pop_front().map(|arrived: f64| now - arrived));
        }
        waits
    }
}

/// Uniform number in (0, 1].
fn uniform(rng: &mut impl Rng) -> f64 {
    1.0 - rng.random_range(0.0..1.0)
}

/// Poisson number by Knuth's product of uniforms; the means here are below a few.
fn poisson(mean: f64, rng: &mut impl Rng) -> u32 {
    let limit = (-mean).exp();
    let (mut count, mut product) = (0, uniform(rng));
    while product > limit {
        count += 1;
        product *= uniform(rng);
    }
    count
}

/// Odd slots with one surplus pull.
const ODD_SLOTS: u32 = 16;
/// Half of the slots are odd, 15 of 16 of those do not pull, and three in four of these carry
/// payload.
const PAYLOAD_SLOTS: f64 = 45.0 / 128.0;
/// One in four of the odd slots that do not pull carries a loop.
const LOOP_SLOTS: f64 = 15.0 / 128.0;
/// Share at which the queue in a mailbox grows long against the 16 envelopes that it holds at
/// first.
const TIGHT: f64 = 0.7;

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};
    use rohrpost_proto::courier::Load as SlotLoad;
    use rohrpost_proto::time::Slot;

    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(&Traffic::default(), 2)
    }

    /// Checks the mean way, in seconds, against the sum of its parts: 2 + 2 · 19/45 slots until a
    /// payload slot that is still to be built, 3/4 and 1/2 of a slot at the entries, six mixes, half
    /// a period until an answer, and the queue of a mailbox into which 0.05 messages and 30/128
    /// loops come in one (mean of M/D/1).
    #[test]
    fn a_message_takes_the_sum_of_its_waits() {
        let mut rng = StdRng::seed_from_u64(2);
        let ways = schedule().ways(0.1, 20_000, &mut rng);
        let mean = ways.mean();
        let payload = 0.25 * (2.0 + 2.0 * 19.0 / 45.0);
        let load: f64 = 0.05 + 30.0 / 128.0;
        let queue = load / (2.0 * (1.0 - load));
        let parts = payload + 0.25 * (0.75 + 0.5) + 6.0 * 0.2 + 0.5 + queue;
        assert!((mean - parts).abs() < 0.05, "{mean} s, {parts} s by its parts");
        assert!(ways.quantile(0.0) > 0.0 && ways.values().is_sorted());
        let busy = schedule().ways(0.6, 20_000, &mut rng);
        assert!(busy.quantile(0.99) > ways.quantile(0.99), "queues grow with the rate");
    }

    /// Checks the wait for a payload slot against the loads that clients draw, for messages that come
    /// when the cell of the next slot is built.
    #[test]
    fn a_message_waits_for_a_slot_that_is_still_to_be_built() {
        let mut rng = StdRng::seed_from_u64(4);
        let slot = Traffic::default().slot.as_secs_f64();
        let waits = Sample::new((0..20_000).map(|_| schedule().payload_wait(&mut rng)));
        let drawn = Sample::new((0..20_000).map(|_| {
            let next = Slot::new(rng.random_range(1..1_000_000));
            let mut later = std::iter::successors(Some(next.next()), |slot| Some(slot.next()));
            let carries = |slot: &Slot| SlotLoad::draw(*slot, 2, &mut rng) == SlotLoad::Payload;
            let taken = later.find(carries).expect("slots go on for ever");
            let slots = u32::try_from(taken.number() - next.number()).expect("a few");
            slot * (f64::from(slots) + uniform(&mut rng))
        }));
        let error = drawn.deviation() * (2.0 / 20_000_f64).sqrt();
        let (mean, expected) = (waits.mean(), drawn.mean());
        assert!((mean - expected).abs() < 5.0 * error, "{mean} s, {expected} s by the loads");
        assert!(waits.quantile(0.0) >= slot, "no message takes the slot that is built");
    }

    #[test]
    fn rates_that_the_grid_cannot_carry_are_told() {
        assert_eq!(schedule().load(0.1), Load::Carried);
        assert!(matches!(schedule().load(0.55), Load::Tight { share } if share > 0.7));
        let Load::Beyond { most } = schedule().load(2.0) else { panic!("two a second") };
        assert!(
            (most - (1.0 - 30.0 / 128.0)).abs() < 1e-9,
            "{most}: all answers but those of loops"
        );
        let fast = Traffic { slot: Duration::from_millis(10), ..Traffic::default() };
        assert_eq!(Schedule::new(&fast, 2).load(2.0), Load::Carried);
    }

    /// Two mailboxes with one answer per four slots each.
    #[test]
    fn answers_wait_for_a_tick_and_behind_each_other() {
        let EntryWaits { up, down } = schedule().entry_waits();
        assert_eq!(up, Duration::from_micros(187_500));
        assert_eq!(down, Duration::from_millis(250));
    }

    /// A mean and a variance within five standard errors.
    #[test]
    fn poisson_numbers_have_their_mean_and_variance() {
        let mut rng = StdRng::seed_from_u64(3);
        let draws = Sample::new((0..20_000).map(|_| f64::from(poisson(1.5, &mut rng))));
        let (mean, variance) = (draws.mean(), draws.deviation().powi(2));
        assert!((mean - 1.5).abs() < 0.045, "{mean}");
        assert!((variance - 1.5).abs() < 0.15, "{variance}");
    }
}
