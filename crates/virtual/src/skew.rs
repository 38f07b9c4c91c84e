//! Clocks that are wrong.

use std::time::Duration;

use rohrpost_proto::time::{Steady, Time};

/// Error of a party's clock, which runs as fast as the true one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Skew {
    /// The clock shows more than the true time.
    Ahead(Duration),
    /// The clock shows less than the true time.
    Behind(Duration),
}

impl Skew {
    /// Error of a right clock: there is none.
    pub const NONE: Self = Self::Ahead(Duration::ZERO);

    /// Time that the clock shows at the true time `now`.
    pub(crate) fn read(self, now: Time) -> Time {
        match self {
            Self::Ahead(by) => now + by,
            Self::Behind(by) => now - by,
        }
    }

    /// The true time at which the clock shows `local`.
    pub(crate) fn when(self, local: Time) -> Time {
        match self {
            Self::Ahead(by) => local - by,
            Self::Behind(by) => local + by,
        }
    }

    /// Error of the clock once it has stood still for so long.
    pub(crate) fn stopped(self, by: Duration) -> Self {
        match self {
            Self::Ahead(ahead) if ahead >= by => Self::Ahead(ahead - by),
            Self::Ahead(ahead) => Self::Behind(by - ahead),
            Self::Behind(behind) => Self::Behind(behind + by),
        }
    }

    /// Error of the clock once it has gone forward by so much.
    pub(crate) fn forward(self, by: Duration) -> Self {
        match self {
            Self::Ahead(ahead) => Self::Ahead(ahead + by),
            Self::Behind(behind) if behind >= by => Self::Behind(behind - by),
            Self::Behind(behind) => Self::Ahead(by - behind),
        }
    }

    /// The own time of a process that started by this clock.
    pub(crate) fn steady(self, now: Time) -> Steady {
        Steady::of_clock(self.read(now))
    }
}
