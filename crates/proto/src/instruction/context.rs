//! The frame of every instruction: version, kinds, the relay that reads it, and why it is dropped.

use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::NetworkId;

use crate::directory::trust::JoinKey;
use crate::wire::Malformed;

/// Context against which a relay checks instructions.
pub struct RelayContext {
    /// Identifier of the relay's network.
    pub network: NetworkId,
    /// The relay's own number.
    pub relay: NodeNumber,
    /// The network's join key.
    pub join_key: JoinKey,
}

/// Reason why an instruction is dropped; always the fault of whoever built the packet.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum InstructionError {
    /// The body does not have the layout of an instruction.
    #[error("malformed instruction")]
    Malformed(#[from] Malformed),
    /// A pull lacks the join key or the mailbox's signature.
    #[error("a pull without the right to it")]
    Unauthorized,
}

pub(super) const VERSION: u8 = 1;
pub(super) const DISCARD: u8 = 0;
pub(super) const STORE: u8 = 1;
pub(super) const PULL: u8 = 2;
