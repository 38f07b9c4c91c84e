//! Estimate of the time that a message takes to leave.

use std::time::Duration;

use rohrpost_proto::courier::windows;
use rohrpost_proto::directory::roster::Traffic;

use super::letters;

/// Rates that decide how fast fragments leave, in seconds.
#[derive(Clone, Copy)]
pub(super) struct Estimate {
    /// Time between two payload slots.
    payload: f64,
    /// Time between two fragments into one mailbox.
    pace: f64,
    /// Mean delay of an acknowledgement.
    acknowledgement: f64,
    /// Usual way of a letter to its recipient's disk, and of its acknowledgement back.
    ways: f64,
    /// Fragments under way before the first acknowledgement and after it.
    windows: [u32; 2],
}

impl Estimate {
    pub(super) fn new(traffic: &Traffic) -> Self {
        Self {
            payload: traffic.payload_period().as_secs_f64(),
            pace: traffic.pace().as_secs_f64(),
            acknowledgement: traffic.ack_delay.as_secs_f64(),
            ways: traffic.mix_delay.as_secs_f64() * 6.0
                + traffic.answer_period().as_secs_f64() * 2.0
                + letters::WAIT.as_secs_f64(),
            windows: windows(traffic).map(|window| u32::try_from(window).unwrap_or(u32::MAX)),
        }
    }

    /// Time until all of a message has left, of which `left` fragments have, to a contact who is
    /// there and has so many mailboxes that may be written to.
    ///
    /// A fragment leaves per payload slot, or per turn of a mailbox. The first window fills, and
    /// waits for an acknowledgement; the one after it waits for those that are drawn late. By the
    /// default rates one file of 16 MiB in fifty takes a fifth more or less: its acknowledgements
    /// are drawn.
    pub(super) fn remaining(&self, fragments: u32, left: u32, mailboxes: usize) -> Duration {
        let pace = self.fragment(mailboxes);
        let [first, largest] = self.windows;
        let remaining = f64::from(fragments.saturating_sub(left)) * pace;
        let steady = if fragments > first + largest {
            let cycle = self.acknowledgement + self.ways;
            remaining * cycle / (cycle - self.wait(largest, pace))
        } else {
            remaining
        };
        let begins = left <= first && first < fragments;
        let wait = if begins { self.wait(first, pace) } else { 0.0 };
        Duration::from_secs_f64(steady + wait)
    }

    /// Mean time between two fragments.
    fn fragment(&self, mailboxes: usize) -> f64 {
        let mailboxes = u32::try_from(mailboxes.max(1)).unwrap_or(1);
        self.payload.max(self.pace / f64::from(mailboxes)) * UNUSED
    }

    /// Mean time for which a window that is full waits for the acknowledgement of its first
    /// fragment: the delay of that is exponential.
    fn wait(&self, window: u32, pace: f64) -> f64 {
        let early = self.ways - f64::from(window) * pace;
        let delay = self.acknowledgement;
        if early > 0.0 || delay == 0.0 {
            (delay + early).max(0.0)
        } else {
            delay * (early / delay).exp()
        }
    }
}

/// Share by which fragments leave later than the rates allow: payload slots come at random, so that
/// some turns of a mailbox pass unused, and what is acknowledged late leaves again.
const UNUSED: f64 = 1.03;

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Time in which so many fragments leave, by the law itself: a window that opens with the first
    /// acknowledgement, and acknowledgements after exponential delays.
    fn simulated(estimate: &Estimate, fragments: u32, mailboxes: usize, seed: u64) -> f64 {
        let mut rng = StdRng::seed_from_u64(seed);
        let pace = estimate.fragment(mailboxes);
        let mut delay =
            || -rng.random_range(f64::MIN_POSITIVE..1.0).ln() * estimate.acknowledgement;
        let [mut window, largest] = estimate.windows;
        let (mut now, mut left, mut acknowledged) = (0.0, 0_u32, 0_u32);
        let mut times = Vec::new();
        // When the acknowledgement that is drawn leaves.
        let mut due: Option<f64> = None;
        let way = estimate.ways / 2.0;
        while left < fragments {
            let heard = due.map(|due| due + way);
            if left - acknowledged < window && heard.is_none_or(|heard| now < heard) {
                left += 1;
                times.push(now + way);
                due = due.or_else(|| Some(now + way + delay()));
                now += pace;
                continue;
            }
            let (at, heard) = (due.unwrap(), heard.unwrap());
            now = now.max(heard);
            acknowledged = u32::try_from(times.iter().filter(|time| **time <= at).count()).unwrap();
            window = largest;
            let next = times.iter().find(|time| **time > at);
            due = next.map(|time| time + delay());
        }
        now
    }

    /// Checks the mean of many runs, and that of a long file nearly each takes what is said.
    #[test]
    fn the_estimate_is_near_what_the_law_takes() {
        let estimate = Estimate::new(&Traffic::default());
        for fragments in [1, 8, 30, 270, 2_680, 19_000] {
            for mailboxes in [1, 2] {
                let runs = (0..100).map(|seed| simulated(&estimate, fragments, mailboxes, seed));
                let runs: Vec<_> = runs.collect();
                let told = estimate.remaining(fragments, 0, mailboxes).as_secs_f64();
                let mean = runs.iter().sum::<f64>() / 100.0;
                assert!((told / mean - 1.0).abs() < 0.1, "{fragments} {mailboxes}: {told} {mean}");
                let far = runs.iter().filter(|run| (told / **run - 1.0).abs() > 0.2).count();
                assert!(fragments < 2_680 || far <= 4, "{fragments} {mailboxes}: {far} of 100");
            }
        }
    }

    #[test]
    fn what_has_left_is_not_counted() {
        let estimate = Estimate::new(&Traffic::default());
        let remaining = |left| estimate.remaining(2_680, left, 2);
        assert!([0, 8, 500, 2_600, 2_680].map(remaining).is_sorted_by(|one, next| one > next));
        assert_eq!(remaining(2_680), Duration::ZERO);
    }
}
