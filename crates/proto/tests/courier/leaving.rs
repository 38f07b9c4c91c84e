//! Relays that leave: their mailboxes are emptied, and their clients hear what comes, before they end.

use std::time::Duration;

use rohrpost_packet::NodeNumber;

use crate::world::{Load, START, World, steady};

const SECOND: Duration = Duration::from_secs(1);
const ENTRY: u32 = 1;
const OWN: [u32; 2] = [3, 4];

/// Runs a client for ten seconds, then on a view without `leaving`. Gives its pulls at each of its
/// mailboxes' relays within the longest way of a packet after that, and in as long a time later.
fn pulls_without(leaving: &[u32]) -> [[usize; 2]; 2] {
    let mut world = World::new();
    let client = world.client(7, ENTRY, &OWN);
    let (left, way) = (START + SECOND * 10, world.roster.way());
    world.run(left);
    let view = world.view(leaving);
    world.couriers[client].handle_view(steady(left), view);
    world.run(left + way);
    let before = world.departures[client].len();
    world.run(left + way * 2);
    let slots = usize::try_from(way.as_millis() / 250).unwrap();
    let (within, later) = world.departures[client].split_at(before);
    let pulls = |departures: &[_], relay: u32| {
        let at = |departure: &&crate::world::Left| {
            departure
                .end
                .is_some_and(|end| end.load == Load::Pull && end.relay == NodeNumber::new(relay))
        };
        departures.iter().filter(at).count()
    };
    let within = &within[within.len() - slots..];
    [within, later].map(|departures| OWN.map(|relay| pulls(departures, relay)))
}

#[test]
fn a_mailbox_at_a_relay_that_leaves_is_emptied_while_the_relay_is_there() {
    let [within, later] = pulls_without(&[3]);
    assert!(within.iter().all(|pulls| *pulls > 20), "{within:?}");
    assert!(later[0] == 0 && later[1] > 20, "{later:?}");
}

#[test]
fn a_client_whose_entry_leaves_hears_what_comes_while_the_relay_is_there() {
    let [within, later] = pulls_without(&[ENTRY]);
    assert!(within.iter().all(|pulls| *pulls > 20), "{within:?}");
    assert_eq!(later, [0, 0]);
}

/// Checks that nobody stores at a relay that leaves, though its key is known yet.
#[test]
fn nothing_is_stored_at_a_relay_that_leaves() {
    let mut world = World::new();
    let [alice, bob] = [(7, 1), (8, 2)].map(|(seed, entry)| world.client(seed, entry, &OWN));
    world.introduce(alice, bob);
    world.run(START + SECOND * 10);
    let (view, before) = (world.view(&[3]), world.envelopes.len());
    for client in [alice, bob] {
        world.couriers[client].handle_view(steady(START + SECOND * 10), view.clone());
    }
    for number in 0..8 {
        world.post(alice, bob, &number.to_string());
    }
    world.run(START + SECOND * 40);
    let letters =
        world.envelopes[before..].iter().filter(|carried| carried.at > START + SECOND * 15);
    let relays: Vec<_> = letters.map(|carried| carried.relay.get()).collect();
    assert!(relays.len() > 10 && relays.iter().all(|relay| *relay == 4), "{relays:?}");
}
