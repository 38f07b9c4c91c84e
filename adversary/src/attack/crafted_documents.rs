//! Documents that relays craft so that a mix's cover, or a client's packets, go their way or nowhere.
//!
//! A real mix's follower hears four relays, one of which lies; its real drop cover is opened hop by
//! hop. The lying relay leaves out all nodes but its own, so that there is no way for cover at all,
//! or half of the nodes of each place, so that what is left belongs to two operators; its documents
//! start now, as late as is allowed, or far later. Cover that stays away, or that two operators alone
//! handle, hides nothing from them: an n-1 attack needs no flood then.

use std::ops::Range;
use std::time::Duration;

use rand::RngExt;
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::statistics::{count, float};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::roster::{Role, Roster, RosterNode};
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{Crafted, KeyRing, Layout, LoneClient, NORTH, Sent, SteeredMix, Way};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const MIX: Attack = Attack {
    name: "crafted-documents",
    claim: "a relay that crafts documents does not choose where a mix's cover goes",
    attacker: "a relay of one of two colluding operators, with half of the mixes of layers 2 and 3",
    sees: "the cover that passes their nodes alone",
    knows: "that each relay makes documents of its own; leaves nodes out, and starts documents late",
    number: "share of a mix's cover that is worth nothing against them, by the best craft",
    limit: Some(Bound::AtMost(0.1)),
    quick: true,
    run: steer_mix,
    weakened: &[Weakened {
        what: "a document holds that one relay alone has signed",
        how: How::Law(Weakness::DocumentOfOneRelay),
        reaches: Bound::AtLeast(0.9),
    }],
};

pub(super) const CLIENT: Attack = Attack {
    name: "split-view",
    claim: "fewer agencies than must sign do not choose their clients' paths",
    attacker: "three colluding operators of six, one of them with the client's entry relay, with half of \
               the mixes of each layer",
    sees: "all packets over mixes of the three",
    knows: "that clients hear of documents by their entry relay alone; leaves out all mixes of the \
            others, and hands on what the six have agreed on, or does not",
    number: "share of slots with a packet whose three mixes are the attackers', by the best craft",
    limit: Some(Bound::AtMost(0.2)),
    quick: true,
    run: steer_client,
    weakened: &[Weakened {
        what: "a document holds that one relay alone has signed",
        how: How::Law(Weakness::DocumentOfOneRelay),
        reaches: Bound::AtLeast(0.9),
    }],
};

/// Operators of the first mixes of these layers.
fn operators(roster: &Roster, layers: Range<usize>) -> Vec<&str> {
    let first = |layer| roster.at(layer).next().expect("a layer has mixes").operator.as_str();
    layers.map(first).collect()
}

/// Nodes that are not kept.
fn left_out(roster: &Roster, keep: impl Fn(Role, &str) -> bool) -> Vec<NodeNumber> {
    let nodes = roster.nodes().filter(|node| !keep(node.role, &node.operator));
    nodes.map(|node| node.number).collect()
}

fn steer_mix(effort: &Effort<'_>) -> Measured {
    let ring = KeyRing::new(effort.seed, &layout());
    let theirs = operators(ring.roster(), 1..3);
    let is_own = |relay: &&RosterNode| relay.operator == theirs[0];
    let hostile = ring.roster().relays().find(is_own).expect("it has a relay").number;
    let own = left_out(ring.roster(), |_, operator| operator == theirs[0]);
    // Of the relays it has one, and leaves another.
    let half = left_out(ring.roster(), |role, operator| match role {
        Role::Mix { layer: 0 } => true,
        Role::Mix { .. } => theirs.contains(&operator),
        Role::Relay => operator == theirs[0] || operator == "north",
    });
    let time = Duration::from_secs(effort.size(40, 400));
    let is_theirs = |node: &NodeNumber| {
        ring.roster().node(*node).is_some_and(|node| theirs.contains(&node.operator.as_str()))
    };
    let worthless = |way: &&Way| way.as_ref().is_none_or(|way| way.iter().all(is_theirs));
    let mut best = Estimate::exact(0.0);
    let mut crafts = Vec::new();
    for (what, left_out) in [("nothing", &Vec::new()), ("all but its own", &own), ("half", &half)] {
        for ahead in [0, 1, 29] {
            let trials = effort.trials(2, |_, rng| {
                let mut mix = SteeredMix::new(&ring, rng.random(), hostile);
                // What a mix has heard first of all is not yet an attack that lasts.
                mix.run_for(Duration::from_secs(80), ahead, left_out);
                let ways = mix.run_for(time, ahead, left_out);
                (ways.iter().filter(worthless).count(), ways.len())
            });
            let lost = count(trials.iter().map(|(lost, _)| lost).sum());
            let share = Estimate::share(lost, count(trials.iter().map(|(_, all)| all).sum()));
            crafts.push(serde_json::json!({
                "leaves_out": what, "slots_ahead": ahead, "share": share.value,
            }));
            if share.value > best.value {
                best = share;
            }
        }
    }
    Measured::new(best).with("crafts", crafts)
}

fn steer_client(effort: &Effort<'_>) -> Measured {
    let ring = KeyRing::new(effort.seed, &Layout { relays: 6, ..layout() });
    let theirs = operators(ring.roster(), 0..3);
    let half =
        left_out(ring.roster(), |role, operator| role == Role::Relay || theirs.contains(&operator));
    let relays = || ring.roster().relays();
    let all: Vec<_> = relays().map(|relay| relay.number).collect();
    let own = relays().filter(|relay| theirs.contains(&relay.operator.as_str()));
    let own: Vec<_> = own.map(|relay| relay.number).collect();
    let agreed = Crafted { left_out: &[], signers: &all };
    let crafted = Crafted { left_out: &half, signers: &own };
    let by_all = Crafted { left_out: &half, signers: &all };
    let share = |documents: &[Crafted<'_>]| {
        let slots = effort.size(400, 4_000);
        let trials = effort.trials(CLIENTS, |_, rng| {
            // Within the trial, for documents are judged when they come.
            let Some(view) = ring.view_by(documents) else { return 0 };
            let mut client = LoneClient::new(&ring, rng.random(), NORTH, view);
            let sent = (0..slots).filter_map(|_| client.step());
            let is_caught = |sent: &Sent| {
                let mut mixes = sent.path[..3].iter().filter_map(|mix| ring.roster().node(*mix));
                mixes.all(|mix| theirs.contains(&mix.operator.as_str()))
            };
            sent.filter(is_caught).count()
        });
        Estimate::share(count(trials.iter().sum()), float(slots * CLIENTS))
    };
    let (alone, beside) = (share(&[crafted]), share(&[agreed, crafted]));
    Measured::new(if alone.value > beside.value { alone } else { beside })
        .with("if_nothing_else_comes", alone.value)
        .with("by_the_roster_alone", share(&[agreed]).value)
        .with("if_all_agencies_sign", share(&[by_all]).value)
}

const CLIENTS: u64 = 4;

/// Two operators with two mixes each in each layer.
fn layout() -> Layout {
    Layout { mixes_per_layer: 4, ..Layout::default() }
}
