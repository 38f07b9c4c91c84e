//! Exposure of paths to colluding operators, counted from a roster (`docs/anonymity.md`, Paths in
//! colluding hands).
//!
//! Who holds all mixes of a packet's path links its ends. How often that is so follows from the
//! roster and the law of the draw alone: it is counted here over all sets of operators, not
//! simulated.

use std::collections::BTreeSet;

use crate::directory::roster::{Role, Roster, RosterNode};
use crate::directory::triples::Triples;

/// Law by which the mixes of a path are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathLaw {
    /// The law of this network: one of all triples of mixes of three different operators.
    Triples,
    /// A mix of each layer, whatever the others are: that of Loopix and Nym, for comparison.
    EachLayer,
}

/// Shares of packets whose path lies in the hands of so many colluding operators.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exposure {
    /// All three mixes are theirs.
    pub mixes: Share,
    /// So is the entry relay, one of all.
    pub with_entry: Share,
    /// So is the mailbox relay, one of those that are not of the entry's operator.
    pub with_mailbox: Share,
    /// Both relays are theirs, and all mixes: nothing of the path is honest.
    pub with_both: Share,
}

/// Share of packets, over all sets of colluding operators of one size.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Share {
    /// Mean over the sets.
    pub mean: f64,
    /// Share for the set that sees most.
    pub worst: f64,
}

impl Exposure {
    /// Counts the shares for all sets of `colluding` operators of a roster. The time taken grows
    /// with the number of sets: a moment for eight of sixteen.
    #[must_use]
    pub fn of(roster: &Roster, colluding: usize, law: PathLaw) -> Self {
        Self::of_nodes(&roster.nodes().collect::<Vec<_>>(), colluding, law)
    }

    fn of_nodes(nodes: &[&RosterNode], colluding: usize, law: PathLaw) -> Self {
        let operators: BTreeSet<_> = nodes.iter().map(|node| node.operator.as_str()).collect();
        let operators: Vec<_> = operators.into_iter().collect();
        let mut sums = [Share::default(); 4];
        let mut sets = 0;
        for set in sets_of(operators.len(), colluding) {
            let theirs = |node: &RosterNode| {
                operators.binary_search(&node.operator.as_str()).is_ok_and(|at| set.contains(&at))
            };
            let mixes = mixes_share(nodes, law, theirs);
            let [entry, mailbox, both] = ends_shares(nodes, theirs);
            sets += 1;
            for (sum, share) in
                sums.iter_mut().zip([mixes, mixes * entry, mixes * mailbox, mixes * both])
            {
                sum.mean += share;
                sum.worst = sum.worst.max(share);
            }
        }
        let [mixes, with_entry, with_mailbox, with_both] =
            sums.map(|sum| Share { mean: ratio(sum.mean, f64::from(sets)), ..sum });
        Self { mixes, with_entry, with_mailbox, with_both }
    }
}

/// Share of the draws in which all mixes are theirs.
fn mixes_share(nodes: &[&RosterNode], law: PathLaw, theirs: impl Fn(&RosterNode) -> bool) -> f64 {
    let held = || nodes.iter().copied().filter(|node| theirs(node));
    match law {
        PathLaw::Triples => {
            let all = Triples::widest(nodes);
            let held = Triples::of(held(), all.spread());
            ratio(float(held.len()), float(all.len()))
        }
        PathLaw::EachLayer => {
            let in_layer = |layer| move |node: &&RosterNode| node.role == Role::Mix { layer };
            let share = |layer| {
                let all = nodes.iter().copied().filter(in_layer(layer)).count();
                ratio(count(held().filter(in_layer(layer)).count()), count(all))
            };
            (0..3).map(share).product()
        }
    }
}

/// Shares of the pairs of entry and mailbox relay in which the entry is theirs, the mailbox, and
/// both.
fn ends_shares(nodes: &[&RosterNode], theirs: impl Fn(&RosterNode) -> bool) -> [f64; 3] {
    let relays: Vec<_> = nodes.iter().filter(|node| node.role == Role::Relay).collect();
    let mut sums = [0.0; 3];
    for entry in &relays {
        let others: Vec<_> =
            relays.iter().filter(|relay| relay.operator != entry.operator).collect();
        let held = others.iter().filter(|relay| theirs(relay)).count();
        let mailbox = ratio(count(held), count(others.len()));
        let entry = f64::from(u8::from(theirs(entry)));
        for (sum, share) in sums.iter_mut().zip([entry, mailbox, entry * mailbox]) {
            *sum += share;
        }
    }
    sums.map(|sum| ratio(sum, count(relays.len())))
}

/// All sets of `len` numbers below `count`, in order.
fn sets_of(count: usize, len: usize) -> impl Iterator<Item = Vec<usize>> {
    let first = (len <= count).then(|| (0..len).collect::<Vec<_>>());
    std::iter::successors(first, move |set| {
        let place = (0..len).rev().find(|&place| set[place] < count - len + place)?;
        let mut next = set.clone();
        next[place] += 1;
        for after in place + 1..len {
            next[after] = next[after - 1] + 1;
        }
        Some(next)
    })
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn count(count: usize) -> f64 {
    float(u64::try_from(count).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "53 bits hold the triples of any roster")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use rohrpost_packet::NodeNumber;

    use super::*;
    use crate::directory::signing::SigningKey;

    /// Nodes of these operators: relays, then the mixes of each layer.
    fn nodes(places: [&str; 4]) -> Vec<RosterNode> {
        let role = |place: usize| match place {
            0 => Role::Relay,
            layer => Role::Mix { layer: layer - 1 },
        };
        let held = (0..4).flat_map(|at| places[at].chars().map(move |operator| (at, operator)));
        let node = |(number, (place, operator)): (u32, (usize, char))| RosterNode {
            number: NodeNumber::new(number),
            name: format!("node-{number}"),
            operator: operator.into(),
            role: role(place),
            addresses: Vec::new(),
            identity: SigningKey::from_seed(&[7; 32]).public(),
        };
        (1..).zip(held).map(node).collect()
    }

    fn exposure(nodes: &[RosterNode], colluding: usize, law: PathLaw) -> Exposure {
        Exposure::of_nodes(&nodes.iter().collect::<Vec<_>>(), colluding, law)
    }

    #[track_caller]
    fn assert_is(share: Share, mean: f64, worst: f64) {
        let off = (share.mean - mean).abs().max((share.worst - worst).abs());
        assert!(off < 1e-12, "{share:?} is not {mean}, {worst}");
    }

    /// Where each of n agencies has a relay and a mix in each layer, all sets of c are alike, and
    /// the shares are quotients of binomials.
    #[test]
    fn the_count_is_that_of_the_formula_where_all_agencies_are_alike() {
        for n in [4_usize, 8, 16] {
            let names = &"abcdefghijklmnop"[..n];
            let nodes = nodes([names; 4]);
            for c in 1..=n / 2 {
                let (n, k) = (count(n), count(c));
                let entry = k / n;
                let both = entry * (k - 1.0) / (n - 1.0);
                let triples = both * (k - 2.0).max(0.0) / (n - 2.0);
                let each = entry.powi(3);
                for (law, mixes) in [(PathLaw::Triples, triples), (PathLaw::EachLayer, each)] {
                    let exposure = exposure(&nodes, c, law);
                    assert_is(exposure.mixes, mixes, mixes);
                    assert_is(exposure.with_entry, mixes * entry, mixes * entry);
                    assert_is(exposure.with_mailbox, mixes * entry, mixes * entry);
                    assert_is(exposure.with_both, mixes * both, mixes * both);
                }
            }
        }
    }

    /// The network of `cargo localnet`, as `docs/anonymity.md` has it.
    #[test]
    fn the_exposure_of_localnet_is_as_published() {
        let nodes = nodes(["nsew", "ns", "ew", "sn"]);
        let published = [
            // Colluding operators; triples: mean, worst; each layer: mean, worst.
            (1, [0.0, 0.0, 0.0, 0.0]),
            (2, [0.0, 0.0, 1.0 / 12.0, 0.125]),
            (3, [0.25, 0.5, 0.375, 0.5]),
            (4, [1.0, 1.0, 1.0, 1.0]),
        ];
        for (colluding, [mean, worst, mean_each, worst_each]) in published {
            assert_is(exposure(&nodes, colluding, PathLaw::Triples).mixes, mean, worst);
            assert_is(exposure(&nodes, colluding, PathLaw::EachLayer).mixes, mean_each, worst_each);
        }
    }
}
