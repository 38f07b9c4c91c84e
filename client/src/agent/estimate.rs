//! Estimate of the time that a message takes to leave.

use std::time::Duration;

use rohrpost_proto::directory::roster::Traffic;

/// Rates that decide how fast fragments leave, in seconds.
#[derive(Clone, Copy)]
pub(super) struct Estimate {
    /// Time between two payload slots.
    payload: f64,
    /// Time between two answers of a mailbox.
    answer: f64,
    /// Mean delay of an acknowledgement.
    acknowledgement: f64,
    /// Usual way of a letter to its recipient, and of its acknowledgement back.
    ways: f64,
}

impl Estimate {
    pub(super) fn new(traffic: &Traffic) -> Self {
        let answer = traffic.answer_period().as_secs_f64();
        Self {
            payload: traffic.slot.as_secs_f64() * 8.0 / 3.0,
            answer,
            acknowledgement: traffic.ack_delay.as_secs_f64(),
            ways: traffic.mix_delay.as_secs_f64() * 6.0 + answer * 2.0,
        }
    }

    /// Time until all of a message has left, of which `left` fragments have, to a contact who is
    /// there and has so many mailboxes that may be written to.
    ///
    /// A fragment leaves per payload slot, or per one and a half answers of each mailbox. A window
    /// that begins small fills and waits for an acknowledgement until it has grown; the largest one
    /// waits for those acknowledgements that are drawn late.
    pub(super) fn remaining(&self, fragments: u32, left: u32, mailboxes: usize) -> Duration {
        let mailboxes = u32::try_from(mailboxes.max(1)).unwrap_or(1);
        let pace = self.payload.max(self.answer * 1.5 / f64::from(mailboxes));
        let filled = |window: u32| f64::from(window) * pace - self.ways;
        let late = (-filled(LARGEST).max(0.0) / self.acknowledgement).exp();
        let remaining = f64::from(fragments.saturating_sub(left));
        let steady =
            if fragments > GROWN { remaining * pace * (1.0 + late) } else { remaining * pace };
        let mut end = 0;
        let mut waits = 0.0;
        for window in GROWING {
            end += window;
            if (left..fragments).contains(&end) {
                waits += (self.acknowledgement - filled(window)).max(0.0);
            }
        }
        Duration::from_secs_f64(steady + waits)
    }
}

/// Fragments of a long message under way before the first acknowledgements (`docs/delivery.md`).
const GROWING: [u32; 3] = [8, 32, 96];
/// Fragments that have left once the window is as large as it gets.
const GROWN: u32 = 8 + 32 + 96;
/// Fragments under way at most.
const LARGEST: u32 = 256;

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Time in which so many fragments leave, by the law itself: a window that grows by twice what is
    /// acknowledged, and acknowledgements after exponential delays.
    fn simulated(estimate: &Estimate, fragments: u32, mailboxes: u32, seed: u64) -> f64 {
        let mut rng = StdRng::seed_from_u64(seed);
        let pace = estimate.payload.max(estimate.answer * 1.5 / f64::from(mailboxes));
        let mut delay =
            || -rng.random_range(f64::MIN_POSITIVE..1.0).ln() * estimate.acknowledgement;
        let (mut now, mut left, mut acknowledged, mut window) = (0.0, 0_u32, 0_u32, 16_u32);
        let mut times = Vec::new();
        // When the acknowledgement that is drawn leaves.
        let mut due: Option<f64> = None;
        let way = estimate.ways / 2.0;
        while left < fragments {
            let share = if window == 16 { 8 } else { window };
            let heard = due.map(|due| due + way);
            if left - acknowledged < share && heard.is_none_or(|heard| now < heard) {
                left += 1;
                times.push(now + way);
                due = due.or_else(|| Some(now + way + delay()));
                now += pace;
                continue;
            }
            let (at, heard) = (due.unwrap(), heard.unwrap());
            now = now.max(heard);
            let come = u32::try_from(times.iter().filter(|time| **time <= at).count()).unwrap();
            window = (window + 2 * (come - acknowledged)).min(LARGEST);
            acknowledged = come;
            let next = times.iter().find(|time| **time > at);
            due = next.map(|time| time + delay());
        }
        now
    }

    #[test]
    fn the_estimate_is_near_what_the_law_takes() {
        let estimate = Estimate::new(&Traffic::default());
        for fragments in [1, 8, 30, 270, 2_680, 19_000] {
            for mailboxes in [1, 2] {
                let runs = (0..100).map(|seed| simulated(&estimate, fragments, mailboxes, seed));
                let mean = runs.sum::<f64>() / 100.0;
                let told = estimate.remaining(fragments, 0, mailboxes as usize).as_secs_f64();
                assert!((told / mean - 1.0).abs() < 0.2, "{fragments} {mailboxes}: {told} {mean}");
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
