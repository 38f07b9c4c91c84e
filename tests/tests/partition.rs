//! A part of the network is cut off for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Event;
use rohrpost_proto::time::Time;
use rohrpost_tests::{Address, Conditions, NORTH, Setup, Toy, World, seeds};

const WEST: NodeNumber = NodeNumber::new(4);
/// Mixes of the first layer in the default layout.
const FIRST_LAYER: [NodeNumber; 2] = [NodeNumber::new(5), NodeNumber::new(6)];

fn addresses(nodes: &[NodeNumber]) -> Vec<Address> {
    nodes.iter().map(|node| Address::Node(*node)).collect()
}

/// Time at which each letter of a client has left, by its body's number.
fn left(world: &World<Toy>, client: usize) -> BTreeMap<u8, Time> {
    let sent = world.events.iter().filter(|told| told.client == client);
    let sent = sent.filter_map(|told| match &told.event {
        Event::Sent { message, .. } => Some((message.as_bytes()[3], told.at)),
        _ => None,
    });
    sent.collect()
}

/// Letters that have come, by their bodies' numbers.
fn come(world: &World<Toy>, client: usize) -> Vec<u8> {
    world.arrived(client).iter().map(|body| body[0]).collect()
}

/// A relay is cut off from the first layer for a minute. Lost is what was on those links alone:
/// letters that its clients sent in that time (without acknowledgements, nothing is sent again). Envelopes that it holds for others are served again,
/// and as soon as its document lacks the first layer, its clients keep their letters until it is
/// back. All that is sent over other relays arrives, and all that is sent afterwards.
#[test]
fn a_relay_cut_off_from_the_first_layer_loses_what_was_on_those_links() {
    for seed in seeds() {
        let setup = Setup { acknowledges: false, ..Setup::new(seed) };
        let mut world = World::<Toy>::of(setup);
        let (alice, bob) = (world.add_client(NORTH), world.add_client(NodeNumber::new(2)));
        let (carol, dave) = (world.add_client(NodeNumber::new(3)), world.add_client(NORTH));
        world.introduce(alice, bob);
        world.introduce(carol, dave);
        world.run_for(Duration::from_secs(40));
        world.cut(&addresses(&[NORTH]), &addresses(&FIRST_LAYER), Duration::from_secs(60));
        let (begun, healed) = (world.now, world.now + Duration::from_secs(60));
        for number in 0..45 {
            world.post(alice, bob, number, &[number]);
            // More seldom: two mailboxes of sixteen must hold all while dave cannot pull.
            if number % 3 == 0 {
                world.post(carol, dave, number, &[number]);
            }
            world.run_for(Duration::from_secs(2));
        }
        world.run_for(Duration::from_secs(120));

        let cut_off = |(from, to): &(Address, Address)| {
            *from == Address::Node(NORTH) && addresses(&FIRST_LAYER).contains(to)
        };
        assert!(world.lost.keys().all(cut_off), "lost elsewhere, seed {seed}");
        assert!(!world.lost.is_empty(), "nothing was lost, seed {seed}");

        let (left, come) = (left(&world, alice), come(&world, bob));
        assert_eq!(left.len(), 45, "all letters have left in the end, seed {seed}");
        // A cell waits for the entry's tick: up to a slot and a link's latency.
        let into_the_cut = |at: &Time| (begun - Duration::from_millis(300)..healed).contains(at);
        let (lost, arrived): (Vec<u8>, Vec<u8>) = (0..45).partition(|n| !come.contains(n));
        assert!(lost.iter().all(|number| into_the_cut(&left[number])), "seed {seed}");
        assert!(lost.len() >= 10, "{} letters were lost, seed {seed}", lost.len());
        // A letter that leaves in that time may only have been lost.
        let surely_in = |at: &Time| (begun..healed - Duration::from_millis(300)).contains(at);
        assert!(!arrived.iter().any(|number| surely_in(&left[number])), "seed {seed}");
        println!("{} of 45 letters went into the cut, seed {seed}", lost.len());

        let mut others = self::come(&world, dave);
        others.sort_unstable();
        assert_eq!(
            others,
            (0..45).step_by(3).collect::<Vec<_>>(),
            "other relays' letters, seed {seed}"
        );
    }
}

/// A client is cut off from its relay for half a minute: it finds out, comes back under a new
/// session, and what waited in its mailboxes arrives.
#[test]
fn a_client_cut_off_comes_back_and_finds_its_mail() {
    let mut world = World::<Toy>::new(3, Conditions::CALM);
    let (alice, bob) = (world.add_client(NORTH), world.add_client(WEST));
    world.introduce(alice, bob);
    world.run_for(Duration::from_secs(40));
    world.cut(&[Address::Client(bob)], &addresses(&[WEST]), Duration::from_secs(30));
    for number in 0..10 {
        world.post(alice, bob, number, &[number]);
    }
    world.run_for(Duration::from_secs(15));
    assert!(!world.is_online(bob), "ten seconds without a cell: the link is lost");
    world.run_for(Duration::from_secs(13));
    assert!(come(&world, bob).len() < 10, "bob has heard what he could not");
    let back = world.run_until(Duration::from_secs(20), |world| world.is_online(bob));
    assert!(back, "bob is back after the cut");
    world.run_for(Duration::from_secs(60));
    let mut come = come(&world, bob);
    come.sort_unstable();
    assert_eq!(come, (0..10).collect::<Vec<_>>());
}
