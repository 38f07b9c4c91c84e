//! A node's packet links: outboxes to the next layer, and counters of what goes and comes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::directory::roster::RosterNode;
use rohrpost_proto::directory::signing::IdentityKey;
use rohrpost_proto::frame::OutgoingFrame;
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::lock::Unpoison;
use rohrpost_proto::replay::SPARE_LINKS;
use rohrpost_transport::{NodeEndpoint, PacketOutbox, PeerAddress, Shed};

use crate::metrics::Metrics;
use crate::readiness::{LinkSort, LinkWatch};

/// Outboxes to all nodes of the next layer.
pub struct Outboxes {
    /// By node: `most` at most.
    links: RwLock<BTreeMap<NodeNumber, Outbox>>,
    most: usize,
    /// Packets that wait in each.
    bound: usize,
    metrics: Arc<Metrics>,
}

struct Outbox {
    name: String,
    identity: IdentityKey,
    link: PacketOutbox,
    sent: AtomicU64,
}

/// Counts of packets or bytes by the name of a neighbour.
pub type LinkCounts = BTreeMap<String, u64>;

impl Outboxes {
    /// Makes outboxes with a queue of `bound` packets each, for so many nodes as there are at the start,
    /// and [`SPARE_LINKS`] that may come. None is dialed yet.
    pub(crate) fn new(nodes: usize, bound: usize, metrics: Arc<Metrics>) -> Self {
        Self { links: RwLock::default(), most: nodes + SPARE_LINKS, bound, metrics }
    }

    /// Dials those of `successors` that are new, and gives up the links to others. Gives those for which
    /// there is no room.
    pub(crate) fn follow(
        &self,
        endpoint: &NodeEndpoint,
        successors: &[&RosterNode],
        watch: &LinkWatch,
    ) -> Vec<NodeNumber> {
        let mut links = self.links.write().unpoison();
        links.retain(|number, outbox| {
            let node = watch.keep(LinkSort::Packet, *number, &outbox.identity, successors);
            node.inspect(|node| outbox.link.readdress(&node.addresses)).is_some()
        });
        let mut without = Vec::new();
        for node in successors {
            if links.contains_key(&node.number) {
                continue;
            }
            if links.len() >= self.most {
                without.push(node.number);
                continue;
            }
            let changed = watch.link(LinkSort::Packet, node);
            let peer = PeerAddress::from(*node);
            let link = PacketOutbox::connect(endpoint, peer, self.bound, changed);
            let (name, identity) = (node.name.clone(), node.identity);
            links.insert(node.number, Outbox { name, identity, link, sent: AtomicU64::new(0) });
        }
        without
    }

    /// Queues a packet for its next node; a packet that cannot be sent is dropped and counted.
    pub fn send<S: Suite>(&self, outgoing: OutgoingFrame<S>) {
        let links = self.links.read().unpoison();
        let Some(outbox) = links.get(&outgoing.to) else {
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
        self.by_name(|outbox| outbox.link.sent_bytes())
    }

    /// Packets sent, by neighbour.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        self.by_name(|outbox| outbox.sent.load(Ordering::Relaxed))
    }

    fn by_name(&self, count: impl Fn(&Outbox) -> u64) -> LinkCounts {
        let links = self.links.read().unpoison();
        links.values().map(|outbox| (outbox.name.clone(), count(outbox))).collect()
    }
}

/// Counters of the packets that came in, by the name of the node that sent them, checked or not.
#[derive(Default)]
pub struct Inflow {
    /// One for each node that has ever been before this one.
    links: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

impl Inflow {
    /// Counters for these nodes, all zero.
    pub fn new<'a>(predecessors: impl Iterator<Item = &'a RosterNode>) -> Self {
        let inflow = Self::default();
        predecessors.for_each(|node| drop(inflow.link(&node.name)));
        inflow
    }

    /// The counter of the packets that come from this node.
    #[must_use]
    pub fn link(&self, node: &str) -> Arc<AtomicU64> {
        Arc::clone(self.links.lock().unpoison().entry(node.to_owned()).or_default())
    }

    /// Packets so far, by neighbour.
    #[must_use]
    pub fn by_link(&self) -> LinkCounts {
        let links = self.links.lock().unpoison();
        links.iter().map(|(name, count)| (name.clone(), count.load(Ordering::Relaxed))).collect()
    }
}
