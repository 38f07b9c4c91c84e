//! The times of an open loop.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::RngExt;

/// Due times of a Poisson process, as packets leave a mix. Whoever wakes late finds all that is due
/// at once.
pub(super) struct Pacer {
    started: Instant,
    due: Duration,
    rate: f64,
    duration: Duration,
}

impl Pacer {
    /// Begins now, with `rate` times a second for `duration`.
    pub(super) fn start(rate: f64, duration: Duration) -> Self {
        Self { started: Instant::now(), due: Duration::ZERO, rate, duration }
    }

    /// Waits for the next due time; false if the duration ends before.
    pub(super) fn wait(&mut self) -> bool {
        let uniform = rand::rng().random_range(f64::EPSILON..1.0);
        self.due += Duration::from_secs_f64(-uniform.ln() / self.rate);
        if self.due > self.duration {
            return false;
        }
        let early = self.due.saturating_sub(self.started.elapsed());
        if !early.is_zero() {
            sleep(early);
        }
        true
    }
}
