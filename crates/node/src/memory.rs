//! The memory of a node: counted at the start from its limits, printed, exported, and taken.
//!
//! A packet is in one buffer from its arrival until the next node has acknowledged it, so the
//! number of buffers bounds all queues together; each queue has a bound of its own besides.

use rohrpost_packet::{HEADROOM, Suite, Surb};
use rohrpost_proto::hop::Hop;
use rohrpost_proto::pool::Pool;
use rohrpost_proto::roster::{Role, Roster};
use rohrpost_transport::LINK_WINDOW;

use crate::config::Limits;

/// What a node may take at most, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Packet buffers, in number.
    pub buffers: usize,
    /// All of it: buffers, replay memory, pool, mailboxes, what QUIC may hold, and the program.
    pub ceiling: usize,
}

impl Memory {
    /// The memory of a node with this role and these limits.
    #[must_use]
    pub fn plan<S: Suite>(roster: &Roster, role: Role, limits: &Limits) -> Self {
        let (before, after) = (roster.predecessors(role).count(), roster.successors(role).count());
        let queues = limits.queue_packets * (limits.workers + after);
        let (waiting, duty) = match role {
            Role::Mix { .. } => (limits.pool_packets, Pool::<S>::memory_len(limits.pool_packets)),
            Role::Relay => (limits.sessions * PER_SESSION, relay::<S>(limits)),
        };
        let buffers = waiting + queues;
        let links = (before + after) * LINK_WINDOW * LINK_SHARE;
        let ceiling = buffers * (HEADROOM + S::PACKET_LEN)
            + Hop::<S>::memory_len(before, limits.replay_tags)
            + duty
            + links
            + PROGRAM;
        Self { buffers, ceiling }
    }
}

/// Mailboxes when all are full, and the connections of all sessions.
fn relay<S: Suite>(limits: &Limits) -> usize {
    let surbs = limits.mailboxes * SURBS * (Surb::<S>::ENCODED_LEN + MAP_ENTRY);
    let envelopes = limits.envelopes * (S::ENVELOPE_LEN + MAP_ENTRY);
    surbs + envelopes + limits.sessions * CONNECTION
}

/// Buffers for each session: two cells up, two down.
const PER_SESSION: usize = 4;
/// SURBs that a mailbox holds.
const SURBS: usize = rohrpost_proto::mailbox::SURB_STOCK;
/// What a map and its allocator take beside each entry.
const MAP_ENTRY: usize = 128;
/// A connection of quinn under load, without what it sends.
const CONNECTION: usize = 64 * 1024;
/// Received bytes of a link take up to twice their length while they are out of order.
const LINK_SHARE: usize = 2;
/// The program, its threads, control links and metrics.
const PROGRAM: usize = 64 * 1024 * 1024;
