//! Streams of envelopes: loops by the law of slots, and messages as a Poisson process.

use std::time::Duration;

use rand::{CryptoRng, Rng, RngExt};
use rohrpost_proto::time::{Slot, Time};

use super::model::{Model, Place};

/// One user's loops: an odd slot in so many, drawn by the gaps between them.
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

    /// When the next loop that leaves before `end` is stored; not in the order of leaving.
    pub(super) fn next(
        &mut self,
        model: &Model,
        end: Time,
        rng: &mut impl CryptoRng,
    ) -> Option<Time> {
        let leaves = self.place.departure(Slot::new(2 * self.next + 1));
        if leaves >= end {
            return None;
        }
        self.next += 1 + gap(self.miss, rng);
        Some(leaves + model.transit(rng))
    }

    /// Forgets the loops that leave before `start`: slots are independent of each other.
    pub(super) fn skip(&mut self, model: &Model, start: Time, rng: &mut impl Rng) {
        let slot = start.slot(model.loop_period()).number();
        if self.next < slot {
            self.next = slot + gap(self.miss, rng);
        }
    }
}

/// Slots without a loop before the next with one (geometric, by inversion).
fn gap(miss: f64, rng: &mut impl Rng) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and a cast from float saturates"
    )]
    let gap = (uniform(rng).ln() / miss) as u64;
    gap
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

/// In (0, 1].
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

    /// Within five standard deviations of a quarter per second in each mailbox.
    #[test]
    fn loops_come_at_the_rate_of_the_law() {
        let mut rng = StdRng::seed_from_u64(2);
        for mailboxes in [1, 2] {
            let model = Model { mailboxes, ..model() };
            let place = Place::draw(&model.traffic, &mut rng);
            let mut loops = Loops::new(&model, place, &mut rng);
            let end = Time::from_micros(40_000_000_000);
            let mut count = 0_u32;
            while loops.next(&model, end, &mut rng).is_some() {
                count += 1;
            }
            let expected = 10_000.0 * f64::from(mailboxes);
            assert!((f64::from(count) - expected).abs() < 5.0 * expected.sqrt(), "{count}");
        }
    }
}
