//! Merging: the document that votes give. It is a function of the votes alone, so whoever has them
//! can check it, and the proposer has no say but which votes to take.

use std::collections::BTreeMap;

use rohrpost_packet::NodeNumber;

use super::document::Member;
use super::vote::{Heard, Key, Vote};

/// The nodes of the document that these votes give, one of each agency: each node that a majority of
/// them says is up, with the newest key that a majority of them has. Of k votes a minority may lie,
/// and cannot add a node, leave one out, or take it back to an older key.
#[must_use]
pub fn merge<'v>(votes: impl IntoIterator<Item = &'v Vote>) -> Vec<Member> {
    let mut heard: BTreeMap<NodeNumber, Vec<&Heard>> = BTreeMap::new();
    let mut count = 0;
    for vote in votes {
        count += 1;
        for one in &vote.heard {
            heard.entry(one.node).or_default().push(one);
        }
    }
    let majority = count / 2 + 1;
    let members = heard.into_iter().filter_map(|(node, all)| {
        let up = all.iter().filter(|one| one.up).count();
        let key = newest(&all, majority).filter(|_| up >= majority)?;
        Some(Member { node, key })
    });
    members.collect()
}

/// The newest key that so many of the votes name that say that the node is up: whoever does not hear it
/// may know of old keys alone.
fn newest(all: &[&Heard], majority: usize) -> Option<Key> {
    let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
    let up = all.iter().filter(|heard| heard.up);
    for key in up.flat_map(|heard| heard.keys.iter()) {
        *counts.entry(key).or_default() += 1;
    }
    counts.into_iter().rev().find(|(_, count)| *count >= majority).map(|(key, _)| key)
}
