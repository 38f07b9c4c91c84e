//! Streams of envelopes: loops by the schedule of slots, and messages as a Poisson process.

use std::time::Duration;

use rand::{CryptoRng, Rng, RngExt};
use rohrpost_measure::statistics::whole;
use rohrpost_proto::time::{Slot, Time};

use super::model::{Model, Place};

/// Loops of a user: an odd slot in so many, drawn by the gaps between them.
pub(super) struct Loops {
    place: Place,
    /// Counts odd slots.
    next: u64,
    /// `ln(1 - chance)`.
    miss: f64,
}

impl Loops {
    pub(super) fn new(model: &Model, place: Place, rng: &mut impl Rng) -> Self {
        let miss = (-model.loop_chance()).ln_1p();
        Self { place, next: gap(miss, rng), miss }
    }

    /// Time at which the next loop that leaves before `end` is stored; not in the order of leaving.
    pub(super) fn next(
        &mut self,
        model: &Model,
        end: Time,
        rng: &mut impl CryptoRng,
    ) -> Option<Time> {
        let leaves = self.leaves(self.next);
        if leaves >= end {
            return None;
        }
        self.next += 1 + gap(self.miss, rng);
        Some(leaves + model.transit(rng))
    }

    /// Forgets the loops that leave before `start`: slots are independent of each other. Exact, for
    /// the rate of all users must be the same to the last slot, as it is in the network.
    pub(super) fn skip(&mut self, model: &Model, start: Time, rng: &mut impl Rng) {
        if self.leaves(self.next) >= start {
            return;
        }
        let mut first = start.slot(model.loop_period()).number().saturating_sub(1);
        while self.leaves(first) < start {
            first += 1;
        }
        self.next = first + gap(self.miss, rng);
    }

    /// Time at which the entry relay takes up the cell of this odd slot.
    fn leaves(&self, odd: u64) -> Time {
        self.place.leaves(Slot::new(2 * odd + 1))
    }
}

/// Slots without a loop before the next with one (geometric, by inversion).
fn gap(miss: f64, rng: &mut impl Rng) -> u64 {
    whole(uniform(rng).ln() / miss)
}

/// Events at a rate, each at any time as likely as at any other.
pub(super) struct Poisson {
    rate: f64,
    next: Time,
}

impl Poisson {
    /// `rate` per second.
    pub(super) fn new(rate: f64, rng: &mut impl Rng) -> Self {
        Self { rate, next: Time::from_micros(0) + wait(rate, rng) }
    }

    /// The next event before `end`.
    pub(super) fn next(&mut self, end: Time, rng: &mut impl Rng) -> Option<Time> {
        let at = self.next;
        (at < end).then(|| {
            self.next = at + wait(self.rate, rng);
            at
        })
    }
}

fn wait(rate: f64, rng: &mut impl Rng) -> Duration {
    Duration::from_secs_f64((-uniform(rng).ln() / rate).min(FOREVER))
}

/// Uniform number in (0, 1].
fn uniform(rng: &mut impl Rng) -> f64 {
    1.0 - rng.random_range(0.0..1.0)
}

/// Thirty years in seconds.
const FOREVER: f64 = 1e9;

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::super::tests::model;
    use super::*;

    /// Loops of a user that leave in a day's worth of seconds, looked at one second out of `step`.
    fn count(model: &Model, step: usize, rng: &mut StdRng) -> f64 {
        let place = Place::draw(&model.traffic, rng);
        let mut loops = Loops::new(model, place, rng);
        let mut count = 0.0;
        for start in (0_u64..).step_by(step).take(86_400) {
            let [start, end] = [start, start + 1].map(|at| Time::from_micros(at * 1_000_000));
            loops.skip(model, start, rng);
            while loops.next(model, end, rng).is_some() {
                count += 1.0;
            }
        }
        count
    }

    /// A quarter per second in each mailbox, within five standard deviations, wherever a user
    /// stands on the grid and whatever is skipped: users whose rates differ by a hundredth would
    /// hide Alice.
    #[test]
    fn loops_come_at_the_rate_of_the_schedule() {
        let mut rng = StdRng::seed_from_u64(2);
        for (mailboxes, step) in [(1, 1), (2, 1), (1, 2), (2, 3)].repeat(4) {
            let model = Model { mailboxes, ..model() };
            let expected = 21_600.0 * f64::from(mailboxes);
            let count = count(&model, step, &mut rng);
            assert!((count - expected).abs() < 5.0 * expected.sqrt(), "{count} at {step}");
        }
    }
}
