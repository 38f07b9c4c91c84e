//! What a courier tells its owner. Kept on the client's own machine.

use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{KeyId, Letter, MessageId};

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

/// Something happened.
pub enum Event {
    /// A letter has left in a payload slot.
    Sent {
        /// The letter.
        message: MessageId,
        /// The slot that carried it.
        slot: Slot,
        /// Its way to the mailbox.
        trip: Trip,
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
    /// A loop has left.
    LoopSent,
    /// An own loop has come back.
    LoopReturned {
        /// Since it left.
        after: Duration,
    },
    /// An own loop has not come back within a minute.
    LoopLost,
    /// A mailbox has answered a pull.
    PullAnswered {
        /// The relay that holds it.
        relay: NodeNumber,
        /// The answer's way.
        trip: Trip,
    },
}
