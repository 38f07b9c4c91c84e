//! Operators who put together what they see: how often a path lies in their hands.
//!
//! The shares follow from the roster and the law of the draw, so they are counted, not simulated.

use rohrpost_measure::detection::Estimate;
use rohrpost_proto::directory::exposure::{Exposure, PathLaw, Share};
use rohrpost_virtual::{KeyRing, Layout};
use serde_json::{Value, json};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const ATTACK: Attack = Attack {
    name: "collusion",
    claim: "two operators never hold all three mixes of a path",
    attacker: "two operators together, the pair that sees most",
    sees: "all packets that pass their mixes, and what goes in and comes out there",
    knows: "the roster: four agencies with a relay each and two mixes in each layer, as localnet \
            has them; links a packet's ends if no mix of its path is another's",
    number: "share of packets whose three mixes are theirs",
    limit: Some(Bound::AtMost(0.0)),
    quick: true,
    run: |effort| attack(effort, PathLaw::Triples),
    weakened: &[Weakened {
        what: "a mix of each layer, whatever the others are, as Loopix and Nym draw",
        how: How::Model(|effort| attack(effort, PathLaw::EachLayer)),
        reaches: Bound::AtLeast(0.1),
    }],
};

fn attack(effort: &Effort<'_>, law: PathLaw) -> Measured {
    let of = |layout: &Layout, colluding| {
        Exposure::of(KeyRing::new(effort.seed, layout).roster(), colluding, law)
    };
    let localnet = Layout::default();
    let most = usize::try_from(effort.size(4, 8)).expect("few");
    let sixteen: Vec<_> = (1..=most).map(|colluding| of(&agencies(16), colluding)).collect();
    let points = (1_u32..)
        .zip(&sixteen)
        .map(|(colluding, exposure)| (f64::from(colluding), Estimate::exact(exposure.mixes.worst)));
    Measured::new(Estimate::exact(of(&localnet, 2).mixes.worst))
        .with("localnet", shares([of(&localnet, 1), of(&localnet, 2), of(&localnet, 3)]))
        .with("agencies_4", shares((1..=3).map(|colluding| of(&agencies(4), colluding))))
        .with("agencies_8", shares((1..=4).map(|colluding| of(&agencies(8), colluding))))
        .with("agencies_16", shares(sixteen.iter().copied()))
        .with_curve("colluding agencies of 16", "packets with all mixes theirs", points)
}

/// A relay and a mix in each layer for each agency.
fn agencies(operators: u8) -> Layout {
    let nodes = u32::from(operators);
    Layout { operators, relays: nodes, mixes_per_layer: nodes, ..Layout::default() }
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
