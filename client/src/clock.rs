//! The machine's clock, and a client's document time: its own clock until the relay's ticks say better.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rohrpost_proto::time::Time;

/// Since the Unix epoch, by the machine's clock; nothing if that stands before it.
#[must_use]
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Follows the monotonic clock, moved once per session to the relay's time.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    anchor: Time,
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { anchor: Time::from_micros(0) + unix_now(), started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        self.anchor + self.started.elapsed()
    }

    pub(crate) fn until(&self, time: Time) -> Duration {
        time.since(self.now())
    }

    /// Goes on from the relay's time. Never back: the courier's time must not.
    pub(crate) fn set(&mut self, relay: Time) {
        let now = self.now();
        *self = Self { anchor: now.max(relay), started: Instant::now() };
    }

    /// Before anything has counted by it, the clock may also go back.
    pub(crate) fn first_set(&mut self, relay: Time) {
        *self = Self { anchor: relay, started: Instant::now() };
    }
}
