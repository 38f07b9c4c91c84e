//! Nodes that have lost their memory, as the network documents show it.
//!
//! A node that goes on changes its packet key once per epoch, and the generation of a key is the
//! second in which it was made. So the generations that a node signs show whether it has gone on:
//! it has if the newer came a whole number of epochs after the older, each change a little late.
//! Any other key is one of a node that started anew. An early change, when a replay set is nearly
//! full, looks the same and costs a few copies.
//!
//! What a document leaves out counts for nothing. Whoever makes it could else have all that waits
//! at a relay's mailboxes sent again, and see by that who writes there. It can hide a key and tell
//! of it late, but not make a node sign one; and a loss that was told of is not told of again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rohrpost_packet::{Generation, NodeNumber, Suite};

use crate::directory::roster::Directory;
use crate::directory::view::View;
use crate::weakness::Weakness;

/// The newest key of each node that a view has named; as many entries as the roster has nodes.
#[derive(Default)]
pub(super) struct KeyWatch {
    known: BTreeMap<NodeNumber, Generation>,
}

impl KeyWatch {
    /// Finds the nodes that have lost all that they held since the views before.
    pub(super) fn losses<S: Suite>(&mut self, view: &View<S>) -> BTreeSet<NodeNumber> {
        let directory = &view.roster().directory;
        let mut lost = BTreeSet::new();
        for number in view.roster().nodes().map(|node| node.number) {
            let Some(newer) = view.key(number).map(|key| key.generation()) else {
                if Weakness::OmissionIsLoss.is_active() && self.known.contains_key(&number) {
                    lost.insert(number);
                }
                continue;
            };
            let known = self.known.entry(number).or_insert(newer);
            if is_anew(*known, newer, directory) {
                lost.insert(number);
            }
            *known = newer.max(*known);
        }
        lost
    }
}

/// Tells whether a node with the older key cannot have the newer unless it has started anew.
fn is_anew(older: Generation, newer: Generation, directory: &Directory) -> bool {
    let between = Duration::from_secs(newer.get().saturating_sub(older.get()).into());
    let epochs = between.as_secs() / directory.epoch.as_secs().max(1);
    let epochs = u32::try_from(epochs).unwrap_or(u32::MAX);
    // A change comes with the first announcement after its time.
    let latest = (directory.epoch + directory.timing.interval() * 2).saturating_mul(epochs);
    newer > older && between > latest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_anew_after(seconds: u32) -> bool {
        let older = Generation::new(1_800_000_000);
        let newer = Generation::new(1_800_000_000 + seconds);
        is_anew(older, newer, &Directory::default())
    }

    #[test]
    fn a_key_is_of_a_node_that_started_anew_unless_it_came_after_whole_epochs() {
        let hour = 3600;
        for regular in [0, hour, hour + 11, hour * 2, hour * 2 + 22, hour * 5 + 50] {
            assert!(!is_anew_after(regular), "{regular} s");
        }
        for early in [1, 60, hour - 1, hour + 60, hour * 2 - 1, hour * 3 + 600] {
            assert!(is_anew_after(early), "{early} s");
        }
        let directory = Directory::default();
        assert!(!is_anew(Generation::new(9), Generation::new(8), &directory), "an older key");
    }
}
