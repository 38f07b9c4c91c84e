//! The clock of a process: the machine's clock, read once, and from then on the time that has passed,
//! the machine's sleep included where the system counts that. Nothing else moves it. A node counts
//! document time by it; a client counts its own time by it, and takes document time from its entry
//! relay (`docs/traffic.md`, Clocks).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rohrpost_proto::time::{Steady, Time};

/// A clock that does not jump with the machine's.
#[derive(Clone, Copy)]
pub struct Clock {
    anchor: Time,
    started: Duration,
}

impl Clock {
    /// Reads the machine's clock and goes on from there.
    #[must_use]
    pub fn start() -> Self {
        Self { anchor: machine_time(), started: uptime() }
    }

    /// The current time; a node's is document time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.anchor + uptime().saturating_sub(self.started)
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

    /// Goes forward by what the clock has fallen behind
    /// ([`Witness::lag`](rohrpost_proto::time::agreement::Witness::lag)).
    pub fn go_forward(&mut self, by: Duration) {
        self.anchor = self.anchor + by;
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

/// Time since the machine started, with what it has slept: `CLOCK_BOOTTIME`. `Instant` stands still
/// while a machine sleeps, and with it would all that a client waits for.
#[cfg(target_os = "linux")]
fn uptime() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    let uptime = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(uptime.tv_sec), u32::try_from(uptime.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// Time since the clock was first read; whether sleep counts is up to the system.
#[cfg(not(target_os = "linux"))]
fn uptime() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    FIRST.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_behind_goes_forward() {
        let mut clock = Clock::start();
        let before = clock.steady();
        let day = Duration::from_secs(86_400);
        clock.go_forward(day);
        let gone = clock.steady().since(before);
        assert!(gone >= day && gone < day * 2);
    }

    /// Checks against the kernel's own account, which counts sleep: a machine that has slept fails
    /// this with a clock that does not.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_sleep_of_the_machine_counts() {
        let read = || {
            let text = std::fs::read_to_string("/proc/uptime").unwrap();
            text.split('.').next().unwrap().parse::<u64>().unwrap()
        };
        let (before, uptime, after) = (read(), uptime().as_secs(), read());
        assert!((before..=after).contains(&uptime), "{before} s, {uptime} s, {after} s");
    }
}
