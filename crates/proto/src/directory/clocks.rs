//! What the relays' clocks show, held against the own one.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_packet::NodeNumber;

use crate::directory::roster::Roster;
use crate::time::Time;

/// Clocks of relays, by their own word.
#[derive(Default)]
pub struct Clocks {
    /// As many as the roster has relays.
    said: BTreeMap<NodeNumber, Said>,
}

struct Said {
    /// Time by the own clock at which it was said.
    at: Time,
    /// Microseconds by which the relay's clock is ahead of the own.
    ahead: i64,
}

impl Clocks {
    /// Hears what a relay's clock shows.
    pub fn hear(&mut self, now: Time, relay: NodeNumber, time: Time, roster: &Roster) {
        if roster.relays().any(|known| known.number == relay) {
            self.said.insert(relay, Said { at: now, ahead: ahead(time, now) });
        }
    }

    /// Microseconds by which the others' clocks are ahead of the own, by the middle one of those that
    /// were heard within `fresh`; none where fewer than half of the relays were. Of two middle ones the
    /// one that is nearer counts.
    #[must_use]
    pub fn ahead(&self, now: Time, roster: &Roster, fresh: Duration) -> Option<i64> {
        let fresh = |said: &&Said| now.since(said.at) <= fresh;
        let mut all: Vec<_> = self.said.values().filter(fresh).map(|said| said.ahead).collect();
        all.sort_unstable();
        if all.is_empty() || all.len() * 2 < roster.relays().count() {
            return None;
        }
        let (low, high) = (all[(all.len() - 1) / 2], all[all.len() / 2]);
        Some(if low.unsigned_abs() < high.unsigned_abs() { low } else { high })
    }

    /// The network's time: that of the own clock, moved by `most` at most to what the relays' show. So
    /// one that is off does no harm, and no relay alone moves it. One that is off by more is not moved:
    /// that is for its operator to see.
    #[must_use]
    pub fn network_time(
        &self,
        now: Time,
        roster: &Roster,
        fresh: Duration,
        most: Duration,
    ) -> Time {
        let ahead = self.ahead(now, roster, fresh).unwrap_or(0);
        let by = Duration::from_micros(ahead.unsigned_abs());
        match (by <= most, ahead > 0) {
            (false, _) => now,
            (true, true) => now + by,
            (true, false) => now - by,
        }
    }
}

/// Microseconds by which a time is ahead of another.
fn ahead(time: Time, of: Time) -> i64 {
    let signed = |time: Time| i64::try_from(time.micros()).unwrap_or(i64::MAX);
    signed(time).saturating_sub(signed(of))
}
