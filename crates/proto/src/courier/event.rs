//! What a courier tells its owner. It stays on the client's own machine.

use std::collections::VecDeque;
use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, Letter, MessageId};
use rohrpost_packet::{Delay, NodeNumber};

use crate::instruction::Stay;
use crate::path::Path;
use crate::time::{Slot, Time};

/// A way through the network and when it began or ended.
#[derive(Clone, Debug)]
pub struct Trip {
    /// Nodes and the delays drawn for them.
    pub path: Path,
    /// When the packet left, or the answer came.
    pub at: Time,
}

impl Trip {
    /// Sum of the delays drawn for the mixes of the path.
    #[must_use]
    pub fn drawn(&self) -> Duration {
        self.path.delays().into_iter().map(Delay::duration).sum()
    }
}

/// Something happened.
pub enum Event {
    /// A letter has left in a payload slot. Whether it arrives is not known by that.
    Sent {
        /// The letter.
        message: MessageId,
        /// The slot that carried it.
        slot: Slot,
        /// Its way to the mailbox.
        trip: Trip,
    },
    /// A letter has left the outbox unsent: the contact's keys are unusable.
    Unsendable {
        /// The letter.
        message: MessageId,
    },
    /// A letter has come, for the first time.
    Arrived {
        /// The letter.
        letter: Box<Letter>,
        /// From this contact.
        sender: KeyId,
        /// The relay whose mailbox held it.
        relay: NodeNumber,
        /// The answer's way.
        trip: Trip,
    },
    /// An envelope has come from nobody among the contacts, or damaged; it was dropped.
    Dropped,
    /// A loop has left that is expected back. Those before the first answer of their mailbox are
    /// not, for it may not exist yet.
    LoopSent,
    /// An own loop has come back.
    LoopReturned {
        /// Since it left.
        after: Duration,
        /// Beyond the drawn delays and the ticks that it had to wait for at most; zero if it was
        /// in time. Waiting behind other envelopes, or for a pull, counts as late.
        lateness: Duration,
    },
    /// An own loop has not come back for twenty times its usual way.
    LoopLost,
    /// A mailbox has answered a pull.
    PullAnswered {
        /// The relay that holds it.
        relay: NodeNumber,
        /// The pull's way.
        pull: Trip,
        /// Between the two, by the word of the relay.
        stay: Stay,
        /// The answer's way.
        trip: Trip,
    },
    /// A pull will not be answered any more, or was with garbage. Some always are lost: pulls and
    /// answers are equally many on average, and a mailbox keeps no more than eight.
    PullLost {
        /// The relay that holds the mailbox.
        relay: NodeNumber,
    },
    /// The driver came too late: so many slots have passed without a departure.
    Skipped {
        /// How many.
        slots: u64,
    },
}

/// Events that wait for the owner; at most [`BOUND`], the newest is shed. Letters are not shed:
/// without room for one nothing is sent or received.
pub(super) struct Events {
    waiting: VecDeque<Event>,
}

impl Events {
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    /// Whether a letter's events find room.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() + PER_LETTER <= BOUND
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.waiting.len() < BOUND {
            self.waiting.push_back(event);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.waiting.pop_front()
    }
}

/// Four minutes of a client's events by the default rates; at most 6 MiB when all are letters.
const BOUND: usize = 1024;
/// An answer, and the letter in it.
const PER_LETTER: usize = 2;
