//! Readiness of a node, by the links that are up and the age of its newest document.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rohrpost_network::Clock;
use rohrpost_proto::hop::Refusal;
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
    packet_links: usize,
    control_links: usize,
    packet_up: AtomicUsize,
    control_up: AtomicUsize,
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

impl Readiness {
    pub(crate) const fn new(
        clock: Clock,
        packet_links: usize,
        control_links: usize,
        stale_after: Duration,
        clock_allowed: Duration,
    ) -> Self {
        Self {
            clock,
            stale_after,
            packet_links,
            control_links,
            packet_up: AtomicUsize::new(0),
            control_up: AtomicUsize::new(0),
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
        let packet = self.packet_up.load(Ordering::Relaxed);
        let control = self.control_up.load(Ordering::Relaxed);
        let document = self.document_age().is_some_and(|age| age < self.stale_after);
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

    /// Takes note of a document; tells whether the node has just become ready for the first time.
    pub(crate) fn note_document(&self, start: Time) -> bool {
        self.document.fetch_max(start.micros(), Ordering::Relaxed);
        self.missing().is_none() && !self.complete.swap(true, Ordering::Relaxed)
    }
}

/// Watch over dialed links: tells readiness, log and metrics of each change.
#[derive(Clone)]
pub(crate) struct LinkWatch {
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) log: Log,
    pub(crate) metrics: Arc<Metrics>,
}

impl LinkWatch {
    /// The function that a link to the node of this name calls when its state changes.
    pub(crate) fn link(
        &self,
        sort: LinkSort,
        node: String,
    ) -> impl Fn(LinkChange) + Send + Sync + 'static {
        let Self { readiness, log, metrics } = self.clone();
        move |change| {
            let (kind, count, gauge) = match sort {
                LinkSort::Packet => ("packet", &readiness.packet_up, &metrics.packet_links),
                LinkSort::Control => ("control", &readiness.control_up, &metrics.control_links),
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

    const STALE_AFTER: Duration = Duration::from_secs(120);

    #[test]
    fn readiness_asks_for_all_links_once_and_for_a_fresh_document_always() {
        let clock = Clock::start();
        let readiness = Readiness::new(clock, 2, 1, STALE_AFTER, Duration::from_secs(5));
        let missing = readiness.missing().unwrap();
        assert!(missing.contains("0 of 2 packet links"), "{missing}");
        assert!(missing.contains("no fresh document"), "{missing}");
        readiness.packet_up.store(2, Ordering::Relaxed);
        readiness.control_up.store(1, Ordering::Relaxed);
        assert!(!readiness.note_document(clock.now() - STALE_AFTER * 2), "a stale document");
        assert!(readiness.note_document(clock.now()), "the first time");
        assert!(!readiness.note_document(clock.now()), "not again");
        readiness.packet_up.store(1, Ordering::Relaxed);
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
        readiness.packet_up.store(0, Ordering::Relaxed);
        assert!(readiness.missing().is_some(), "no packet link at all");
    }
}
