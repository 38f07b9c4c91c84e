//! The cell that is ready for the next slot, and the one that left last.

use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_packet::{Buffer, ReplyId, Suite};

use super::outgoing::Flight;
use crate::frame::OutgoingFrame;
use crate::path::Path;
use crate::time::{Slot, Steady, Time};

/// A cell or packet that is built to its last byte.
pub(super) struct Ready<S: Suite> {
    pub(super) content: Content<S>,
    pub(super) cargo: Cargo,
    /// Time for which the cell was built. It may leave later, with a driver that comes late.
    pub(super) due: Steady,
    /// Delay in a mix's own pool; zero for a client, which has none.
    pub(super) own_delay: Duration,
}

/// Bytes that leave.
pub(super) enum Content<S: Suite> {
    Cell(Buffer),
    Packet(OutgoingFrame<S>),
    /// A virtual client of a mix could not build a packet.
    Nothing,
}

/// What a ready cell carries, as far as its leaving or staying changes anything.
pub(super) enum Cargo {
    /// Nothing that is noted: cover, the name of the session.
    Cover,
    /// A pull of the own mailbox of this index, with the SURB of this reply.
    Pull { mailbox: usize, reply: ReplyId },
    /// A fragment of a message.
    Fragment {
        to: KeyId,
        message: MessageId,
        index: u32,
        path: Path,
        /// Former flight of the fragment, if it had left before.
        before: Option<Flight>,
    },
    /// An acknowledgement, which was due at this time.
    Acknowledgement { to: KeyId, due: Steady },
    /// A loop into the own mailbox of this index.
    Loop { mailbox: usize, message: MessageId, path: Path },
}

impl Cargo {
    /// Tells whether something goes to this contact.
    pub(super) fn is_for(&self, contact: KeyId) -> bool {
        match self {
            Self::Fragment { to, .. } | Self::Acknowledgement { to, .. } => *to == contact,
            Self::Cover | Self::Pull { .. } | Self::Loop { .. } => false,
        }
    }

    /// Tells whether a fragment of this message is in it.
    pub(super) fn carries(&self, id: MessageId) -> bool {
        matches!(self, Self::Fragment { message, .. } if *message == id)
    }

    /// The own mailbox that this was built for.
    pub(super) const fn mailbox(&self) -> Option<usize> {
        match self {
            Self::Pull { mailbox, .. } | Self::Loop { mailbox, .. } => Some(*mailbox),
            _ => None,
        }
    }
}

/// A cell that has left, until what it carried is noted.
pub(super) struct Left {
    pub(super) cargo: Cargo,
    pub(super) slot: Slot,
    pub(super) at: Steady,
    /// Time for which the cell was built.
    pub(super) due: Steady,
    /// Document time at which the packet's path starts: `at` for a client, after the delay in its
    /// own pool for a mix.
    pub(super) start: Time,
}
