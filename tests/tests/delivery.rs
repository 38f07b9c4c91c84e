//! Messages travel through every role, in every suite.

use std::time::Duration;

use rohrpost_packet::envelope::fragment_body_len;
use rohrpost_packet::{Classic, Hybrid, NodeNumber, Suite};
use rohrpost_proto::courier::Event;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::hop::Refusal;
use rohrpost_virtual::{Conditions, Layout, Setup, Toy, World, every_seed, seeds};

fn messages_arrive_both_ways<S: Suite>(seed: u64) {
    let mut world = World::<S>::new(seed, Conditions::CALM);
    let (alice, bob) = (world.add_client(NodeNumber::new(1)), world.add_client(NodeNumber::new(3)));
    world.introduce(alice, bob);
    world.run_for(Duration::from_secs(30));
    let full = vec![0x5a; fragment_body_len::<S>()];
    world.post(alice, bob, 1_u8, &full);
    world.post(bob, alice, 2_u8, b"and back");
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.arrived(bob), [full], "seed {seed}");
    assert_eq!(world.arrived(alice), [b"and back"], "seed {seed}");
    assert_eq!(world.refused_anywhere(Refusal::Header), 0, "seed {seed}");
    assert_eq!(world.refused_anywhere(Refusal::Payload), 0, "seed {seed}");
}

#[test]
fn messages_arrive_both_ways_in_every_suite() {
    messages_arrive_both_ways::<Hybrid>(1);
    messages_arrive_both_ways::<Classic>(1);
    every_seed(seeds(), |seed| {
        messages_arrive_both_ways::<Toy>(seed);
    });
}

#[test]
fn a_message_served_twice_arrives_once() {
    let lossy = Conditions { lost_per_million: 100_000, ..Conditions::CALM };
    // Soon acknowledged, so that the run is short.
    let traffic = Traffic { ack_delay: Duration::from_secs(20), ..Traffic::default() };
    let layout = Layout { traffic, ..Layout::default() };
    let mut world = World::<Toy>::of(Setup { conditions: lossy, layout, ..Setup::new(5) });
    let (alice, bob) = (world.add_client(NodeNumber::new(1)), world.add_client(NodeNumber::new(3)));
    world.introduce(alice, bob);
    world.run_for(Duration::from_secs(60));
    for number in 0..50 {
        world.post(alice, bob, number, &[number]);
        world.run_for(Duration::from_secs(2));
    }
    // A tenth of all frames is lost; what is missing leaves again until it is there.
    let done = world.run_until(Duration::from_secs(3 * 3600), |world| world.outbox_len(alice) == 0);
    assert!(done, "{} messages are not delivered", world.outbox_len(alice));
    let expected: Vec<_> = (0..50).map(|number| vec![number]).collect();
    let mut arrived = world.arrived(bob);
    arrived.sort();
    assert_eq!(arrived, expected, "each message is handed over once");
    let inbox: Vec<_> = world.inbox(bob).into_iter().map(|(_, body)| body.to_vec()).collect();
    assert_eq!(inbox, expected, "in their order");
    assert!(world.tally.sent_again > 5, "{} left again", world.tally.sent_again);
}

#[test]
fn loops_of_clients_come_back() {
    let mut world = World::<Toy>::new(2, Conditions::CALM);
    let client = world.add_client(NodeNumber::new(2));
    world.run_for(Duration::from_secs(300));
    let count = |wanted: fn(&Event) -> bool| {
        world.events.iter().filter(|told| told.client == client && wanted(&told.event)).count()
    };
    let sent = count(|event| matches!(event, Event::LoopSent));
    let returned = count(|event| matches!(event, Event::LoopReturned { .. }));
    let lost = count(|event| matches!(event, Event::LoopLost { .. }));
    assert_eq!(lost, 0);
    // A loop slot in eight: half a loop per second.
    assert!((120..180).contains(&sent), "{sent} loops in 300 s");
    assert!(sent - returned < 10, "{returned} of {sent} came back");
}
