//! Nodes that have lost their memory, as the network documents show it.
//!
//! A node that goes on changes its packet key once per epoch. One that started anew has a key that
//! is younger: of less than an epoch after the one before, or after a time in which no network
//! document named it. An early change, when a replay set is nearly full, looks the same and costs a
//! few copies.

use std::collections::{BTreeMap, BTreeSet};

use rohrpost_packet::{Generation, NodeNumber, Suite};

use crate::directory::view::View;

/// The keys of the last view in which each node was; as many entries as the roster has nodes.
#[derive(Default)]
pub(super) struct KeyWatch {
    known: BTreeMap<NodeNumber, Known>,
}

struct Known {
    generation: Generation,
    /// True if the node was in the last view.
    present: bool,
}

impl KeyWatch {
    /// Finds the nodes that have lost all that they held since the view before.
    pub(super) fn losses<S: Suite>(&mut self, view: &View<S>) -> BTreeSet<NodeNumber> {
        let epoch = view.roster().directory.epoch.as_secs();
        let mut lost = BTreeSet::new();
        for number in view.roster().nodes().map(|node| node.number) {
            let Some(generation) = view.key(number).map(|key| key.generation()) else {
                if let Some(known) = self.known.get_mut(&number) {
                    known.present = false;
                }
                continue;
            };
            let known = self.known.insert(number, Known { generation, present: true });
            if known.is_some_and(|known| known.is_lost_with(generation, epoch)) {
                lost.insert(number);
            }
        }
        lost
    }
}

impl Known {
    fn is_lost_with(&self, generation: Generation, epoch: u64) -> bool {
        let (before, after) = (self.generation.get(), generation.get());
        let early = u64::from(after.saturating_sub(before)) < epoch;
        after != before && (early || !self.present)
    }
}
