//! Document time of a process: the wall clock, read once, and the monotonic clock from then on.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rohrpost_proto::time::Time;

/// A clock that does not jump.
#[derive(Clone, Copy)]
pub struct Clock {
    anchor: Time,
    started: Instant,
}

impl Clock {
    /// Reads the wall clock.
    #[must_use]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { anchor: Time::from_micros(0) + unix, started: Instant::now() }
    }

    /// Document time now.
    #[must_use]
    pub fn now(&self) -> Time {
        self.anchor + self.started.elapsed()
    }

    /// How long until `time`; zero if it is past.
    #[must_use]
    pub fn until(&self, time: Time) -> Duration {
        time.since(self.now())
    }
}
