//! A part of the network is cut off for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Event;
use rohrpost_proto::time::Time;
use rohrpost_virtual::{Address, Conditions, NORTH, Setup, Toy, World, every_seed, seeds};

const WEST: NodeNumber = NodeNumber::new(4);
/// Mixes of the first layer in the default layout.
const FIRST_LAYER: [NodeNumber; 2] = [NodeNumber::new(5), NodeNumber::new(6)];
/// Messages that alice writes to bob while her relay is cut off, and after.
const MESSAGES: u8 = 45;
const CUT: Duration = Duration::from_secs(60);

fn addresses(nodes: &[NodeNumber]) -> Vec<Address> {
    nodes.iter().map(|node| Address::Node(*node)).collect()
}

/// Time at which each message of a client has left, by its number.
fn departures(world: &World<Toy>, client: usize) -> BTreeMap<u8, Time> {
    let sent = world.events.iter().filter(|told| told.client == client);
    let sent = sent.filter_map(|told| match &told.event {
        Event::Sent { message, .. } => Some((message.as_bytes()[3], told.at)),
        _ => None,
    });
    sent.collect()
}

/// Numbers of the messages that have reached a client, in order of arrival.
fn arrivals(world: &World<Toy>, client: usize) -> Vec<u8> {
    world.arrived(client).iter().map(|body| body[0]).collect()
}

/// A run in which the first relay, the entry of alice and dave, is cut off from the first layer.
struct CutOff {
    world: World<Toy>,
    alice: usize,
    bobs: [usize; 3],
    dave: usize,
    begun: Time,
    healed: Time,
}

impl CutOff {
    /// Runs until what can arrive has arrived: alice writes to three in turns, for no more leave for
    /// one who is silent, and carol to dave.
    fn run(seed: u64) -> Self {
        let setup = Setup { acknowledges: false, ..Setup::new(seed) };
        let mut world = World::<Toy>::of(setup);
        let alice = world.add_client(NORTH);
        let bobs = [(); 3].map(|()| world.add_client(NodeNumber::new(2)));
        let (carol, dave) = (world.add_client(NodeNumber::new(3)), world.add_client(NORTH));
        bobs.iter().for_each(|bob| world.introduce(alice, *bob));
        world.introduce(carol, dave);
        world.run_for(Duration::from_secs(40));
        world.cut(&addresses(&[NORTH]), &addresses(&FIRST_LAYER), CUT);
        let (begun, healed) = (world.now, world.now + CUT);
        for number in 0..MESSAGES {
            world.post(alice, bobs[usize::from(number % 3)], number, &[number]);
            // More seldom: two mailboxes of thirty-two must hold all while dave cannot pull.
            if number % 3 == 0 {
                world.post(carol, dave, number, &[number]);
            }
            world.run_for(Duration::from_secs(2));
        }
        world.run_for(Duration::from_secs(120));
        Self { world, alice, bobs, dave, begun, healed }
    }

    /// Asserts that alice's messages were lost which left while the relay was cut off, and no
    /// others; gives how many.
    fn assert_lost_in_the_cut(&self, seed: u64) -> usize {
        let departed = departures(&self.world, self.alice);
        let arrived: Vec<_> =
            self.bobs.iter().flat_map(|bob| arrivals(&self.world, *bob)).collect();
        assert_eq!(
            departed.len(),
            usize::from(MESSAGES),
            "all messages have left in the end, seed {seed}"
        );
        // A cell waits for the entry's tick: up to a slot and a link's latency.
        let wait = Duration::from_millis(300);
        let into_the_cut = |at: &Time| (self.begun - wait..self.healed).contains(at);
        let (lost, kept): (Vec<u8>, Vec<u8>) = (0..MESSAGES).partition(|n| !arrived.contains(n));
        assert!(lost.iter().all(|number| into_the_cut(&departed[number])), "seed {seed}");
        assert!(lost.len() >= 10, "{} messages were lost, seed {seed}", lost.len());
        // A message that leaves in that time may only have been lost.
        let surely_in = |at: &Time| (self.begun..self.healed - wait).contains(at);
        assert!(!kept.iter().any(|number| surely_in(&departed[number])), "seed {seed}");
        lost.len()
    }
}

/// A relay is cut off from the first layer for a minute. Lost is what was on those links alone:
/// messages that its clients sent in that time (without acknowledgements, nothing is sent again).
/// Envelopes that it holds for others are served again, and as soon as its network document lacks
/// the first layer, its clients hold their messages back until it is there again. All that is sent
/// over other relays arrives, and all that is sent afterwards.
#[test]
fn a_relay_cut_off_from_the_first_layer_loses_what_was_on_those_links() {
    every_seed(seeds(), |seed| {
        let run = CutOff::run(seed);
        let cut_off = |(from, to): &(Address, Address)| {
            *from == Address::Node(NORTH) && addresses(&FIRST_LAYER).contains(to)
        };
        assert!(run.world.lost.keys().all(cut_off), "lost elsewhere, seed {seed}");
        assert!(!run.world.lost.is_empty(), "nothing was lost, seed {seed}");
        let lost = run.assert_lost_in_the_cut(seed);
        println!("{lost} of {MESSAGES} messages went into the cut, seed {seed}");
        let mut others = arrivals(&run.world, run.dave);
        others.sort_unstable();
        let all: Vec<_> = (0..MESSAGES).step_by(3).collect();
        assert_eq!(others, all, "other relays' messages, seed {seed}");
    });
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
    assert!(arrivals(&world, bob).len() < 10, "bob has heard what he could not");
    let back = world.run_until(Duration::from_secs(20), |world| world.is_online(bob));
    assert!(back, "bob is back after the cut");
    world.run_for(Duration::from_secs(60));
    let mut arrived = arrivals(&world, bob);
    arrived.sort_unstable();
    assert_eq!(arrived, (0..10).collect::<Vec<_>>());
}
