//! A node's packet links: outboxes to the next layer, and counters of what goes and comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::directory::roster::RosterNode;
use rohrpost_proto::frame::OutgoingFrame;
use rohrpost_proto::hop::Refusal;
use rohrpost_transport::{NodeEndpoint, PacketOutbox, PeerAddress, Shed};

use crate::metrics::Metrics;
use crate::readiness::{LinkSort, LinkWatch};

/// Outboxes to all nodes of the next layer.
pub struct Outboxes {
    links: BTreeMap<NodeNumber, Outbox>,
    metrics: Arc<Metrics>,
}

struct Outbox {
    name: String,
    link: PacketOutbox,
    sent: AtomicU64,
}

/// Counts of packets or bytes by the name of a neighbour.
pub type LinkCounts = BTreeMap<String, u64>;

impl Outboxes {
    /// Dials each of `successors` with a queue of `bound` packets.
    pub(crate) fn connect<'a>(
        endpoint: &NodeEndpoint,
        successors: impl Iterator<Item = &'a RosterNode>,
        bound: usize,
        watch: &LinkWatch,
    ) -> Self {
        let outbox = |node: &RosterNode| {
            let changed = watch.link(LinkSort::Packet, node.name.clone());
            let link = PacketOutbox::connect(endpoint, PeerAddress::from(node), bound, changed);
            (node.number, Outbox { name: node.name.clone(), link, sent: AtomicU64::new(0) })
        };
        Self { links: successors.map(outbox).collect(), metrics: Arc::clone(&watch.metrics) }
    }

    /// Queues a packet for its next node; a packet that cannot be sent is dropped and counted.
    pub fn send<S: Suite>(&self, outgoing: OutgoingFrame<S>) {
        let Some(outbox) = self.links.get(&outgoing.to) else {
            return self.metrics.drop_packet(Refusal::Next);
        };
        match outbox.link.try_send(outgoing.frame.encode()) {
            Ok(()) => {
                outbox.sent.fetch_add(1, Ordering::Relaxed);
                self.metrics.sent.increment(1);
            }
            Err(Shed::LinkDown) => self.metrics.drop_packet(Refusal::LinkDown),
            Err(Shed::Full) => self.metrics.drop_packet(Refusal::Overload),
        }
    }

    /// Bytes that the streams of the packet links have taken, by neighbour.
    #[must_use]
    pub fn sent_bytes(&self) -> LinkCounts {
        self.links.values().map(|outbox| (outbox.name.clone(), outbox.link.sent_bytes())).collect()
    }

    /// Packets sent, by neighbour.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        let count = |outbox: &Outbox| (outbox.name.clone(), outbox.sent.load(Ordering::Relaxed));
        self.links.values().map(count).collect()
    }
}

/// Counters of the packets that came in, by the node that sent them, checked or not.
pub struct Inflow {
    links: BTreeMap<NodeNumber, (String, AtomicU64)>,
}

impl Inflow {
    /// Counters for these nodes, all zero.
    pub fn new<'a>(predecessors: impl Iterator<Item = &'a RosterNode>) -> Self {
        let link = |node: &RosterNode| (node.number, (node.name.clone(), AtomicU64::new(0)));
        Self { links: predecessors.map(link).collect() }
    }

    /// Counts a packet that came in from this node.
    pub fn count(&self, from: NodeNumber) {
        if let Some((_, count)) = self.links.get(&from) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Packets so far, by neighbour.
    #[must_use]
    pub fn by_link(&self) -> LinkCounts {
        let count =
            |(name, count): &(String, AtomicU64)| (name.clone(), count.load(Ordering::Relaxed));
        self.links.values().map(count).collect()
    }
}
