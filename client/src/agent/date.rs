//! The date by which a client erases and rolls. The machine's clock does not count for that: one that
//! shows a year too much would erase the keys to all mail that is under way.

use std::time::Duration;

use rohrpost_proto::time::Time;

use super::clocks::Clocks;

/// The date, as the last document showed it.
pub(super) struct Date {
    clocks: Clocks,
    /// Reading of the own clock when a document came, and the time that was borne out then; `None` until
    /// the first link of this run.
    shown: Option<(Time, Time)>,
}

impl Date {
    /// A date that nothing has shown yet.
    pub(super) const fn unknown(clocks: Clocks) -> Self {
        Self { clocks, shown: None }
    }

    /// Notes the time of a document whose relay's clock the machine's or other nodes bear out. True
    /// if it is the first.
    pub(super) fn show(&mut self, time: Time) -> bool {
        self.shown.replace((self.clocks.own(), time)).is_none()
    }

    /// The date in Unix time, if a link has shown it: from then on it goes by the own clock, which
    /// nobody sets, with a link or without.
    pub(super) fn unix(&self) -> Option<Duration> {
        let (then, time) = self.shown?;
        let date = time + self.clocks.own().since(then);
        Some(Duration::from_micros(date.micros()))
    }
}
