//! Clocks that are wrong.

use std::time::Duration;

use rohrpost_proto::time::Time;

/// By how much a party's clock is off. It runs as fast as the true one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Skew {
    /// It shows more than the true time.
    Ahead(Duration),
    /// It shows less.
    Behind(Duration),
}

impl Skew {
    /// A right clock.
    pub const NONE: Self = Self::Ahead(Duration::ZERO);

    /// What the clock shows at the true time `now`.
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

    /// Of a clock that shows `local` at the true time `now`.
    pub(crate) fn between(local: Time, now: Time) -> Self {
        if local < now { Self::Behind(now.since(local)) } else { Self::Ahead(local.since(now)) }
    }
}
