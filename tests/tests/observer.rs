//! What an observer of all links can record does not depend on mail.

use std::time::Duration;

use rohrpost_packet::{Classic, NodeNumber, Suite};
use rohrpost_tests::{Conditions, Kind, NORTH, Toy, World, seeds};

/// Four clients over two minutes; with mail, two of them write to each other all the time.
fn run<S: Suite>(seed: u64, letters: u8) -> World<S> {
    let mut world = World::new(seed, Conditions::CALM);
    let entries = [1, 2, 3, 4].map(NodeNumber::new);
    let clients = entries.map(|entry| world.add_client(entry));
    world.introduce(clients[0], clients[1]);
    world.introduce(clients[2], clients[0]);
    world.run_for(Duration::from_secs(30));
    for number in 0..letters {
        let (from, to) = if number % 2 == 0 { (0, 1) } else { (2, 0) };
        world.post(clients[from], clients[to], number, &[number; 700]);
        world.run_for(Duration::from_secs(1));
    }
    world.run_for(Duration::from_secs(90 - u64::from(letters)));
    world
}

fn records_are_the_same_with_and_without_mail<S: Suite>(seed: u64) {
    let (silent, busy) = (run::<S>(seed, 0), run::<S>(seed, 40));
    let got = busy.arrived(1).len() + busy.arrived(0).len();
    assert_eq!(got, 40, "all mail arrives, seed {seed}");
    for kinds in [&[Kind::Cell][..], &[Kind::Answer][..]] {
        let (silent, busy) = (silent.observed(kinds), busy.observed(kinds));
        assert!(silent.lines().count() > 500, "the observer saw something, seed {seed}");
        assert!(silent == busy, "the records of {kinds:?} differ, seed {seed}");
    }
    // What must differ if the comparison is worth anything: other paths between the mixes, and
    // another seed's records.
    assert!(silent.observed(&[Kind::Transit]) != busy.observed(&[Kind::Transit]));
    let other = run::<S>(seed + 1_000, 0);
    assert!(silent.observed(&[Kind::Cell]) != other.observed(&[Kind::Cell]));
}

#[test]
fn an_observer_cannot_tell_a_writer_from_a_silent_client() {
    for seed in seeds() {
        records_are_the_same_with_and_without_mail::<Toy>(seed);
    }
    records_are_the_same_with_and_without_mail::<Classic>(1);
}

#[test]
fn every_client_sends_and_gets_one_cell_of_one_length_per_slot() {
    let world = run::<Toy>(3, 20);
    let cells: Vec<_> = world.records.iter().filter(|r| r.kind == Kind::Cell).collect();
    let seconds = 120;
    for client in 0..4 {
        let up = cells.iter().filter(|r| r.from == rohrpost_tests::Address::Client(client));
        let down = cells.iter().filter(|r| r.to == rohrpost_tests::Address::Client(client));
        let (up, down) = (up.count(), down.count());
        assert!((4 * seconds - 1..=4 * seconds).contains(&up), "client {client} sent {up}");
        assert!((4 * seconds - 1..=4 * seconds).contains(&down), "client {client} got {down}");
    }
    assert!(cells.iter().all(|record| record.len == 8 + Toy::PACKET_LEN));
    assert!(cells.iter().any(|record| record.to == rohrpost_tests::Address::Node(NORTH)));
}
