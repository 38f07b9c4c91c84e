//! Rules that all attacks keep.

use std::collections::BTreeSet;

use super::*;

#[test]
fn names_differ_and_none_is_all() {
    let names: BTreeSet<_> = ATTACKS.iter().map(|attack| attack.name).collect();
    assert_eq!(names.len(), ATTACKS.len());
    assert!(!names.contains(ALL));
}

/// An attack that never succeeds shows nothing.
#[test]
fn every_limit_has_a_build_that_breaks_it() {
    for attack in ATTACKS.iter().filter(|attack| attack.limit.is_some()) {
        assert!(!attack.weakened.is_empty(), "{}", attack.name);
    }
}
