//! Events that a courier tells its application. They stay on the client's own machine.

use std::collections::VecDeque;
use std::time::Duration;

use rohrpost_packet::envelope::{Fragment, IdentityPublic, KeyId, MessageId};
use rohrpost_packet::{Delay, NodeNumber};

use super::acknowledgement::Acknowledged;
use super::reassembly::Complete;
use super::receipt::Receipt;
use super::twins::Twin;
use crate::instruction::SurbWait;
use crate::path::Path;
use crate::time::{Slot, Time};

/// A way through the network and when it began or ended.
#[derive(Clone, Debug)]
pub struct Trip {
    /// Nodes of the way, and the delays drawn for them.
    pub path: Path,
    /// Document time at which the packet left, or the answer came.
    pub at: Time,
}

impl Trip {
    /// Sum of the delays drawn for the mixes of the path.
    #[must_use]
    pub fn drawn(&self) -> Duration {
        self.path.delays().into_iter().map(Delay::duration).sum()
    }
}

/// An event in a courier, for its application.
pub enum Event {
    /// A fragment of a message has left in a payload slot. Whether it arrives is not known by that.
    Sent {
        /// Identifier of the message.
        message: MessageId,
        /// Index of the fragment.
        fragment: u32,
        /// Number of times that the fragment had left before.
        again: u32,
        /// Number of times in a row that it has left without a sign of life from the contact, none of
        /// them so long after another that the mailboxes have forgotten that.
        unanswered: u32,
        /// The slot that carried the fragment.
        slot: Slot,
        /// The fragment's way to the mailbox.
        trip: Trip,
    },
    /// A piece of a stored body is about to leave: the application reads it and gives it to the
    /// courier ([`Courier::supply`](super::Courier::supply)). How long that takes changes nothing
    /// that can be observed; a piece that was not supplied is asked for again.
    Wanted {
        /// Identifier of the message.
        message: MessageId,
        /// Bytes of the body before the piece.
        offset: usize,
        /// Bytes of the piece: at most 64 KiB.
        len: usize,
    },
    /// The contact's client has acknowledged all of a message, and its reader has it: it waits for
    /// no other.
    Delivered {
        /// Identifier of the message.
        message: MessageId,
    },
    /// A message was not acknowledged in its time, and is given up. It may have arrived. Later
    /// letters tell the contact not to wait for it.
    Expired {
        /// Identifier of the message.
        message: MessageId,
    },
    /// The acknowledgement of all that has come from a contact has left, and no other is owed.
    AcknowledgementSent {
        /// The contact.
        to: KeyId,
    },
    /// A letter of a contact has come that left later than all before it, by an hour at least. The
    /// application stores the time for the next run ([`Memory::heard`](super::Memory::heard)).
    Heard {
        /// The contact.
        of: KeyId,
        /// Time since the letter left, at least; to the hour.
        ago: Duration,
    },
    /// A contact has acknowledged a message with a higher number than before, or counts anew. The
    /// application stores it for the next run.
    Acknowledged {
        /// The contact.
        by: KeyId,
        /// What the contact has acknowledged.
        acknowledged: Acknowledged,
    },
    /// All of an address has left for a contact. The application stores it, and gives it with the
    /// next announcement to the contact ([`Message::left`](super::Message::left)): a restart is no
    /// reason for more letters to someone who is away.
    Announced {
        /// The contact.
        to: KeyId,
        /// Version of the address.
        version: u64,
        /// Number of times in a row that it has left without a sign of life from the contact.
        times: u32,
    },
    /// A contact has acknowledged an address of this client.
    Told {
        /// The contact.
        to: KeyId,
        /// Version of the address.
        version: u64,
    },
    /// A contact has given a number of a message that was told of to another message: it goes on from an
    /// older copy of its store. Or that is over. The application stores it for the next run
    /// ([`Memory::disputed`](super::Memory::disputed)).
    Disputed {
        /// The contact.
        sender: KeyId,
        /// The number; none once that is over.
        number: Option<u64>,
    },
    /// A contact knows of messages, to it or from it, of which this client does not: it goes on
    /// from an older copy of its store. Told of once for each contact. The application begins a new
    /// incarnation of what it exchanges with the contact.
    OlderCopy {
        /// The contact.
        contact: KeyId,
        /// The newest incarnation that the contact has heard of: the next one is above it.
        heard_of: u32,
    },
    /// A fragment of a message has come, for the first time. Once the application has stored it
    /// and the mark of its envelope, in one step, it tells so by
    /// [`Courier::commit`](super::Courier::commit); only then is the fragment acknowledged.
    Arrived {
        /// The fragment that has come.
        fragment: Box<Fragment>,
        /// The receipt to commit; it names the contact that sent the fragment.
        receipt: Receipt,
        /// True if all fragments of the message have come by this one: a reader waits for nothing
        /// but its commit.
        last: bool,
        /// The relay whose mailbox held the fragment.
        relay: NodeNumber,
        /// The way of the answer that brought it.
        trip: Trip,
    },
    /// A fragment that is stored has come again, sealed anew: its sender has not heard so. The
    /// application stores the mark and commits the receipt, as for [`Event::Arrived`].
    Repeated {
        /// The receipt to commit.
        receipt: Receipt,
    },
    /// All fragments of these messages are stored, in the order of the contact's numbers. An
    /// address does not wait for messages, and may be told of again after a restart. There are no
    /// messages if the contact has given up some that were not complete.
    ///
    /// Whole messages may be stored under numbers of an older incarnation: the contact goes on from
    /// an older copy of its store, and either sends them again or has forgotten them. What was
    /// [written after that](super::is_written_anew) comes after them.
    ///
    /// The application takes note of the messages, of `below` and of `floor` at once, in one step.
    Complete {
        /// The contact that sent the messages.
        sender: KeyId,
        /// The messages.
        messages: Vec<Complete>,
        /// Bound below which every message is over: what is stored of their fragments can go.
        below: u64,
        /// Bound below which the ids of messages that were told of need not be remembered
        /// ([`Memory::told`](super::Memory::told)).
        floor: u64,
        /// Fragments of a short message at most: it passes longer ones, and those alone.
        short: u32,
    },
    /// A letter has come of an identity that is no contact, which has this client's card. Nothing
    /// follows from it: it is acknowledged to nobody, and its sender sends it again. Of a message
    /// there is no text; of an address there is, for whoever is accepted is answered by it.
    Stranger {
        /// The identity, which the letter proves.
        identity: IdentityPublic,
        /// The fragment that has come.
        fragment: Box<Fragment>,
    },
    /// An envelope has come that is damaged, or a letter that is no message for this client; it was
    /// dropped.
    Dropped,
    /// A loop has left that is expected back. Loops before the first answer of their mailbox are
    /// not expected, for the mailbox may not exist yet.
    LoopSent,
    /// An own loop has come back.
    LoopReturned {
        /// Index of the own mailbox that the loop passed.
        mailbox: usize,
        /// Time since the loop left.
        after: Duration,
        /// Time beyond the drawn delays and the ticks that the loop had to wait for at most; zero
        /// if it was in time. Waiting behind other envelopes, or for a pull, counts as late.
        lateness: Duration,
    },
    /// A loop has come of another copy of this client, which pulls the same mailboxes. It is told of
    /// again with each such loop.
    Twin(Twin),
    /// An own loop has not come back for twenty times its usual way.
    LoopLost {
        /// Index of the own mailbox that the loop was for.
        mailbox: usize,
    },
    /// A mailbox has answered a pull.
    PullAnswered {
        /// The relay that holds the mailbox.
        relay: NodeNumber,
        /// The way of the pull.
        pull: Trip,
        /// Lifetime of the pull at the mailbox, between the two ways, by the word of the relay.
        wait: SurbWait,
        /// The way of the answer.
        trip: Trip,
    },
    /// A pull will not be answered any more, or was answered with garbage. Some always are: there
    /// are 17 pulls to 16 answers, and a mailbox holds no more than eight.
    PullLost {
        /// The relay that holds the mailbox.
        relay: NodeNumber,
    },
    /// The driver came too late: so many slots have passed without a departure.
    Skipped {
        /// Number of slots without a departure.
        slots: u64,
    },
}

impl Event {
    /// The receipt to commit, once what has come is stored.
    #[must_use]
    pub const fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Arrived { receipt, .. } | Self::Repeated { receipt } => Some(receipt),
            _ => None,
        }
    }
}

/// Events that wait for the application: of cover at most [`BOUND`], the newest is shed. Those of
/// mail are not shed: without room for a fragment nothing is sent or received, and of what was
/// posted and what has come there is only so much.
pub(super) struct Events {
    waiting: VecDeque<Event>,
}

impl Events {
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    /// Tells whether the events of a fragment find room.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() + PER_FRAGMENT <= BOUND
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.waiting.len() < BOUND {
            self.waiting.push_back(event);
        }
    }

    /// Adds an event of mail, which must not be lost.
    pub(super) fn push_mail(&mut self, event: Event) {
        self.waiting.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.waiting.pop_front()
    }
}

/// Four minutes of a client's events by the default rates; at most 6 MiB when all carry fragments.
const BOUND: usize = 1024;
/// Events that one fragment makes at most: an answer, and the fragment in it.
const PER_FRAGMENT: usize = 2;
