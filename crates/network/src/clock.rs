//! The clock of a process: the machine's clock, read once, and the monotonic clock from then on.
//! Nothing moves it. A node counts document time by it; a client counts its own time by it, and takes
//! document time from its entry relay (`docs/traffic.md`, Clocks).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rohrpost_proto::time::{Steady, Time};

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
        Self { anchor: machine_time(), started: Instant::now() }
    }

    /// The current time; a node's is document time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.anchor + self.started.elapsed()
    }

    /// The wait until `time`; zero if it is past.
    #[must_use]
    pub fn until(&self, time: Time) -> Duration {
        time.since(self.now())
    }

    /// The same clock, as a client counts by it: document time is what its relay tells.
    #[must_use]
    pub fn steady(&self) -> Steady {
        Steady::of_clock(self.now())
    }
}

/// The machine's clock, read anew: it may have been set since the process started.
#[must_use]
pub fn machine_time() -> Time {
    Time::from_micros(0) + unix_now()
}

/// Time since the Unix epoch by the machine's clock; zero if that stands before the epoch.
#[must_use]
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
