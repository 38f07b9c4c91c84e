//! A document that names one operator's mixes only, served to a client by its entry relay.

use rand::RngExt;
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::statistics::{count, float};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::roster::Role;
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{KeyRing, Layout, LoneClient, NORTH, Sent};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const ATTACK: Attack = Attack {
    name: "shrunken-view",
    claim: "a relay that leaves nodes out of its document does not choose its clients' paths",
    attacker: "an operator with an entry relay and a mix in each layer",
    sees: "all packets that its client sends over its own mixes",
    knows: "that its document may name what it likes; names no mix but its own",
    number: "share of slots with a packet whose three mixes are the attacker's",
    limit: Some(Bound::AtMost(0.0)),
    quick: true,
    run: attack,
    weakened: &[Weakened {
        what: "the spread is judged by what the document leaves of the roster",
        how: How::Law(Weakness::SpreadByDocument),
        reaches: Bound::AtLeast(0.9),
    }],
};

fn attack(effort: &Effort<'_>) -> Measured {
    // As many mixes in a layer as operators, so that each has one in each.
    let ring = KeyRing::new(effort.seed, &Layout { mixes_per_layer: 4, ..Layout::default() });
    let north = &ring.roster().node(NORTH).expect("the first relay").operator;
    let is_mix = |role: Role| matches!(role, Role::Mix { .. });
    let mixes = ring.roster().nodes().filter(|node| is_mix(node.role));
    let (own, foreign): (Vec<_>, Vec<_>) = mixes.partition(|node| node.operator == *north);
    let own: Vec<NodeNumber> = own.iter().map(|node| node.number).collect();
    let foreign: Vec<NodeNumber> = foreign.iter().map(|node| node.number).collect();
    let slots = effort.size(200, 2_000);
    let trials = effort.trials(CLIENTS, |_, rng| {
        // Within the trial, for a view is judged when it is made.
        let mut client = LoneClient::new(&ring, rng.random(), NORTH, ring.view(&foreign));
        client.post();
        let sent: Vec<_> = (0..slots).filter_map(|_| client.step()).collect();
        let theirs = |sent: &&Sent| sent.path[..3].iter().all(|mix| own.contains(mix));
        (count(sent.iter().filter(theirs).count()), count(sent.len()))
    });
    let caught: f64 = trials.iter().map(|(caught, _)| caught).sum();
    let packets: f64 = trials.iter().map(|(_, packets)| packets).sum();
    Measured::new(Estimate::share(caught, float(slots * CLIENTS)))
        .with("packets_in_one_hand", caught)
        .with("packets", packets)
}

const CLIENTS: u64 = 4;
