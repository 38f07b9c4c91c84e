//! Presence of a correspondent: how much may be under way to it.

use std::time::Duration;

use super::super::message::Lane;
use super::super::retransmission::RetransmitTimer;
use crate::directory::roster::Traffic;
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

    /// Opens the window: something was acknowledged, so the correspondent is there and reads. It
    /// does not open by and by: what may be under way is known, and each step would be a wait of
    /// the mean delay of an acknowledgement, as uncertain as that is.
    pub(super) fn acknowledged(&mut self, timer: RetransmitTimer) {
        self.window = open_window(timer);
    }

    /// Fragments that may be under way.
    pub(super) fn window(&self, now: Steady, timer: RetransmitTimer) -> usize {
        if self.is_there(now, timer) { self.window } else { FIRST_WINDOW }
    }

    /// Part of a window that a lane may fill: while nothing is heard, long messages leave half of
    /// it to short ones.
    pub(super) fn share(window: usize, lane: Lane) -> usize {
        if window == FIRST_WINDOW && lane == Lane::Long { window / 2 } else { window }
    }

    pub(super) fn is_there(&self, now: Steady, timer: RetransmitTimer) -> bool {
        self.heard.is_some_and(|heard| now.since(heard) < timer.first * SILENCE)
    }
}

/// Fragments of a long message that may be under way to a contact, by the rates of a network:
/// before its first acknowledgement, and after it.
#[must_use]
pub fn windows(traffic: &Traffic) -> [usize; 2] {
    [FIRST_WINDOW, open_window(RetransmitTimer::new(traffic))]
        .map(|window| Presence::share(window, Lane::Long))
}

/// Fragments under way to a correspondent that is there.
fn open_window(timer: RetransmitTimer) -> usize {
    timer.round_trip().clamp(FIRST_WINDOW, LARGEST_WINDOW)
}

const HOUR: Duration = Duration::from_hours(1);
/// Fragments under way to a correspondent of which nothing was heard lately: a quarter of what two
/// mailboxes hold that have earned no room.
const FIRST_WINDOW: usize = 16;
/// Fragments under way to one correspondent at most, where a roster's acknowledgements would ask
/// for more: some 200 bytes of memory each.
const LARGEST_WINDOW: usize = 1024;
/// First time-outs of silence after which a correspondent is taken to be away.
const SILENCE: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Checks that a window is a matter of time: where cells leave seldom, as many fragments would
    /// be days of a mailbox's answers.
    #[test]
    fn a_window_is_small_where_mailboxes_answer_seldom() {
        let slot = Duration::from_secs(60);
        let timer = RetransmitTimer::new(&Traffic { slot, ..Traffic::default() });
        let mut presence = Presence::new();
        let now = Steady::BEGIN + Duration::from_secs(1_000_000);
        presence.hear(now, now, timer);
        presence.acknowledged(timer);
        assert_eq!(presence.window(now, timer), 16);
    }

    #[test]
    fn a_window_opens_with_an_acknowledgement_and_shrinks_in_silence() {
        let timer = RetransmitTimer::new(&Traffic::default());
        let mut presence = Presence::new();
        let now = Steady::BEGIN + Duration::from_secs(1_000_000);
        assert_eq!(presence.window(now, timer), 16);
        presence.hear(now, now, timer);
        assert_eq!(presence.window(now, timer), 16, "heard of, but for nothing that left");
        presence.acknowledged(timer);
        assert_eq!(presence.window(now, timer), 650);
        let silent = now + timer.first * SILENCE;
        assert_eq!(presence.window(silent, timer), 16);
        presence.hear(silent, silent, timer);
        assert_eq!(presence.window(silent, timer), 16);
    }
}
