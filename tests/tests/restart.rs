//! Nodes die and come back: paths avoid them, old packets are not accepted again, clients return.

use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rohrpost_packet::envelope::Envelope;
use rohrpost_packet::{NodeNumber, Route, Suite, wrap};
use rohrpost_proto::courier::Event;
use rohrpost_proto::directory::roster::Directory;
use rohrpost_proto::frame::{Frame, OutgoingFrame};
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::instruction::Store;
use rohrpost_proto::path::Path;
use rohrpost_virtual::{
    Address, Conditions, Kind, Layout, NORTH, Setup, Toy, World, every_seed, seeds,
};

const MIX: NodeNumber = NodeNumber::new(7);
const SOUTH: NodeNumber = NodeNumber::new(2);

#[test]
fn a_dead_mix_leaves_the_paths_within_35_seconds() {
    let mut world = World::<Toy>::new(4, Conditions::CALM);
    let (alice, bob) = (world.add_client(NORTH), world.add_client(SOUTH));
    world.introduce(alice, bob);
    world.run_for(Duration::from_secs(30));
    assert!(world.view(NORTH).unwrap().key(MIX).is_some());
    world.kill(MIX);
    world.run_for(Duration::from_secs(35));
    assert!(world.view(NORTH).unwrap().key(MIX).is_none());
    world.run_for(Duration::from_secs(25));
    for number in 0..16 {
        world.post(alice, bob, number, &[number]);
    }
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.arrived(bob).len(), 16, "a minute after, all messages arrive");
}

#[test]
fn a_restarted_mix_has_new_keys_and_refuses_old_packets() {
    let mut world = World::<Toy>::new(6, Conditions::CALM);
    let (alice, bob) = (world.add_client(NORTH), world.add_client(SOUTH));
    world.introduce(alice, bob);
    world.capture = true;
    world.run_for(Duration::from_secs(30));
    let captured = std::mem::take(&mut world.captured);
    world.capture = false;
    let before = world.view(NORTH).unwrap().key(MIX).unwrap().generation();
    world.kill(MIX);
    world.run_for(Duration::from_secs(5));
    world.start(MIX);
    // Until what was built with the old key has come or is lost, replies by SURBs among it.
    world.run_for(Duration::from_secs(60));
    let after = world.view(NORTH).unwrap().key(MIX).unwrap().generation();
    assert!(after > before);
    let refused = world.refused(MIX, Refusal::Generation);
    let old: Vec<_> = captured.into_iter().filter(|(_, to, _)| *to == MIX).collect();
    assert!(old.len() > 50);
    let count = u64::try_from(old.len()).unwrap();
    old.into_iter().for_each(|(from, to, bytes)| world.inject(from, to, bytes));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.refused(MIX, Refusal::Generation), refused + count);
    for number in 0..16 {
        world.post(alice, bob, number, &[number]);
    }
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.arrived(bob).len(), 16);
}

/// Each node in turn is gone for ten seconds and comes back with an empty memory. Messages posted
/// while it is down may be late: what was lost leaves again after its time-out (`durable` waits for
/// that). All that are posted once it has been back for a while arrive soon, from and to everyone.
#[test]
fn every_node_restarts_in_turn_and_mail_goes_on() {
    every_seed(seeds(), |seed| {
        let mut world = World::<Toy>::new(seed, Conditions::CALM);
        let clients: Vec<_> =
            (1..=4).map(|entry| world.add_client(NodeNumber::new(entry))).collect();
        let pairs = [(0, 1), (1, 2), (2, 3), (3, 0)].map(|(a, b)| (clients[a], clients[b]));
        pairs.iter().for_each(|(one, other)| world.introduce(*one, *other));
        world.run_for(Duration::from_secs(30));
        let nodes: Vec<_> = world.roster().nodes().map(|node| node.number).collect();
        let mut late = 0;
        for (turn, node) in (0_u8..).zip(nodes) {
            let post = |world: &mut World<Toy>, number: u8| {
                pairs.iter().for_each(|(from, to)| world.post(*from, *to, number, &[number]));
            };
            world.kill(node);
            post(&mut world, turn * 2);
            world.run_for(Duration::from_secs(10));
            world.start(node);
            // Clients of a relay find out within ten seconds, pause, and pull again.
            world.run_for(Duration::from_secs(40));
            post(&mut world, turn * 2 + 1);
            world.run_for(Duration::from_secs(20));
            for (_, to) in pairs {
                let arrived = world.arrived(to);
                assert!(
                    arrived.contains(&vec![turn * 2 + 1]),
                    "client {to} after node {node} came back, seed {seed}"
                );
                late += u32::from(!arrived.contains(&vec![turn * 2]));
            }
        }
        println!("{late} of 40 messages posted while a node was down were late, seed {seed}");
        assert!(clients.iter().all(|client| world.is_online(*client)), "seed {seed}");
    });
}

/// A relay is down for a minute: its clients go without a link, and come back by themselves under
/// new sessions. Other clients' cells never stop.
#[test]
fn clients_of_a_restarted_relay_return() {
    let mut world = World::<Toy>::new(9, Conditions::CALM);
    let (alice, bob) = (world.add_client(NORTH), world.add_client(SOUTH));
    world.introduce(alice, bob);
    world.run_for(Duration::from_secs(30));
    world.kill(NORTH);
    world.run_for(Duration::from_secs(15));
    assert!(!world.is_online(alice) && world.is_online(bob));
    world.post(alice, bob, 1_u8, b"written while offline");
    world.run_for(Duration::from_secs(45));
    assert!(!world.is_online(alice));
    assert!(world.arrived(bob).is_empty(), "nothing leaves without a link");
    world.start(NORTH);
    let back = world.run_until(Duration::from_secs(20), |world| world.is_online(alice));
    assert!(back, "alice tries again every eleven to thirteen seconds");
    let slots = 60 * 4;
    let sent = |world: &World<Toy>| {
        let records = world.observer.records().iter();
        records.filter(|record| record.from == Address::Client(alice)).count()
    };
    let before = sent(&world);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.arrived(bob), [b"written while offline"]);
    let cells = sent(&world) - before;
    assert!((slots - 1..=slots + 1).contains(&cells), "missed slots stay empty: {cells} cells");
}

/// Keys change every two minutes, old ones are dropped; no message is lost by it.
#[test]
fn messages_arrive_across_changes_of_keys() {
    let directory = Directory { epoch: Duration::from_secs(120), ..Layout::default().directory };
    let layout = Layout { directory, ..Layout::default() };
    let mut world = World::<Toy>::of(Setup { layout, ..Setup::new(10) });
    let (alice, bob) = (world.add_client(NORTH), world.add_client(SOUTH));
    world.introduce(alice, bob);
    world.run_for(Duration::from_secs(30));
    let before = world.view(NORTH).unwrap().key(MIX).unwrap().generation();
    for number in 0..100 {
        world.post(alice, bob, number, &[number]);
        world.run_for(Duration::from_secs(5));
    }
    world.run_for(Duration::from_secs(30));
    let after = world.view(NORTH).unwrap().key(MIX).unwrap().generation();
    assert!(after > before);
    assert_eq!(world.arrived(bob).len(), 100);
    assert_eq!(world.refused_anywhere(Refusal::Generation), 0);
}

/// A client whose document has just not become stale builds on keys that have changed meanwhile:
/// nothing of that is lost at any node, neither of the packet's way nor of the answer's.
#[test]
fn packets_built_on_a_document_that_is_nearly_stale_pass_all_nodes() {
    let epoch = Duration::from_secs(600);
    let directory = Directory { epoch, ..Directory::default() };
    let layout = Layout { directory, ..Layout::default() };
    let mut world = World::<Toy>::of(Setup { layout, ..Setup::new(12) });
    let bob = world.add_client(SOUTH);
    world.run_for(epoch - Duration::from_secs(5));
    assert!(world.is_reachable(bob));
    let old = world.view(NORTH).unwrap();
    let built = Duration::from_secs(119);
    world.run_for(built);
    let new = world.view(NORTH).unwrap();
    let changed =
        |number| old.key(number).unwrap().generation() < new.key(number).unwrap().generation();
    assert!(world.roster().nodes().all(|node| changed(node.number)), "all keys are new");
    let mailbox = world.contact(bob).mailboxes[0].clone();
    let mut rng = ChaCha20Rng::from_seed([12; 32]);
    for number in 0..40 {
        let path = Path::to_relay(&old, 0, mailbox.relay, &mut rng).unwrap();
        let store = Store {
            mailbox: mailbox.id,
            write_key: mailbox.write_key.clone(),
            envelope: Envelope::<Toy>::from_bytes(&vec![number; Toy::ENVELOPE_LEN]).unwrap(),
        };
        let hops = path.hops(&old, Route::deliver()).unwrap();
        let packet = wrap(0, &hops, &store.encode(), &mut rng).unwrap();
        let generation = hops[0].key.generation().short();
        let frame = Frame { generation, packet };
        world.send(NORTH, OutgoingFrame { to: path.first(), frame }, Kind::Transit);
        world.run_for(Duration::from_secs(1));
    }
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.refused_anywhere(Refusal::Generation), 0);
    let dropped = world.events.iter().filter(|told| matches!(told.event, Event::Dropped)).count();
    assert!(dropped > 20, "{dropped} of the random envelopes were served");
}
