//! Operators who put together what they see: how often a path lies in their hands.
//!
//! For pairs of operators paths are counted as real couriers draw them. The shares of larger sets
//! follow from the roster alone, and are reckoned.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::statistics::{count, float};
use rohrpost_proto::directory::exposure::{Exposure, Share};
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{KeyRing, Layout, LoneClient, NORTH};
use serde_json::{Value, json};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const ATTACK: Attack = Attack {
    name: "collusion",
    claim: "two operators never hold all three mixes of a path",
    attacker: "two operators together, the pair that sees most",
    sees: "all packets that pass their mixes, and what goes in and comes out there",
    knows: "the roster: six agencies with two mixes each, four in each layer; links a packet's ends \
            if no mix of its path is another's",
    number: "share of packets whose three mixes are theirs",
    limit: Some(Bound::AtMost(0.0)),
    quick: true,
    run: attack,
    weakened: &[Weakened {
        what: "operators have mixes in all layers",
        how: How::Law(Weakness::OperatorsInAllLayers),
        reaches: Bound::AtLeast(0.02),
    }],
};

fn attack(effort: &Effort<'_>) -> Measured {
    let of = |layout: &Layout, colluding| {
        Exposure::of(KeyRing::new(effort.seed, layout).roster(), colluding)
    };
    let localnet = Layout::default();
    let most = usize::try_from(effort.size(4, 8)).expect("few");
    let fifteen: Vec<_> = (1..=most).map(|colluding| of(&agencies(15), colluding)).collect();
    let points = (1_u32..)
        .zip(&fifteen)
        .map(|(colluding, exposure)| (f64::from(colluding), Estimate::exact(exposure.mixes.worst)));
    Measured::new(worst_pair(effort))
        .with("localnet", shares((1..=4).map(|colluding| of(&localnet, colluding))))
        .with("agencies_9", shares((1..=4).map(|colluding| of(&agencies(9), colluding))))
        .with("agencies_15", shares(fifteen.iter().copied()))
        .with_curve("colluding agencies of 15", "packets with all mixes theirs", points)
}

/// Share of the packets of real couriers whose mixes are of two operators, for the pair that holds
/// most.
fn worst_pair(effort: &Effort<'_>) -> Estimate {
    let layout = Layout {
        mixes_per_layer: 4,
        operators_in_all_layers: effort.weaknesses.contains(&Weakness::OperatorsInAllLayers),
        ..Layout::default()
    };
    let slots = effort.size(2_000, 10_000);
    let trials = effort.trials(4, |_, rng| {
        let ring = KeyRing::new(effort.seed, &layout);
        let mut client = LoneClient::new(&ring, rng.random(), NORTH, ring.view(&[]));
        let operator = |mix| ring.roster().node(mix).expect("of the roster").operator.clone();
        let sent: Vec<_> = (0..slots).filter_map(|_| client.step()).collect();
        let sets = sent.iter().map(|sent| sent.path[..3].iter().map(|mix| operator(*mix)));
        sets.map(Iterator::collect::<BTreeSet<_>>).collect::<Vec<_>>()
    });
    let sets: Vec<_> = trials.into_iter().flatten().collect();
    let operators: BTreeSet<_> = sets.iter().flatten().collect();
    let mut held: BTreeMap<_, u64> = BTreeMap::new();
    for pair in operators.iter().flat_map(|one| operators.iter().map(move |other| [*one, *other])) {
        let theirs = sets.iter().filter(|set| set.iter().all(|operator| pair.contains(&operator)));
        held.insert(pair, u64::try_from(theirs.count()).expect("few"));
    }
    let most = held.values().max().copied().unwrap_or(0);
    Estimate::share(float(most), count(sets.len()))
}

/// A relay for each agency and a mix, a third of them in each layer.
fn agencies(operators: u8) -> Layout {
    let nodes = u32::from(operators);
    Layout { operators, relays: nodes, mixes_per_layer: nodes / 3, ..Layout::default() }
}

/// The shares for 1, 2, … colluding operators.
fn shares(exposures: impl IntoIterator<Item = Exposure>) -> Vec<Value> {
    let share = |Share { mean, worst }: Share| json!({ "mean": mean, "worst": worst });
    let one = |(colluding, exposure): (u32, Exposure)| {
        json!({
            "colluding": colluding,
            "mixes": share(exposure.mixes),
            "with_entry": share(exposure.with_entry),
            "with_mailbox": share(exposure.with_mailbox),
            "with_both": share(exposure.with_both),
        })
    };
    (1..).zip(exposures).map(one).collect()
}
