//! Documents of all relays, merged: what a node follows until the agencies agree on one
//! (`docs/directory.md`).
//!
//! Each relay signs a document of its own, and none of them is to be believed alone. But a
//! descriptor in it is its node's own word. So a node takes from all documents together the newest
//! descriptor of each node, and holds a node for live that any relay names. No relay can leave out
//! a node that another names, put an older key before a newer, or keep later documents of others
//! from being taken by a number that is ahead of time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rohrpost_packet::{Generation, NodeNumber};

use crate::directory::descriptor::SignedDescriptor;
use crate::directory::document::{DocumentRefusal, NetworkDocument, STALE_AFTER};
use crate::directory::roster::Roster;
use crate::time::Time;
use crate::weakness::Weakness;

/// The newest document of each relay, and the newest descriptor of each node that they name.
#[derive(Default)]
pub struct MergedDocuments {
    /// State per relay: as many entries as the roster has relays.
    relays: BTreeMap<NodeNumber, Followed>,
    /// Newest descriptors: as many as the roster has nodes.
    descriptors: BTreeMap<NodeNumber, SignedDescriptor>,
    /// Nodes and their keys in the document that was merged last.
    merged: Vec<(NodeNumber, Generation)>,
}

/// State of a relay whose documents are followed.
struct Followed {
    /// Time by the own clock at which a document of the relay came, whether it was taken or not.
    heard: Time,
    /// Microseconds by which that document's start was ahead of the own clock.
    ahead: i64,
    /// The newest document of the relay that was taken.
    taken: Option<Taken>,
}

struct Taken {
    number: u64,
    start: Time,
    /// Time by the own clock at which the document came. It counts for [`STALE_AFTER`] from here,
    /// so that no start makes a document last longer.
    at: Time,
    names: BTreeSet<NodeNumber>,
}

impl MergedDocuments {
    /// Takes a document that was verified to be this relay's.
    ///
    /// # Errors
    /// The number does not fit the start, the start lies too far ahead or back, or a newer document
    /// of this relay was taken before.
    pub fn take(
        &mut self,
        now: Time,
        from: NodeNumber,
        document: &NetworkDocument,
        roster: &Roster,
    ) -> Result<(), DocumentRefusal> {
        if !roster.relays().any(|relay| relay.number == from) {
            return Err(DocumentRefusal::Signer);
        }
        let followed =
            self.relays.entry(from).or_insert(Followed { heard: now, ahead: 0, taken: None });
        (followed.heard, followed.ahead) = (now, micros_ahead(document.start, now));
        let newest = followed.taken.as_ref().map_or(0, |taken| taken.number);
        let network_time = self.network_time(now, roster);
        document.check_start(roster, network_time)?;
        let age = network_time.since(document.start);
        if document.number <= newest || age > STALE_AFTER + CLOCK_TOLERANCE {
            return Err(DocumentRefusal::Old);
        }
        let mut names = BTreeSet::new();
        for signed in &document.descriptors {
            let node = signed.descriptor().node;
            // A key from a clock that was far ahead would outlast all that follow.
            if signed.descriptor().issued.since(network_time) > CLOCK_TOLERANCE {
                continue;
            }
            names.insert(node);
            let held = self.descriptors.entry(node).or_insert_with(|| signed.clone());
            if signed.is_newer_than(held) {
                *held = signed.clone();
            }
        }
        let taken = Taken { number: document.number, start: document.start, at: now, names };
        if let Some(followed) = self.relays.get_mut(&from) {
            followed.taken = Some(taken);
        }
        Ok(())
    }

    /// Merges what counts now, if nodes or keys differ from what was merged before.
    pub fn merge(&mut self, now: Time, roster: &Roster) -> Option<NetworkDocument> {
        let counts = |taken: &&Taken| now.since(taken.at) <= STALE_AFTER;
        let mut all: Vec<_> =
            self.relays.values().filter_map(|relay| relay.taken.as_ref()).filter(counts).collect();
        let newest = all.iter().copied().max_by_key(|taken| taken.number)?;
        if Weakness::ViewByOneRelay.is_active() {
            all = vec![newest];
        }
        let named: BTreeSet<_> = all.iter().flat_map(|taken| &taken.names).collect();
        let (number, start) = (newest.number, newest.start);
        self.descriptors.retain(|node, _| named.contains(node));
        let key = |signed: &SignedDescriptor| {
            let descriptor = signed.descriptor();
            (descriptor.node, descriptor.generation)
        };
        let merged: Vec<_> = self.descriptors.values().map(key).collect();
        if merged == self.merged {
            return None;
        }
        self.merged = merged;
        Some(NetworkDocument {
            roster_version: roster.version,
            roster_hash: roster.hash,
            number,
            start,
            made: start,
            descriptors: self.descriptors.values().cloned().collect(),
        })
    }

    /// The network's time: that of the own clock, or a later one if documents of at least half of
    /// the relays start later. An own clock that is slow by minutes does no harm by that, and no
    /// relay alone moves it.
    fn network_time(&self, now: Time, roster: &Roster) -> Time {
        let fresh = self.relays.values().filter(|relay| now.since(relay.heard) <= STALE_AFTER);
        let mut ahead: Vec<_> = fresh.map(|relay| relay.ahead).collect();
        if ahead.is_empty() || ahead.len() * 2 < roster.relays().count() {
            return now;
        }
        ahead.sort_unstable();
        let median = ahead[(ahead.len() - 1) / 2];
        let slow = Duration::from_micros(u64::try_from(median).unwrap_or(0));
        if slow <= CLOCK_TOLERANCE { now + slow } else { now }
    }
}

fn micros_ahead(start: Time, now: Time) -> i64 {
    let signed = |time: Time| i64::try_from(time.micros()).unwrap_or(i64::MAX);
    signed(start).saturating_sub(signed(now))
}

/// Largest error of a mix's clock.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
