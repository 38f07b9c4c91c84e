//! The memory of a node: counted at the start from its limits, printed, exported, and taken.
//!
//! A packet is in one buffer from its arrival until the next node has acknowledged it, so the
//! number of buffers bounds all queues together; each queue has a bound of its own besides.

use rohrpost_packet::{HEADROOM, Suite};
use rohrpost_proto::directory::control::MAX_CONTROL_LEN;
use rohrpost_proto::directory::footprint::footprint;
use rohrpost_proto::directory::roster::{Role, Roster};
use rohrpost_proto::hop::Hop;
use rohrpost_proto::replay::SPARE_LINKS;
use rohrpost_transport::LINK_WINDOW;

use crate::config::Limits;

/// Memory that a node may take at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Packet buffers, in number.
    pub buffers: usize,
    /// Bytes of everything: buffers, replay memory, the duty's share, the directory, all that QUIC may
    /// hold, and the program.
    pub ceiling: usize,
}

/// Memory that a node's duty takes, by the limits of its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Packets that the duty holds beside all queues, in number.
    pub packets: usize,
    /// Bytes of everything else.
    pub bytes: usize,
}

impl Memory {
    /// The memory of a node with this role, these limits and this share for its duty. Links that come
    /// while it runs have room for what QUIC holds, and share the buffers of the others.
    #[must_use]
    pub fn plan<S: Suite>(roster: &Roster, role: Role, limits: &Limits, duty: Share) -> Self {
        let (before, after) = (roster.predecessors(role).count(), roster.successors(role).count());
        let queues = limits.queue_packets * (limits.workers + after);
        let buffers = duty.packets + queues;
        let control = match role {
            Role::Relay => roster.nodes().count(),
            Role::Mix { .. } => roster.relays().count(),
        };
        let links = (before + after + control + 3 * SPARE_LINKS) * LINK_WINDOW * LINK_SHARE;
        let ceiling = buffers * (HEADROOM + S::PACKET_LEN)
            + Hop::<S>::memory_len(before, limits.replay_tags)
            + duty.bytes
            + footprint::<S>(roster)
            + INCOMING_BOUND * MAX_CONTROL_LEN
            + links
            + PROGRAM;
        Self { buffers, ceiling }
    }
}

/// Multiple of a link's window: received bytes take up to twice their length while they are out of
/// order.
const LINK_SHARE: usize = 2;
/// Bytes of the program, its threads and metrics.
const PROGRAM: usize = 64 * 1024 * 1024;
/// Control messages that wait, beside one on each link.
pub(crate) const INCOMING_BOUND: usize = 16;
