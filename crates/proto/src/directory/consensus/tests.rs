//! Stories of signatories: random restarts, one relay dead, one that lies, clocks apart, partitions,
//! changes of the roster.

mod liar;
mod rules;
mod scene;
mod world;

use std::time::Duration;

use scene::THRESHOLD;
use world::{Outcome, World};

/// Checks over some seeds that no slot has two documents that hold, that whoever is honest always has
/// one that is not stale while k are connected, and that all follow the same one at a time.
#[test]
fn honest_relays_follow_one_document_whatever_a_liar_does() {
    (0..3).for_each(live);
}

/// The same for as many seeds as `ROHRPOST_SEEDS` says.
#[test]
#[ignore = "seconds for each seed, in a release build"]
fn honest_relays_follow_one_document_in_a_hundred_worlds() {
    let seeds = std::env::var("ROHRPOST_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    (0..seeds.unwrap_or(100)).for_each(live);
}

fn live(seed: u64) {
    let Outcome { slots, held, convicted, looks, forked, version } =
        World::of(seed, THRESHOLD).run(EPOCHS * 48);
    assert!(!forked, "seed {seed}: two documents of one slot");
    assert!(looks > 8000, "seed {seed}: all were looked at {looks} times");
    assert!(held * 2 > slots, "seed {seed}: {held} of {slots} slots have a document");
    assert!(convicted, "seed {seed}: that the liar signs twice is not known");
    assert_eq!(version, 4, "seed {seed}: the version of the roster that all follow");
}

/// Checks that the world finds what it looks for: where four of seven suffice, one liar has three sign
/// one document and three another.
#[test]
fn two_documents_of_a_slot_are_found_where_too_few_must_sign() {
    let forked = |seed| World::of(seed, 4).run(EPOCHS * 4).forked;
    assert!((0..40).any(forked));
}

/// The length of the mixes' epochs.
const EPOCHS: Duration = Duration::from_secs(600);
