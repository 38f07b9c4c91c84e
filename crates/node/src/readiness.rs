//! Readiness of a node, by the links that are up and the age of its newest document.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rohrpost_network::Clock;
use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::roster::RosterNode;
use rohrpost_proto::directory::signing::IdentityKey;
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::lock::Unpoison;
use rohrpost_proto::time::Time;
use rohrpost_transport::LinkChange;

use crate::clock_check::ClockOff;
use crate::log::{Event, Log};
use crate::metrics::Metrics;

/// Readiness of a node: at first it needs all links and a document; from then on a document and at
/// least one packet link, for a single dead neighbour must not take the others down with it. A
/// stale document is none.
pub(crate) struct Readiness {
    clock: Clock,
    /// Age at which a document is stale.
    stale_after: Duration,
    /// The links that the node dials, by the node at the other end: true for those that are up.
    links: Mutex<[BTreeMap<NodeNumber, bool>; 2]>,
    /// Start of the newest document in document time; 0 before the first.
    document: AtomicU64,
    /// Microseconds by which the own clock is ahead of the relays', and by which it may be.
    clock_ahead: AtomicI64,
    clock_allowed: Duration,
    complete: AtomicBool,
}

/// Sorts of links that a node dials.
#[derive(Clone, Copy)]
pub(crate) enum LinkSort {
    Packet,
    Control,
}

/// State of a link that a node dials.
#[derive(Clone, Copy)]
enum LinkState {
    /// The node dials it from now on.
    New,
    Up,
    Down,
    /// The node does not dial it any more.
    Gone,
}

impl Readiness {
    pub(crate) const fn new(clock: Clock, stale_after: Duration, clock_allowed: Duration) -> Self {
        Self {
            clock,
            stale_after,
            links: Mutex::new([BTreeMap::new(), BTreeMap::new()]),
            document: AtomicU64::new(0),
            clock_ahead: AtomicI64::new(0),
            clock_allowed,
            complete: AtomicBool::new(false),
        }
    }

    /// Links and document that are missing, or what is wrong with the clock, in words; nothing when the
    /// node is ready.
    pub(crate) fn missing(&self) -> Option<String> {
        if let Some(off) = self.clock_off() {
            return Some(off.to_string());
        }
        let [(packet, packet_links), (control, control_links)] = {
            let links = self.links.lock().unpoison();
            [0, 1].map(|sort| (up(&links[sort]), links[sort].len()))
        };
        let document = self.document_age().is_some_and(|age| age < self.stale_after);
        let all = packet == packet_links && control == control_links;
        let enough = self.complete.load(Ordering::Relaxed) && packet > 0;
        if document && (all || enough) {
            return None;
        }
        Some(format!(
            "waiting: {packet} of {packet_links} packet links, {control} of {control_links} control \
             links, {} document",
            if document { "a" } else { "no fresh" },
        ))
    }

    /// How far the own clock is off, if that is more than it may be.
    pub(crate) fn clock_off(&self) -> Option<ClockOff> {
        let ahead = self.clock_ahead.load(Ordering::Relaxed);
        let by = Duration::from_micros(ahead.unsigned_abs());
        (by > self.clock_allowed).then_some(ClockOff { is_ahead: ahead > 0, by })
    }

    /// Takes note of how far the own clock is ahead of the relays', in microseconds; tells whether it
    /// has just gone too far.
    pub(crate) fn note_clock(&self, ahead: i64) -> bool {
        let was_off = self.clock_off().is_some();
        self.clock_ahead.store(ahead, Ordering::Relaxed);
        !was_off && self.clock_off().is_some()
    }

    /// Age of the newest document.
    pub(crate) fn document_age(&self) -> Option<Duration> {
        let start = self.document.load(Ordering::Relaxed);
        (start > 0).then(|| self.clock.now().since(Time::from_micros(start)))
    }

    /// Takes note of the state of a link; gives the number of links of its sort that are up.
    fn note_link(&self, sort: LinkSort, node: NodeNumber, state: LinkState) -> usize {
        let links = &mut self.links.lock().unpoison()[sort as usize];
        match state {
            LinkState::New => drop(links.insert(node, false)),
            LinkState::Gone => drop(links.remove(&node)),
            // A link that was given up may yet say something.
            LinkState::Up | LinkState::Down => {
                if let Some(is_up) = links.get_mut(&node) {
                    *is_up = matches!(state, LinkState::Up);
                }
            }
        }
        up(links)
    }

    /// Takes note of a document; tells whether the node has just become ready for the first time.
    pub(crate) fn note_document(&self, start: Time) -> bool {
        self.document.fetch_max(start.micros(), Ordering::Relaxed);
        self.missing().is_none() && !self.complete.swap(true, Ordering::Relaxed)
    }
}

fn up(links: &BTreeMap<NodeNumber, bool>) -> usize {
    links.values().filter(|is_up| **is_up).count()
}

/// Watch over dialed links: tells readiness, log and metrics of each change.
#[derive(Clone)]
pub(crate) struct LinkWatch {
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) log: Log,
    pub(crate) metrics: Arc<Metrics>,
}

impl LinkWatch {
    /// The function that a link calls, which is dialed to this node from now on, when its state changes.
    pub(crate) fn link(
        &self,
        sort: LinkSort,
        node: &RosterNode,
    ) -> impl Fn(LinkChange) + Send + Sync + 'static {
        self.note(sort, node.number, LinkState::New);
        let (watch, number, node) = (self.clone(), node.number, node.name.clone());
        let kind = match sort {
            LinkSort::Packet => "packet",
            LinkSort::Control => "control",
        };
        move |change| match change {
            LinkChange::Up => {
                watch.note(sort, number, LinkState::Up);
                watch.log.write(&Event::LinkUp { kind, node: &node });
            }
            LinkChange::Down { lost } => {
                watch.note(sort, number, LinkState::Down);
                watch.log.write(&Event::LinkDown { kind, node: &node });
                (0..lost).for_each(|_| watch.metrics.drop_packet(Refusal::LinkDown));
            }
        }
    }

    /// The node of a link that stays, by the nodes to which there are to be some. Where there is none it is
    /// forgotten: whoever asks gives it up.
    pub(crate) fn keep<'n>(
        &self,
        sort: LinkSort,
        number: NodeNumber,
        identity: &IdentityKey,
        nodes: &[&'n RosterNode],
    ) -> Option<&'n RosterNode> {
        let same = |node: &&&RosterNode| node.number == number && node.identity == *identity;
        let stays = nodes.iter().find(same).copied();
        if stays.is_none() {
            self.note(sort, number, LinkState::Gone);
        }
        stays
    }

    fn note(&self, sort: LinkSort, node: NodeNumber, state: LinkState) {
        let up = self.readiness.note_link(sort, node, state);
        let gauge = match sort {
            LinkSort::Packet => &self.metrics.packet_links,
            LinkSort::Control => &self.metrics.control_links,
        };
        gauge.set(f64::from(u32::try_from(up).unwrap_or(u32::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE_AFTER: Duration = Duration::from_secs(120);

    #[test]
    fn readiness_asks_for_all_links_once_and_for_a_fresh_document_always() {
        let clock = Clock::start();
        let readiness = Readiness::new(clock, STALE_AFTER, Duration::from_secs(5));
        let note = |sort, node, state| readiness.note_link(sort, NodeNumber::new(node), state);
        for (sort, node) in [(LinkSort::Packet, 1), (LinkSort::Packet, 2), (LinkSort::Control, 3)] {
            note(sort, node, LinkState::New);
        }
        let missing = readiness.missing().unwrap();
        assert!(missing.contains("0 of 2 packet links"), "{missing}");
        assert!(missing.contains("no fresh document"), "{missing}");
        assert_eq!([1, 2].map(|node| note(LinkSort::Packet, node, LinkState::Up)), [1, 2]);
        note(LinkSort::Control, 3, LinkState::Up);
        assert!(!readiness.note_document(clock.now() - STALE_AFTER * 2), "a stale document");
        assert!(readiness.note_document(clock.now()), "the first time");
        assert!(!readiness.note_document(clock.now()), "not again");
        assert_eq!(note(LinkSort::Packet, 2, LinkState::Down), 1);
        assert_eq!(readiness.missing(), None, "one dead neighbour");
        readiness.note_document(clock.now() - STALE_AFTER * 2);
        assert_eq!(readiness.missing(), None, "an old document takes nothing back");
        assert!(!readiness.note_clock(-5_000_000), "as far off as it may be");
        assert!(readiness.note_clock(-6_000_000));
        let missing = readiness.missing().unwrap();
        assert!(missing.starts_with("the clock is 6 s behind those of the relays"), "{missing}");
        assert!(!readiness.note_clock(-7_000_000), "not again");
        assert!(!readiness.note_clock(0));
        assert_eq!(readiness.missing(), None, "it was set right");
        assert_eq!(note(LinkSort::Packet, 1, LinkState::Gone), 0);
        assert!(readiness.missing().is_some(), "no packet link at all");
    }
}
