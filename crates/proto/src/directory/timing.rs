//! Times of the directory: how long a slot of it is, and what follows from that.

use std::time::Duration;

use crate::time::{Slot, Time};

/// Times by which the agencies agree and everybody follows. All are reckoned from the length of a
/// slot of the directory, in which one network document is made.
///
/// | what | by default | of a slot |
/// |---|---|---|
/// | slot | 10 s, 8 T if that is longer | 1 |
/// | votes are in, from the slot's begin | 3 s | 3/10 |
/// | a signature is with all others | 7 s | 7/10 |
/// | clocks of relays differ by at most | 5 s | 1/2, and 5 s at most |
/// | a document starts, from its slot's begin | 60 s | 6 |
/// | a document is stale, from its start | 120 s | 12 |
/// | a node that is not heard of leaves the documents after | 30 s | 3 |
/// | a key is voted for beside a newer one, at most | 20 s | 2 |
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timing {
    interval: Duration,
}

impl Timing {
    /// The times for slots of this length, of a millisecond at least.
    #[must_use]
    pub const fn with_interval(interval: Duration) -> Self {
        let least = Duration::from_millis(1);
        Self { interval: if interval.as_nanos() < least.as_nanos() { least } else { interval } }
    }

    /// The times where a client gets a cell in each slot of this length, and the roster says nothing
    /// else. A client gets a piece of the directory in each of its cells, so where they are rare,
    /// documents are.
    #[must_use]
    pub fn where_cells_come_every(slot: Duration) -> Self {
        Self::with_interval(INTERVAL.max(slot * CELLS))
    }

    /// Length of a slot.
    #[must_use]
    pub const fn interval(self) -> Duration {
        self.interval
    }

    /// Time from a slot's begin to the proposal, in which votes come.
    #[must_use]
    pub fn voting(self) -> Duration {
        self.interval * 3 / 10
    }

    /// Time in which a signature reaches all relays, though their clocks differ.
    #[must_use]
    pub fn round(self) -> Duration {
        self.interval * 7 / 10
    }

    /// Largest difference of two relays' clocks.
    #[must_use]
    pub fn clocks(self) -> Duration {
        CLOCKS.min(self.interval / 2)
    }

    /// Time from the begin of a slot to the start of its document. Signatures are gathered in it,
    /// and every client gets the document and the descriptors that are new in it.
    #[must_use]
    pub fn lead(self) -> Duration {
        self.interval * LEAD
    }

    /// Age, from its start, at which a document is stale: keys that it names may be gone. No packet
    /// is built by it.
    #[must_use]
    pub fn stale_after(self) -> Duration {
        self.interval * STALE
    }

    /// Time without a word from a node after which a relay no longer calls it up. Each node announces
    /// itself once a slot.
    #[must_use]
    pub fn heard_within(self) -> Duration {
        self.interval * 3
    }

    /// Time for which a relay votes for a node's key before the newest beside that: the others may not
    /// have heard of it.
    #[must_use]
    pub fn both_for(self) -> Duration {
        self.interval * 2
    }

    /// Time for which documents name a key, and packets are built by them, after its node has made a
    /// newer one: until the votes name that, and then until the last document before is stale.
    #[must_use]
    pub fn named_for(self) -> Duration {
        self.heard_within() + self.both_for() + self.lead() + self.stale_after()
    }

    /// The slot in which a moment lies.
    #[must_use]
    pub fn slot_of(self, time: Time) -> Slot {
        time.slot(self.interval)
    }

    /// Time at which a slot begins.
    #[must_use]
    pub fn begin_of(self, slot: Slot) -> Time {
        slot.start(self.interval)
    }

    /// Time at which the document of a slot starts to hold, for everybody at once.
    #[must_use]
    pub fn start_of(self, slot: Slot) -> Time {
        self.begin_of(slot) + self.lead()
    }
}

/// Slots from the begin of one to the start of its document.
pub(crate) const LEAD: u32 = 6;
/// Slots from the start of a document until it is stale.
pub(crate) const STALE: u32 = 12;
/// Shortest slot of a network's directory.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// Cells that a client gets in a slot at least.
const CELLS: u32 = 8;
/// Largest difference of two relays' clocks, however long the slots are.
const CLOCKS: Duration = Duration::from_secs(5);
