//! Document time of a process: the machine's clock, read once, and the monotonic clock from then
//! on. A client moves it to the time of its entry relay.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rohrpost_proto::time::Time;

/// A clock that does not jump with the machine's.
#[derive(Clone, Copy)]
pub struct Clock {
    anchor: Time,
    started: Instant,
}

impl Clock {
    /// Reads the machine's clock and goes on from there.
    #[must_use]
    pub fn start() -> Self {
        Self::at(Time::from_micros(0) + unix_now())
    }

    fn at(anchor: Time) -> Self {
        Self { anchor, started: Instant::now() }
    }

    /// The current document time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.anchor + self.started.elapsed()
    }

    /// The wait until `time`; zero if it is past.
    #[must_use]
    pub fn until(&self, time: Time) -> Duration {
        time.since(self.now())
    }

    /// Goes on from a relay's time, but never back: a state machine's time must not.
    pub fn advance(&mut self, relay: Time) {
        *self = Self::at(self.now().max(relay));
    }

    /// Goes on from a relay's time, back as well: only before anything has counted by this clock.
    pub fn first_set(&mut self, relay: Time) {
        *self = Self::at(relay);
    }
}

/// Time since the Unix epoch by the machine's clock; zero if that stands before the epoch.
#[must_use]
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
