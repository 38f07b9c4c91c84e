//! Document time, by which all parties of a network count.

pub mod agreement;
pub mod calendar;

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in document time: microseconds since the Unix epoch by the network's clock. A process
/// anchors it once and then follows its monotonic clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Time(u64);

/// A point in a process's own time, which nobody else can move: the machine's clock, read once, and
/// the monotonic clock from then on, in microseconds since the Unix epoch.
///
/// A client counts delays, time-outs and the life of messages by it, and slots by document time,
/// which its entry relay tells. The two have types of their own, so that no relay's word gets among
/// the former by mistake. A process that follows one clock makes the one from the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Steady(Time);

/// Number of a slot of the grid, the same for all parties.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(u64);

impl Time {
    /// The latest time that a peer may name, in the year 2255: 2⁵³ microseconds. Whatever is
    /// reckoned from it, slots and periods, stays within 64 bits.
    pub const LATEST: Self = Self(1 << 53);

    /// Makes a time from microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Time since `earlier`, zero if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The slot of length `slot` in which this moment lies.
    #[must_use]
    pub fn slot(self, slot: Duration) -> Slot {
        Slot(self.0 / micros(slot))
    }

    /// The next moment after this one that is a multiple of `period`.
    #[must_use]
    pub fn next_multiple(self, period: Duration) -> Self {
        let period = micros(period);
        Self((self.0 / period + 1) * period)
    }
}

impl Steady {
    /// The begin of all reckoning, before any time that a clock shows.
    pub const BEGIN: Self = Self(Time(0));

    /// Reads a clock of the process's own.
    #[must_use]
    pub const fn of_clock(own: Time) -> Self {
        Self(own)
    }

    /// The reading of that clock.
    #[must_use]
    pub const fn reading(self) -> Time {
        self.0
    }

    /// Time since `earlier`, zero if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.since(earlier.0)
    }

    /// Tells whether a date that was set by the machine's clock has come.
    #[must_use]
    pub fn has_reached(self, date: Time) -> bool {
        self.0 >= date
    }
}

impl Slot {
    /// Makes the slot with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Number of the slot.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Time at which the slot begins, for slots of length `slot`.
    #[must_use]
    pub fn start(self, slot: Duration) -> Time {
        Time(self.0.saturating_mul(micros(slot)))
    }

    /// The slot after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Tells whether the slot pulls: even slots do, and every sixteenth odd slot. Other odd slots
    /// carry payload or a loop.
    #[must_use]
    pub const fn pulls(self) -> bool {
        self.0.is_multiple_of(2) || self.is_surplus()
    }

    /// Tells whether the slot's pull is one more than the answers need, in place of a SURB that was
    /// lost: every sixteenth odd slot.
    #[must_use]
    pub const fn is_surplus(self) -> bool {
        self.0 % SURPLUS == SURPLUS - 1
    }

    /// Number of the slot's pull among those of its kind: of even slots, or of surplus ones.
    #[must_use]
    pub const fn pull_number(self) -> u64 {
        if self.is_surplus() { self.0 / SURPLUS } else { self.0 / 2 }
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Add<Duration> for Steady {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

impl Sub<Duration> for Steady {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0 - duration)
    }
}

/// Slots with one surplus pull. Two mailboxes are pulled 17 times in them and answer 16 times, so
/// that one pull of 17 may be lost.
const SURPLUS: u64 = 32;

/// The period in microseconds, at least one.
fn micros(period: Duration) -> u64 {
    u64::try_from(period.as_micros()).unwrap_or(u64::MAX).max(1)
}
