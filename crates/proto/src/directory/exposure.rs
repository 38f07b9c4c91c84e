//! Exposure of paths to colluding operators, counted from a roster (`docs/anonymity.md`, Paths in
//! colluding hands).
//!
//! Who holds all mixes of a packet's path links its ends. How often that is so follows from the
//! roster and the law of the draw alone: it is counted here over all sets of operators, not
//! simulated.

use std::collections::BTreeSet;

use crate::directory::roster::{Role, Roster, RosterNode};

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
    pub fn of(roster: &Roster, colluding: usize) -> Self {
        Self::of_nodes(&roster.nodes().collect::<Vec<_>>(), colluding)
    }

    fn of_nodes(nodes: &[&RosterNode], colluding: usize) -> Self {
        let operators: BTreeSet<_> = nodes.iter().map(|node| node.operator.as_str()).collect();
        let operators: Vec<_> = operators.into_iter().collect();
        let mut sums = [Share::default(); 4];
        let mut sets = 0;
        for set in sets_of(operators.len(), colluding) {
            let theirs = |node: &RosterNode| {
                operators.binary_search(&node.operator.as_str()).is_ok_and(|at| set.contains(&at))
            };
            let mixes = mixes_share(nodes, theirs);
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

/// Share of the draws in which all mixes are theirs: one of each layer, whatever the others are.
fn mixes_share(nodes: &[&RosterNode], theirs: impl Fn(&RosterNode) -> bool) -> f64 {
    let share = |layer| {
        let all = nodes.iter().filter(|node| node.role == Role::Mix { layer });
        let held = all.clone().filter(|node| theirs(node)).count();
        ratio(count(held), count(all.count()))
    };
    (0..3).map(share).product()
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
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
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

    fn exposure(nodes: &[RosterNode], colluding: usize) -> Exposure {
        Exposure::of_nodes(&nodes.iter().collect::<Vec<_>>(), colluding)
    }

    #[track_caller]
    fn assert_is(share: Share, mean: f64, worst: f64) {
        let off = (share.mean - mean).abs().max((share.worst - worst).abs());
        assert!(off < 1e-12, "{share:?} is not {mean}, {worst}");
    }

    /// Where n agencies have a relay each and stand in the layers in equal numbers, with as many
    /// mixes each, the shares are quotients of binomials: the mean over all sets is that of the sets
    /// with one in each layer.
    #[test]
    fn the_count_is_that_of_the_formula_where_all_agencies_are_alike() {
        for n in [6_usize, 9, 12] {
            let names = &"abcdefghijkl"[..n];
            let (one, two, three) =
                (&names[..n / 3], &names[n / 3..n / 3 * 2], &names[n / 3 * 2..]);
            let nodes = nodes([names, one, two, three]);
            for c in 1..=n {
                let (n, k) = (count(n), count(c));
                // Three mixes are three different operators: each has its share of the sets.
                let mean = k * (k - 1.0) * (k - 2.0) / (n * (n - 1.0) * (n - 2.0));
                let most = |layer: usize| count((c + layer) / 3).min(n / 3.0) / (n / 3.0);
                let worst = most(0) * most(1) * most(2);
                assert_is(exposure(&nodes, c).mixes, mean, worst);
            }
        }
    }

    /// Where an agency has a mix in each layer, two hold some packets: why a roster may not.
    #[test]
    fn two_operators_hold_packets_only_where_they_have_mixes_in_two_layers() {
        let apart = nodes(["nsewci", "ns", "ew", "ci"]);
        assert_is(exposure(&apart, 2).mixes, 0.0, 0.0);
        let all = nodes(["nsew", "nsew", "nsew", "nsew"]);
        assert_is(exposure(&all, 2).mixes, 0.125, 0.125);
    }

    /// The network of `cargo localnet`, as `docs/anonymity.md` has it.
    #[test]
    fn the_exposure_of_localnet_is_as_published() {
        let nodes = nodes(["nsew", "ns", "ew", "ci"]);
        let published = [
            // Colluding operators; mean, worst.
            (1, [0.0, 0.0]),
            (2, [0.0, 0.0]),
            (3, [0.05, 0.125]),
            (4, [0.2, 0.25]),
        ];
        for (colluding, [mean, worst]) in published {
            assert_is(exposure(&nodes, colluding).mixes, mean, worst);
        }
    }
}
