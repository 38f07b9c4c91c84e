//! A document that names the mixes of three colluding operators only, signed by as many agencies as
//! must sign.

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
    claim: "agencies that leave most nodes out of the document choose nobody's paths",
    attacker: "three operators, one of three in each layer, and agencies enough to sign",
    sees: "all packets that the client sends over their mixes",
    knows: "that their document may name what it likes; names no mix but theirs",
    number: "share of slots with a packet whose three mixes are the attacker's",
    limit: Some(Bound::AtMost(0.0)),
    quick: true,
    run: attack,
    weakened: &[Weakened {
        what: "packets are built on any document, however little it names",
        how: How::Law(Weakness::AnyDocumentWillDo),
        reaches: Bound::AtLeast(0.9),
    }],
};

fn attack(effort: &Effort<'_>) -> Measured {
    let layout = Layout { operators: 9, mixes_per_layer: 3, ..Layout::default() };
    let ring = KeyRing::new(effort.seed, &layout);
    let mixes = |layer| ring.roster().nodes().filter(move |node| node.role == Role::Mix { layer });
    let numbers = |first: bool| -> Vec<NodeNumber> {
        let theirs = |layer| mixes(layer).enumerate().filter(move |(at, _)| (*at == 0) == first);
        (0..3).flat_map(theirs).map(|(_, node)| node.number).collect()
    };
    let (own, foreign) = (numbers(true), numbers(false));
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
