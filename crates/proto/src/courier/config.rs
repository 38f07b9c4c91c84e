//! Place, keys and chance of a courier, and what leaves it.

use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::{Buffer, NodeNumber, SessionId, Suite};
use zeroize::Zeroizing;

use super::account::Account;
use crate::directory::roster::Roster;
use crate::directory::trust::JoinKey;
use crate::frame::OutgoingFrame;
use crate::time::Time;

/// The place of a courier in the network.
#[derive(Clone, Copy)]
pub enum Attachment {
    /// A client: packets start in the first layer, answers end at its session.
    Client {
        /// The entry relay of the client.
        entry: NodeNumber,
        /// The session that the client has drawn.
        session: SessionId,
    },
    /// A virtual client of a mix: packets start in the pool of the mix, answers end at the mix.
    Mix {
        /// Number of the mix.
        number: NodeNumber,
        /// Layer of the mix, 0 to 2.
        layer: usize,
    },
}

impl Attachment {
    /// The entry relay of a client.
    pub(super) const fn entry(&self) -> Option<NodeNumber> {
        match self {
            Self::Client { entry, .. } => Some(*entry),
            Self::Mix { .. } => None,
        }
    }
}

/// Reason why a message is not accepted; always the caller's fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// The contact is unknown.
    #[error("no such contact; add its card first")]
    Contact,
    /// The message is too long.
    #[error("{len} bytes are too long: a message holds {limit}")]
    TooLong {
        /// Bytes of text that were given.
        len: usize,
        /// Bytes of text that fit.
        limit: usize,
    },
    /// No room is left for another message that waits.
    #[error("the outbox is full; wait until some messages have arrived")]
    Full,
    /// The message's number is not above that of the message before it.
    #[error("a message was posted before that bears this number, or a higher one")]
    Order,
}

/// Place, keys and chance of a new courier.
pub struct CourierConfig {
    /// The place of the courier in the network.
    pub attachment: Attachment,
    /// The courier's own keys and mailboxes.
    pub account: Account,
    /// The roster of the network.
    pub roster: Arc<Roster>,
    /// The network's join key.
    pub join_key: JoinKey,
    /// Seed of all draws. It must be random, secret and never used before: who knows it can tell
    /// all that leaves.
    pub seed: Zeroizing<[u8; 32]>,
    /// Time from the start of each slot until a cell leaves: less than a slot; random, so that
    /// clients do not crowd.
    pub phase: Duration,
}

/// A cell or packet that leaves in a slot.
pub enum Departure<S: Suite> {
    /// A client's cell for its entry relay, as it stands on the link.
    Cell(Buffer),
    /// A virtual client's packet, to wait in the mix's own pool until `due`.
    Packet {
        /// Slot time, plus the delay drawn for the own mix.
        due: Time,
        /// The packet and the node of the next layer.
        outgoing: OutgoingFrame<S>,
    },
}
