use std::sync::Arc;
use std::time::Duration;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::{Classic, Generation, HopSecretKey};

use super::*;
use crate::directory::descriptor::{Descriptor, SignedDescriptor};
use crate::directory::document::NetworkDocument;
use crate::directory::roster::{Role, Roster, SuiteName, Traffic};
use crate::directory::signing::SigningKey;
use crate::directory::trust::{Agency, JoinKey, TrustRoot};
use crate::time::Time;

const OPERATORS_OF: [(&str, Role); 8] = [
    ("north", Role::Relay),
    ("south", Role::Relay),
    ("north", Role::Mix { layer: 0 }),
    ("south", Role::Mix { layer: 0 }),
    ("north", Role::Mix { layer: 1 }),
    ("east", Role::Mix { layer: 1 }),
    ("north", Role::Mix { layer: 2 }),
    ("west", Role::Mix { layer: 2 }),
];

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([4; 32])
}

fn node_key(number: u32) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(number).unwrap(); 32])
}

fn roster() -> Arc<Roster> {
    let names = ["north", "south", "east", "west"];
    let agency_key = |i: usize| SigningKey::from_seed(&[u8::try_from(200 + i).unwrap(); 32]);
    let agency =
        |(i, name): (usize, &&str)| Agency { name: (*name).into(), key: agency_key(i).public() };
    let agencies = names.iter().enumerate().map(agency).collect();
    let trust = TrustRoot::new("test".into(), agencies, 3, JoinKey::new([1; 32])).unwrap();
    let node = |(number, (operator, role)): (u32, (&str, Role))| RosterNode {
        number: NodeNumber::new(number),
        name: format!("node-{number}"),
        operator: operator.into(),
        role,
        addresses: vec![([127, 0, 0, 1], 4433).into()],
        identity: node_key(number).public(),
    };
    let nodes: Vec<_> = (1..).zip(OPERATORS_OF).map(node).collect();
    let traffic = Traffic::default();
    let text = Roster::render("test", "2099-01-01", SuiteName::Classic, &traffic, &nodes);
    let sign = |i: usize| Roster::sign(&text, names[i], &agency_key(i));
    let signatures: Vec<_> = (0..3).map(sign).collect();
    Arc::new(Roster::verify(&text, &signatures, &trust, 0).unwrap())
}

/// Makes a view in which all nodes are up but those in `down`.
fn view(down: &[u32]) -> View<Classic> {
    let roster = roster();
    let up = (1..=8).filter(|number| !down.contains(number));
    let descriptor = |number: u32| {
        let key = HopSecretKey::<Classic>::generate(Generation::new(number), &mut rng());
        let descriptor = Descriptor {
            node: NodeNumber::new(number),
            generation: Generation::new(number),
            issued: Time::from_micros(1),
            suite: Classic::ID,
            key: key.public().as_bytes().into(),
        };
        SignedDescriptor::sign(descriptor, &node_key(number))
    };
    let document = NetworkDocument {
        roster_version: 1,
        roster_hash: roster.hash,
        number: 1,
        start: Time::from_micros(1),
        made: Time::from_micros(1),
        descriptors: up.map(descriptor).collect(),
    };
    View::new(roster, &document)
}

fn operators(view: &View<Classic>, path: &Path) -> usize {
    let operator = |node: NodeNumber| view.roster().node(node).unwrap().operator.as_str();
    path.nodes().into_iter().map(operator).collect::<HashSet<_>>().len()
}

#[test]
fn a_path_takes_one_mix_per_layer_and_spreads_over_three_operators() {
    let (view, mut rng) = (view(&[]), rng());
    for _ in 0..200 {
        let path = Path::to_relay(&view, 0, NodeNumber::new(1), &mut rng).unwrap();
        let positions = |node: NodeNumber| view.roster().node(node).unwrap().role.position();
        let positions: Vec<_> = path.nodes().into_iter().map(positions).collect();
        assert_eq!(positions, [0, 1, 2, 3]);
        assert!(operators(&view, &path) >= 3, "{path:?}");
        assert_eq!(path.delays()[3], Delay::ZERO);
    }
}

#[test]
fn every_mix_is_used_and_dead_ones_are_not() {
    let (view, mut rng) = (view(&[4]), rng());
    let mut used = HashSet::new();
    for _ in 0..400 {
        used.extend(Path::to_relay(&view, 0, NodeNumber::new(2), &mut rng).unwrap().nodes());
    }
    let used: HashSet<_> = used.into_iter().map(NodeNumber::get).collect();
    assert_eq!(used, HashSet::from([2, 3, 5, 6, 7, 8]));
}

#[test]
fn the_best_spread_is_taken_where_three_operators_cannot_be_had() {
    let (view, mut rng) = (view(&[4, 6, 8]), rng());
    let path = Path::to_relay(&view, 0, NodeNumber::new(1), &mut rng).unwrap();
    assert_eq!(operators(&view, &path), 1);
}

#[test]
fn no_path_is_drawn_through_a_layer_that_is_down() {
    let (empty, mut rng) = (view(&[5, 6]), rng());
    let error = Path::to_relay(&empty, 0, NodeNumber::new(1), &mut rng).err().unwrap();
    assert_eq!(error.to_string(), "no node of layer 2 is up");
    assert!(Path::to_relay(&empty, 2, NodeNumber::new(1), &mut rng).is_ok(), "from a mix after it");
    assert!(Path::to_relay(&view(&[1]), 0, NodeNumber::new(1), &mut rng).is_err());
}

#[test]
fn a_loop_ends_at_its_mix_and_a_mix_of_the_last_layer_starts_at_the_relay() {
    let (view, mut rng) = (view(&[]), rng());
    let path = Path::to_mix(&view, 1, NodeNumber::new(5), &mut rng).unwrap();
    assert_eq!(path.nodes().len(), 2);
    assert_eq!(path.nodes()[1], NodeNumber::new(5));
    let path = Path::to_relay(&view, 3, NodeNumber::new(2), &mut rng).unwrap();
    assert_eq!(path.nodes(), [NodeNumber::new(2)]);
    let hops = path.hops(&view, Route::deliver()).unwrap();
    assert!(hops.len() == 1 && hops[0].route == Route::deliver());
}

#[test]
fn routes_name_the_next_node_its_generation_and_the_drawn_delay() {
    let (view, mut rng) = (view(&[]), rng());
    let path = Path::to_relay(&view, 0, NodeNumber::new(2), &mut rng).unwrap();
    let hops = path.hops(&view, Route::deliver()).unwrap();
    for (hop, (next, delay)) in hops.iter().zip(path.nodes()[1..].iter().zip(path.delays())) {
        assert_eq!(hop.route.next, *next);
        assert_eq!(hop.route.next_generation, Generation::new(next.get()).short());
        assert_eq!(hop.route.delay, delay);
    }
    assert!(path.delays().iter().any(|delay| delay.duration() > Duration::ZERO));
}
