//! What a courier tells its owner. It stays on the client's own machine.

use std::collections::VecDeque;
use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, Letter, MessageId};
use rohrpost_packet::{Delay, NodeNumber};

use super::reception::Complete;
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
    /// A fragment of a message has left in a payload slot. Whether it arrives is not known by that.
    Sent {
        /// The message.
        message: MessageId,
        /// Index of the fragment.
        fragment: u32,
        /// How often it had left before.
        again: u32,
        /// The slot that carried it.
        slot: Slot,
        /// Its way to the mailbox.
        trip: Trip,
    },
    /// A message is given up: the contact's keys are unusable.
    Unsendable {
        /// The message.
        message: MessageId,
    },
    /// The contact's client has acknowledged all of a message; or, after [`Event::Expired`], the void
    /// in its place.
    Delivered {
        /// The message.
        message: MessageId,
    },
    /// A message was not acknowledged in its time, and is given up. It may have arrived. A void goes
    /// in its place until that is [`Event::Delivered`]; after a restart, the owner posts a message of
    /// kind void under the same id and number.
    Expired {
        /// The message.
        message: MessageId,
    },
    /// A fragment of a message has come, for the first time. Whoever has put it where it lasts tells so
    /// by [`Courier::keep`](super::Courier::keep); only then is it acknowledged.
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
    /// All fragments of these messages are kept, in the order of the contact's numbers. An address
    /// does not wait for the messages before it, and may be told of again after a restart. There are
    /// none if the contact has begun a new life before it finished a message.
    ///
    /// The owner takes note of the messages and of `below` at once, in one step.
    Complete {
        /// From this contact.
        sender: KeyId,
        /// The messages; a [`Kind::Void`](rohrpost_packet::envelope::Kind::Void) has nothing to say.
        messages: Vec<Complete>,
        /// Every message before this number is over: what is kept of them can go.
        below: u64,
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

/// Events that wait for the owner: of cover at most [`BOUND`], the newest is shed. Those of mail are
/// not shed: without room for a letter nothing is sent or received, and of what was posted and what
/// has come there is only so much.
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

    /// An event of mail, which must not be lost.
    pub(super) fn push_mail(&mut self, event: Event) {
        self.waiting.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.waiting.pop_front()
    }
}

/// Four minutes of a client's events by the default rates; at most 6 MiB when all are letters.
const BOUND: usize = 1024;
/// An answer, and the letter in it.
const PER_LETTER: usize = 2;
