//! What an observer of all links can record does not depend on mail.

use std::time::Duration;

use rohrpost_packet::{Classic, Hybrid, NodeNumber, Suite};
use rohrpost_proto::time::Time;
use rohrpost_tests::{Address, Conditions, Kind, Memory, NORTH, Record, Setup, Toy, World, seeds};

/// Letters that the busy network carries.
const LETTERS: u8 = 40;
/// Longer than a session lives without cells.
const CUT: Duration = Duration::from_secs(15);

/// Four clients over two minutes; with mail, two of them write to each other all the time.
fn run<S: Suite>(seed: u64, conditions: Conditions, letters: u8) -> World<S> {
    let mut world = World::new(seed, conditions);
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

/// Two runs of one seed, without and with mail: what goes over the clients' links, and what leaves
/// the mailboxes, is the same byte for byte. Gives how many letters arrived.
fn letters_behind_equal_records<S: Suite>(seed: u64, conditions: Conditions) -> usize {
    let silent = run::<S>(seed, conditions, 0);
    let busy = run::<S>(seed, conditions, LETTERS);
    for kinds in [&[Kind::Cell][..], &[Kind::Answer][..]] {
        let (silent, busy) = (silent.observed(kinds), busy.observed(kinds));
        assert!(silent.lines().count() > 500, "the observer saw too little, seed {seed}");
        assert!(silent == busy, "the records of {kinds:?} differ, seed {seed}");
    }
    assert!(entered(&silent) == entered(&busy), "the entries' sums differ, seed {seed}");
    // Letters take other paths than the cover in their place: the runs are not one run twice.
    assert!(silent.observed(&[Kind::Transit]) != busy.observed(&[Kind::Transit]), "seed {seed}");
    assert!(silent.arrived(0).is_empty() && silent.arrived(1).is_empty(), "seed {seed}");
    busy.arrived(0).len() + busy.arrived(1).len()
}

/// What the entry relays pass on: when, which relay, how long. To which mix depends on the path.
fn entered<S: Suite>(world: &World<S>) -> Vec<(Time, Address, usize)> {
    let relay =
        |record: &&Record| (1..=4).any(|n| record.from == Address::Node(NodeNumber::new(n)));
    let transit = world.observer.records().iter().filter(|record| record.kind == Kind::Transit);
    transit.filter(relay).map(|record| (record.at, record.from, record.len)).collect()
}

#[test]
fn an_observer_cannot_tell_a_writer_from_a_silent_client() {
    let all = usize::from(LETTERS);
    for seed in seeds() {
        let arrived = letters_behind_equal_records::<Toy>(seed, Conditions::CALM);
        assert_eq!(arrived, all, "all mail arrives, seed {seed}");
    }
    assert_eq!(letters_behind_equal_records::<Classic>(1, Conditions::CALM), all);
    assert_eq!(letters_behind_equal_records::<Hybrid>(1, Conditions::CALM), all);
}

/// Lost pulls leave gaps in the answers. They are the same gaps with and without mail.
#[test]
fn an_observer_cannot_tell_them_apart_by_what_is_lost() {
    let lossy = Conditions { lost_per_million: 20_000, ..Conditions::CALM };
    for seed in seeds() {
        let arrived = letters_behind_equal_records::<Toy>(seed, lossy);
        assert!((20..=40).contains(&arrived), "{arrived} letters arrived, seed {seed}");
    }
}

/// The comparison is worth something: another seed's records are different.
#[test]
fn another_seed_leaves_another_record() {
    let [one, other] = [1, 2].map(|seed| run::<Toy>(seed, Conditions::CALM, 0));
    for kinds in [&[Kind::Cell][..], &[Kind::Answer][..]] {
        assert!(one.observed(kinds) != other.observed(kinds), "{kinds:?}");
    }
}

#[test]
fn every_client_sends_and_gets_one_cell_of_one_length_per_slot() {
    let world = run::<Toy>(3, Conditions::CALM, LETTERS);
    let cells: Vec<_> = world.observer.records().iter().filter(|r| r.kind == Kind::Cell).collect();
    let seconds = 120;
    for client in 0..4 {
        let up = cells.iter().filter(|r| r.from == Address::Client(client));
        let down = cells.iter().filter(|r| r.to == Address::Client(client));
        let (up, down) = (up.count(), down.count());
        // The grid begins after the first cell has come.
        assert!((4 * seconds - 3..=4 * seconds).contains(&up), "client {client} sent {up}");
        assert!((4 * seconds - 1..=4 * seconds).contains(&down), "client {client} got {down}");
    }
    assert!(cells.iter().all(|record| record.len == 8 + Toy::PACKET_LEN));
    assert!(cells.iter().any(|record| record.to == Address::Node(NORTH)));
}

/// A run with all that can happen to a network is a function of its seed, whatever is kept of it.
#[test]
fn a_run_is_a_function_of_its_seed() {
    let eventful = |seed: u64, memory: Memory| {
        let conditions = Conditions { lost_per_million: 20_000, ..Conditions::CALM };
        let mut world = World::<Toy>::of(Setup { conditions, memory, ..Setup::new(seed) });
        let (one, other) = (world.add_client(NORTH), world.add_client(NodeNumber::new(2)));
        world.introduce(one, other);
        world.run_for(Duration::from_secs(20));
        (0..10).for_each(|number| world.post(one, other, number, &[number]));
        world.cut(&[Address::Client(other)], &[Address::Node(NodeNumber::new(2))], CUT);
        world.kill(NORTH);
        world.run_for(CUT);
        world.start(NORTH);
        world.run_for(Duration::from_secs(40));
        Kind::ALL.iter().map(|kind| world.observer.digest(*kind)).collect::<Vec<_>>()
    };
    let run = eventful(1, Memory::Everything);
    assert!(run.iter().all(Option::is_some));
    assert!(run == eventful(1, Memory::Everything), "another run of one seed");
    assert!(run == eventful(1, Memory::Digest), "a run that keeps less");
    assert!(run != eventful(2, Memory::Everything), "another seed");
}
