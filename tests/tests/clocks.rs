//! Wrong clocks: of clients and mixes by minutes, of relays and machines by days.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Event;
use rohrpost_proto::directory::roster::Directory;
use rohrpost_proto::time::Time;
use rohrpost_virtual::{Address, ClientEvent, Layout, Setup, Skew, Toy, World, every_seed, seeds};

const MINUTE: Duration = Duration::from_secs(60);

/// Errors of the nodes' clocks, within what `docs` allow.
fn of_nodes() -> BTreeMap<NodeNumber, Skew> {
    let skews = [
        // Relays within five seconds of each other.
        (1, Skew::Ahead(Duration::from_secs(2))),
        (3, Skew::Behind(Duration::from_millis(2_500))),
        // Mixes within five minutes, in both directions.
        (5, Skew::Ahead(MINUTE * 4)),
        (6, Skew::Behind(MINUTE * 4)),
        (7, Skew::Behind(Duration::from_millis(90_300))),
        (8, Skew::Ahead(Duration::from_millis(33_333))),
        (9, Skew::Behind(MINUTE * 3)),
        (10, Skew::Ahead(MINUTE * 2)),
    ];
    skews.map(|(number, skew)| (NodeNumber::new(number), skew)).into()
}

/// Errors of the clients' clocks: of one client at each relay.
const OF_CLIENTS: [Skew; 4] = [
    Skew::Ahead(Duration::from_secs(300)),
    Skew::Behind(Duration::from_secs(300)),
    Skew::NONE,
    Skew::Behind(Duration::from_millis(1_234)),
];

/// Every client's and every mix's clock is off, each by another amount within what `docs` allow;
/// relays' clocks agree within seconds. All messages arrive, also first in the mail of the longest
/// delayed.
#[test]
fn messages_arrive_although_clocks_are_minutes_off() {
    every_seed(seeds(), |seed| {
        // Relays' clocks may be seconds apart by the slots of the default rates.
        let layout = Layout { directory: Directory::default(), ..Layout::default() };
        let mut world = World::<Toy>::of(Setup { skews: of_nodes(), layout, ..Setup::new(seed) });
        let clients: Vec<_> = OF_CLIENTS
            .into_iter()
            .zip(1..)
            .map(|(skew, entry)| world.add_client_off(NodeNumber::new(entry), skew))
            .collect();
        for (one, other) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
            world.introduce(clients[one], clients[other]);
        }
        world.run_for(Duration::from_secs(160));
        for number in 0..10 {
            for (from, to) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
                world.post(clients[from], clients[to], number, &[number]);
            }
            world.run_for(Duration::from_secs(2));
        }
        world.run_for(Duration::from_secs(40));
        for client in &clients {
            let mut arrived: Vec<_> = world.arrived(*client).iter().map(|body| body[0]).collect();
            arrived.sort_unstable();
            assert_eq!(arrived, (0..10).collect::<Vec<_>>(), "client {client}, seed {seed}");
        }
        assert_eq!(world.tally.loops_lost, 0, "seed {seed}");
        covered(&world, seed);
    });
}

/// Asserts that mixes with wrong clocks keep their own cover going: their pulls are answered.
fn covered(world: &World<Toy>, seed: u64) {
    for mix in (5..=10).map(NodeNumber::new) {
        let answered = |(from, event): &&(NodeNumber, Event)| {
            *from == mix && matches!(event, Event::PullAnswered { .. })
        };
        let answers = world.cover.iter().filter(answered).count();
        assert!(answers > 50, "{answers} answers for mix {mix}, seed {seed}");
    }
}

/// A client's slots are those of its relay, however wrong its own clock was: pulls go out in even
/// slots of network document time.
#[test]
fn a_client_counts_slots_as_its_relay_does() {
    let slot = Duration::from_millis(250);
    let setup = Setup::new(2);
    let mut world = World::<Toy>::of(setup);
    let client = world.add_client_off(NodeNumber::new(1), Skew::Behind(MINUTE * 5 + slot / 2));
    let friend = world.add_client_off(NodeNumber::new(2), Skew::Ahead(MINUTE * 5 - slot));
    world.introduce(client, friend);
    world.run_for(Duration::from_secs(30));
    for number in 0..16 {
        world.post(client, friend, number, &[number]);
    }
    world.run_for(Duration::from_secs(60));
    let left: Vec<_> = world
        .events
        .iter()
        .filter_map(|told| match &told.event {
            Event::Sent { slot: sent, trip, .. } if told.client == client => {
                Some((told.at, *sent, trip.at))
            }
            _ => None,
        })
        .collect();
    assert_eq!(left.len(), 16);
    for (at, sent, by_own_clock) in left {
        assert!(!sent.pulls(), "messages leave in odd slots");
        // Its clock is behind the relay's by no more than a cell is on its way.
        let behind = at.since(by_own_clock);
        assert!(behind <= Duration::from_millis(15), "{behind:?}");
        assert_eq!(by_own_clock.slot(slot), sent);
    }
}

const DAY: Duration = Duration::from_secs(86_400);
const ENTRY: NodeNumber = NodeNumber::new(1);

/// Two clients that know each other: one that enters at [`ENTRY`] with a machine whose clock is
/// off, and one at another relay.
fn pair(world: &mut World<Toy>, machine: Skew) -> (usize, usize) {
    let alice = world.add_client_off(ENTRY, machine);
    let bob = world.add_client(NodeNumber::new(2));
    world.introduce(alice, bob);
    (alice, bob)
}

/// A relay that started with a clock that is days ahead: its client refuses it, says which clocks
/// show what, and gives no message up, though it has a week and the relay is eight days ahead. Once
/// the relay's clock is right, the message arrives, without a restart of the client.
#[test]
fn a_relay_that_is_days_ahead_is_refused_and_makes_nothing_expire() {
    every_seed(seeds(), |seed| {
        let skews = [(ENTRY, Skew::Ahead(DAY * 8))].into();
        let mut world = World::<Toy>::of(Setup { skews, ..Setup::new(seed) });
        let (alice, bob) = pair(&mut world, Skew::NONE);
        world.post_for(alice, bob, 7, b"a week", DAY * 7);
        world.run_for(MINUTE);
        assert_eq!((world.expired(alice), world.outbox_len(alice)), (0, 1), "seed {seed}");
        let refused = world.clock_refused(alice).expect("the relay is refused");
        let near = |nodes: Time| refused.machine.since(nodes) < MINUTE;
        assert!(refused.nodes.is_some_and(near), "{refused}");
        assert!(refused.relay.since(refused.machine) > DAY * 7);
        assert!(refused.to_string().contains("the relay's is wrong"), "{refused}");
        world.kill(ENTRY);
        world.start_off(ENTRY, Skew::NONE);
        world.run_for(MINUTE * 2);
        assert_eq!(world.clock_refused(alice), None, "seed {seed}");
        assert_eq!(world.inbox(bob), [(alice, &b"a week"[..])], "seed {seed}");
        assert_eq!(world.expired(alice), 0);
    });
}

/// A relay that comes back with a clock that is ten minutes ahead is heard, for the client's own
/// clocks may have stood still; but nothing is built by its word, and its documents refuse it.
#[test]
fn a_relay_that_jumps_is_heard_and_nothing_is_built_by_its_clock() {
    every_seed(seeds(), |seed| {
        let mut world = World::<Toy>::of(Setup::new(seed));
        let (alice, bob) = pair(&mut world, Skew::NONE);
        world.run_for(MINUTE);
        assert!(world.is_online(alice) && world.clock_refused(alice).is_none());
        world.kill(ENTRY);
        let killed = world.now;
        world.start_off(ENTRY, Skew::Ahead(MINUTE * 10));
        for _ in 0..60 {
            world.run_for(Duration::from_secs(1));
            world.post(alice, bob, 9_u32, b"not through this relay");
            assert!(world.arrived(bob).is_empty());
        }
        let refused = world.clock_refused(alice).expect("the relay is refused");
        assert!(refused.to_string().contains("the relay's is wrong"), "{refused}");
        // By then the old link is given up, and what it carried is noted.
        let relinked = killed + Duration::from_secs(16);
        let built = |told: &&ClientEvent| {
            let of_packets = matches!(told.event, Event::Sent { .. } | Event::LoopSent);
            of_packets && told.client == alice && told.at > relinked
        };
        assert_eq!(world.events.iter().filter(built).count(), 0, "seed {seed}");
    });
}

/// A machine that stood still for ten minutes with all its clocks, as when a virtual machine is
/// paused, finds its relay ahead of all that it knows. A document shows that the relay is right, and
/// mail goes both ways without the clock being set.
#[test]
fn a_machine_that_was_stopped_goes_on_before_its_clock_is_set() {
    every_seed(seeds(), |seed| {
        let mut world = World::<Toy>::of(Setup::new(seed));
        let (alice, bob) = pair(&mut world, Skew::NONE);
        world.run_for(MINUTE);
        world.stop_machine(alice, MINUTE * 10);
        world.post(bob, alice, 2_u32, b"meanwhile");
        world.run_for(MINUTE * 11);
        assert!(world.is_online(alice), "seed {seed}");
        assert_eq!(world.clock_refused(alice), None, "seed {seed}");
        world.post(alice, bob, 1_u32, b"back");
        world.run_for(MINUTE * 2);
        assert_eq!(world.inbox(bob), [(alice, &b"back"[..])], "seed {seed}");
        assert_eq!(world.inbox(alice), [(bob, &b"meanwhile"[..])], "seed {seed}");
    });
}

/// A machine that slept for eight minutes, and whose clock was set right when it woke: what its
/// client counts went on meanwhile, and a message that had four minutes has expired.
#[test]
fn messages_expire_while_a_machine_sleeps() {
    every_seed(seeds(), |seed| {
        let mut world = World::<Toy>::of(Setup::new(seed));
        let (alice, bob) = pair(&mut world, Skew::NONE);
        world.run_for(MINUTE);
        world.post_for(alice, bob, 1, b"within four minutes", MINUTE * 4);
        world.stop_machine(alice, MINUTE * 8);
        world.set_clock(alice, Skew::NONE);
        world.run_for(MINUTE * 9);
        assert!(world.is_online(alice), "seed {seed}");
        assert_eq!(world.expired(alice), 1, "seed {seed}");
        assert!(world.arrived(bob).concat().is_empty(), "a tombstone, seed {seed}");
    });
}

/// A machine that was stopped, and whose clock is set right only once its client is online again.
#[test]
fn messages_expire_once_a_stopped_machines_clock_is_set_right() {
    let mut world = World::<Toy>::of(Setup::new(4));
    let (alice, bob) = pair(&mut world, Skew::NONE);
    world.run_for(MINUTE);
    world.stop_machine(alice, MINUTE * 8);
    world.run_for(MINUTE * 9);
    let gone = Address::Client(bob);
    world.cut(&[gone], &[Address::Node(NodeNumber::new(2))], MINUTE * 20);
    world.set_clock(alice, Skew::NONE);
    world.post_for(alice, bob, 1, b"within a minute", MINUTE);
    world.run_for(MINUTE * 2);
    assert_eq!((world.expired(alice), world.is_online(alice)), (1, true));
}

/// A machine whose clock is days off, where the relay and other nodes agree: mail goes both ways.
#[test]
fn a_machine_whose_clock_is_days_off_is_served() {
    for machine in [Skew::Ahead(DAY * 30), Skew::Behind(DAY * 3)] {
        every_seed(seeds(), |seed| {
            let mut world = World::<Toy>::of(Setup::new(seed));
            let (alice, bob) = pair(&mut world, machine);
            world.run_for(MINUTE);
            world.post(alice, bob, 1_u32, b"there");
            world.post(bob, alice, 2_u32, b"back");
            world.run_for(MINUTE);
            assert_eq!(
                (world.arrived(alice).len(), world.arrived(bob).len()),
                (1, 1),
                "{machine:?}"
            );
            assert_eq!(world.expired(alice), 0);
        });
    }
}

/// A relay that reaches no other node can show nothing of the time: a client whose machine differs
/// refuses it and names both clocks, until the machine's is set right.
#[test]
fn a_machines_clock_that_is_set_right_heals_without_a_restart() {
    every_seed(seeds(), |seed| {
        let mut world = World::<Toy>::of(Setup::new(seed));
        let others: Vec<_> = (2..=10).map(|node| Address::Node(NodeNumber::new(node))).collect();
        world.cut(&[Address::Node(ENTRY)], &others, MINUTE * 10);
        let (alice, _) = pair(&mut world, Skew::Behind(DAY));
        world.run_for(MINUTE * 2);
        let refused = world.clock_refused(alice).expect("no node bears the relay out");
        assert_eq!(refused.nodes, None);
        assert!(refused.relay.since(refused.machine) > DAY - MINUTE);
        world.set_clock(alice, Skew::NONE);
        world.run_for(MINUTE);
        assert!(world.is_online(alice) && world.clock_refused(alice).is_none(), "seed {seed}");
    });
}
