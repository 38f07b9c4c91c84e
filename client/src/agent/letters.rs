//! Letters that have come and are not on the disk yet.
//!
//! A commit costs a flush and some pages of the disk, however little is in it. So the letters of a
//! long message wait in memory for each other, some seconds long; one that a reader waits for, as
//! each of a text is, goes to the disk at once and takes all others along. What waits is
//! acknowledged to nobody, and its relays hold it for longer than it waits: whatever becomes of the
//! process, it comes again.

use std::time::{Duration, Instant};

use rohrpost_packet::envelope::Fragment;
use rohrpost_proto::courier::Receipt;

/// A letter that has come.
pub(super) struct Letter {
    pub(super) receipt: Receipt,
    /// The fragment; none if it is stored already.
    pub(super) fragment: Option<Box<Fragment>>,
    /// True if a reader waits for nothing but this letter, or few others.
    pub(super) waited_for: bool,
}

/// The letters that are not on the disk yet, and when they go there. Time is an argument.
#[derive(Default)]
pub(super) struct Letters {
    /// At most [`MOST`].
    waiting: Vec<Letter>,
    due: Option<Instant>,
}

impl Letters {
    pub(super) fn take(&mut self, letter: Letter, now: Instant) {
        let at_once = letter.waited_for || self.waiting.len() + 1 >= MOST;
        let due = if at_once { now } else { now + WAIT };
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
        self.waiting.push(letter);
    }

    /// Time at which the letters go to the disk; none if there are none.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Takes all letters out.
    pub(super) fn drain(&mut self) -> Vec<Letter> {
        std::mem::take(self).waiting
    }
}

/// Time for which letters wait for others: well within that after which a courier has their relays
/// remove them, and much shorter than an acknowledgement waits.
pub(super) const WAIT: Duration = Duration::from_secs(10);
/// Letters that wait at most: 400 KiB, three times as many as come in that time.
const MOST: usize = 64;
