//! Wrong clocks: of clients by minutes before they are set, of mixes by minutes for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Event;
use rohrpost_virtual::{Setup, Skew, Toy, World, seeds};

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
    for seed in seeds() {
        let mut world = World::<Toy>::of(Setup { skews: of_nodes(), ..Setup::new(seed) });
        let clients: Vec<_> = OF_CLIENTS
            .into_iter()
            .zip(1..)
            .map(|(skew, entry)| world.add_client_off(NodeNumber::new(entry), skew))
            .collect();
        for (one, other) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
            world.introduce(clients[one], clients[other]);
        }
        world.run_for(Duration::from_secs(40));
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
    }
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
    for number in 0..20 {
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
    assert_eq!(left.len(), 20);
    for (at, sent, by_own_clock) in left {
        assert!(!sent.pulls(), "messages leave in odd slots");
        // Its clock is behind the relay's by no more than a cell is on its way.
        let behind = at.since(by_own_clock);
        assert!(behind <= Duration::from_millis(15), "{behind:?}");
        assert_eq!(by_own_clock.slot(slot), sent);
    }
}
