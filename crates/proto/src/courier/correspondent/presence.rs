//! Presence of a correspondent: how much may be under way to it.

use std::time::Duration;

use super::super::message::Lane;
use super::super::retransmission::RetransmitTimer;
use crate::time::{Steady, Time};

/// Presence of a correspondent, by what is heard of it.
pub(super) struct Presence {
    /// Time at which the latest letter of the correspondent left that has come.
    heard: Option<Steady>,
    /// The same, as the application was told last.
    told: Option<Steady>,
    /// Fragments that may be under way while it is there.
    window: usize,
}

impl Presence {
    pub(super) const fn new() -> Self {
        Self { heard: None, told: None, window: FIRST_WINDOW }
    }

    /// Goes on with the time of the last letter in a former run.
    pub(super) fn resume(heard: Option<Time>) -> Self {
        let heard = heard.map(Steady::of_clock);
        Self { heard, told: heard, window: FIRST_WINDOW }
    }

    /// Takes note that a letter of the correspondent has come which left at this time. Whoever was
    /// away begins anew. True if the application is to be told.
    pub(super) fn hear(&mut self, now: Steady, left: Steady, timer: RetransmitTimer) -> bool {
        if !self.is_there(now, timer) {
            self.window = FIRST_WINDOW;
        }
        // A time to come is of a clock that was wrong.
        let later = |than: Option<Steady>, by: Duration| {
            than.is_none_or(|than| than > now || left.since(than) >= by)
        };
        if later(self.heard, Duration::ZERO) {
            self.heard = Some(left);
        }
        let news = later(self.told, HOUR);
        if news {
            self.told = Some(left);
        }
        news
    }

    /// Widens the window by what was acknowledged, which has left the mailboxes.
    pub(super) fn acknowledged(&mut self, fragments: usize) {
        self.window = self.window.saturating_add(2 * fragments).min(LARGEST_WINDOW);
    }

    /// Fragments that may be under way.
    pub(super) fn window(&self, now: Steady, timer: RetransmitTimer) -> usize {
        if self.is_there(now, timer) { self.window } else { FIRST_WINDOW }
    }

    /// Part of a window that a lane may fill: while nothing is heard, long messages leave half of it
    /// to short ones.
    pub(super) fn share(window: usize, lane: Lane) -> usize {
        if window == FIRST_WINDOW && lane == Lane::Long { window / 2 } else { window }
    }

    pub(super) fn is_there(&self, now: Steady, timer: RetransmitTimer) -> bool {
        self.heard.is_some_and(|heard| now.since(heard) < timer.first * SILENCE)
    }
}

const HOUR: Duration = Duration::from_hours(1);
/// Fragments under way to a correspondent of which nothing was heard lately: a quarter of what two
/// mailboxes hold that have earned no room. An acknowledgement triples what may be under way.
const FIRST_WINDOW: usize = 16;
/// Fragments under way to one correspondent at most: as many as two mailboxes hand out in the mean
/// delay of an acknowledgement by the default rates.
const LARGEST_WINDOW: usize = 256;
/// First time-outs of silence after which a correspondent is taken to be away.
const SILENCE: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::roster::Traffic;

    #[test]
    fn a_letter_that_has_waited_is_no_sign_that_its_sender_is_there() {
        let timer = RetransmitTimer::new(&Traffic::default());
        let mut presence = Presence::new();
        let now = Steady::BEGIN + Duration::from_secs(1_000_000);
        assert!(presence.hear(now, now - HOUR * 30, timer), "it is news");
        assert!(!presence.is_there(now, timer));
        assert!(!presence.hear(now, now - HOUR * 40, timer), "a later one has come");
        assert!(presence.hear(now, now, timer) && presence.is_there(now, timer));
        assert!(!presence.hear(now + HOUR / 2, now + HOUR / 2, timer), "not by an hour");
    }

    #[test]
    fn a_window_grows_with_acknowledgements_and_shrinks_in_silence() {
        let timer = RetransmitTimer::new(&Traffic::default());
        let mut presence = Presence::new();
        let now = Steady::BEGIN + Duration::from_secs(1_000_000);
        assert_eq!(presence.window(now, timer), 16);
        for expected in [48, 144, 256] {
            presence.hear(now, now, timer);
            presence.acknowledged(presence.window(now, timer));
            assert_eq!(presence.window(now, timer), expected);
        }
        let silent = now + timer.first * SILENCE;
        assert_eq!(presence.window(silent, timer), 16);
        presence.hear(silent, silent, timer);
        assert_eq!(presence.window(silent, timer), 16);
    }
}
