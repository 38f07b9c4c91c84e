//! A node's links to others: outboxes to the next layer, and what readiness asks of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rohrpost_network::Clock;
use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::document::STALE_AFTER;
use rohrpost_proto::frame::Outgoing;
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::roster::RosterNode;
use rohrpost_proto::time::Time;
use rohrpost_transport::{LinkChange, NodeEndpoint, PacketOutbox, PeerAddress, Shed};

use crate::{Event, Log, Metrics};

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

/// Packets by the neighbour they went to or came from.
pub type LinkCounts = BTreeMap<String, u64>;

impl Outboxes {
    pub(crate) fn connect<'a>(
        endpoint: &NodeEndpoint,
        successors: impl Iterator<Item = &'a RosterNode>,
        bound: usize,
        readiness: &Arc<Readiness>,
        metrics: &Arc<Metrics>,
        log: &Log,
    ) -> Self {
        let outbox = |node: &RosterNode| {
            let changed = readiness.watch(LinkSort::Packet, node.name.clone(), log, metrics);
            let link = PacketOutbox::connect(endpoint, PeerAddress::from(node), bound, changed);
            (node.number, Outbox { name: node.name.clone(), link, sent: AtomicU64::new(0) })
        };
        Self { links: successors.map(outbox).collect(), metrics: Arc::clone(metrics) }
    }

    /// Queues a packet for its next node; what cannot be sent is dropped and counted.
    pub fn send<S: Suite>(&self, outgoing: Outgoing<S>) {
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

/// Packets that came in, by the node they came from.
pub struct Inflow {
    links: BTreeMap<NodeNumber, (String, String, AtomicU64)>,
}

impl Inflow {
    /// None yet, from any of these nodes.
    pub fn new<'a>(predecessors: impl Iterator<Item = &'a RosterNode>) -> Self {
        let link = |node: &RosterNode| {
            (node.number, (node.name.clone(), node.operator.clone(), AtomicU64::new(0)))
        };
        Self { links: predecessors.map(link).collect() }
    }

    /// Counts a packet.
    pub fn count(&self, from: NodeNumber) {
        if let Some((_, _, count)) = self.links.get(&from) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Packets so far, by neighbour.
    #[must_use]
    pub fn by_link(&self) -> LinkCounts {
        let count = |(name, _, count): &(String, String, AtomicU64)| {
            (name.clone(), count.load(Ordering::Relaxed))
        };
        self.links.values().map(count).collect()
    }

    /// Packets so far, by operator of the neighbour.
    #[must_use]
    pub fn by_operator(&self) -> LinkCounts {
        let mut counts = LinkCounts::new();
        for (_, operator, count) in self.links.values() {
            *counts.entry(operator.clone()).or_default() += count.load(Ordering::Relaxed);
        }
        counts
    }
}

/// Whether the node can do its work: at first all links and a document; from then on a document and
/// at least one packet link, for a single dead neighbour must not take the others down with it. A
/// document older than two minutes is none.
pub struct Readiness {
    clock: Clock,
    packet_links: usize,
    control_links: usize,
    packet_up: AtomicUsize,
    control_up: AtomicUsize,
    /// Start of the newest document in document time; 0 before the first.
    document: AtomicU64,
    complete: AtomicBool,
}

#[derive(Clone, Copy)]
pub(crate) enum LinkSort {
    Packet,
    Control,
}

impl Readiness {
    pub(crate) const fn new(clock: Clock, packet_links: usize, control_links: usize) -> Self {
        Self {
            clock,
            packet_links,
            control_links,
            packet_up: AtomicUsize::new(0),
            control_up: AtomicUsize::new(0),
            document: AtomicU64::new(0),
            complete: AtomicBool::new(false),
        }
    }

    /// What is missing, in words; nothing when ready.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let packet = self.packet_up.load(Ordering::Relaxed);
        let control = self.control_up.load(Ordering::Relaxed);
        let document = self.document_age().is_some_and(|age| age <= STALE_AFTER);
        let all = packet == self.packet_links && control == self.control_links;
        let enough = self.complete.load(Ordering::Relaxed) && packet > 0;
        if document && (all || enough) {
            return None;
        }
        Some(format!(
            "waiting: {packet} of {} packet links, {control} of {} control links, {} document",
            self.packet_links,
            self.control_links,
            if document { "a" } else { "no fresh" },
        ))
    }

    /// Age of the newest document.
    pub(crate) fn document_age(&self) -> Option<Duration> {
        let start = self.document.load(Ordering::Relaxed);
        (start > 0).then(|| self.clock.now().since(Time::from_micros(start)))
    }

    /// Takes note of a document; tells whether the node has just become ready for the first time.
    pub(crate) fn note_document(&self, start: Time) -> bool {
        self.document.store(start.micros(), Ordering::Relaxed);
        self.missing().is_none() && !self.complete.swap(true, Ordering::Relaxed)
    }

    /// What a link calls when its state changes.
    pub(crate) fn watch(
        self: &Arc<Self>,
        sort: LinkSort,
        node: String,
        log: &Log,
        metrics: &Arc<Metrics>,
    ) -> impl Fn(LinkChange) + Send + Sync + 'static {
        let (this, log, metrics) = (Arc::clone(self), log.clone(), Arc::clone(metrics));
        move |change| {
            let (kind, count, gauge) = match sort {
                LinkSort::Packet => ("packet", &this.packet_up, &metrics.packet_links),
                LinkSort::Control => ("control", &this.control_up, &metrics.control_links),
            };
            match change {
                LinkChange::Up => {
                    count.fetch_add(1, Ordering::Relaxed);
                    gauge.increment(1.0);
                    log.write(&Event::LinkUp { kind, node: &node });
                }
                LinkChange::Down { lost } => {
                    count.fetch_sub(1, Ordering::Relaxed);
                    gauge.decrement(1.0);
                    log.write(&Event::LinkDown { kind, node: &node });
                    (0..lost).for_each(|_| metrics.drop_packet(Refusal::LinkDown));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_asks_for_all_links_once_and_for_a_fresh_document_always() {
        let clock = Clock::start();
        let readiness = Readiness::new(clock, 2, 1);
        let missing = readiness.missing().unwrap();
        assert!(missing.contains("0 of 2 packet links"), "{missing}");
        assert!(missing.contains("no fresh document"), "{missing}");
        readiness.packet_up.store(2, Ordering::Relaxed);
        readiness.control_up.store(1, Ordering::Relaxed);
        assert!(readiness.note_document(clock.now()), "the first time");
        assert!(!readiness.note_document(clock.now()), "not again");
        readiness.packet_up.store(1, Ordering::Relaxed);
        assert_eq!(readiness.missing(), None, "one dead neighbour");
        readiness.note_document(clock.now() - STALE_AFTER * 2);
        assert!(readiness.missing().is_some(), "a stale document");
        readiness.note_document(clock.now());
        readiness.packet_up.store(0, Ordering::Relaxed);
        assert!(readiness.missing().is_some(), "no packet link at all");
    }
}
