//! The observer's record: nothing of what is seen on all links depends on mail.

use std::time::Duration;

use rohrpost_packet::envelope::fragment_body_len;
use rohrpost_packet::{Classic, Hybrid, NodeNumber, Suite};
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::time::Time;
use rohrpost_virtual::{
    Address, Conditions, Kind, Layout, Memory, NORTH, Record, Setup, Toy, World, every_seed, seeds,
};

/// Messages that the busy network carries.
const MESSAGES: u8 = 32;
/// Number and length of the file.
const FILE: u8 = 0;
const FRAGMENTS: usize = 60;
/// Longer than a session lives without cells.
const CUT: Duration = Duration::from_secs(15);

/// Four clients over two minutes; with mail, two of them write to each other all the time.
fn run<S: Suite>(seed: u64, conditions: Conditions, messages: u8) -> World<S> {
    let mut world = World::new(seed, conditions);
    let entries = [1, 2, 3, 4].map(NodeNumber::new);
    let clients = entries.map(|entry| world.add_client(entry));
    world.introduce(clients[0], clients[1]);
    world.introduce(clients[2], clients[0]);
    world.run_for(Duration::from_secs(30));
    for number in 0..messages {
        let (from, to) = if number % 2 == 0 { (0, 1) } else { (2, 0) };
        world.post(clients[from], clients[to], number, &[number; 700]);
        world.run_for(Duration::from_secs(1));
    }
    world.run_for(Duration::from_secs(90 - u64::from(messages)));
    world
}

/// Two runs of one seed, without and with mail: what goes over the clients' links, and what leaves
/// the mailboxes, is the same byte for byte. Gives how many messages arrived.
fn messages_behind_equal_records<S: Suite>(seed: u64, conditions: Conditions) -> usize {
    let silent = run::<S>(seed, conditions, 0);
    let busy = run::<S>(seed, conditions, MESSAGES);
    assert_equal_records(&silent, &busy, seed);
    busy.arrived(0).len() + busy.arrived(1).len()
}

fn assert_equal_records<S: Suite>(silent: &World<S>, busy: &World<S>, seed: u64) {
    for kinds in [&[Kind::Cell][..], &[Kind::Answer][..]] {
        let (silent, busy) = (silent.observed(kinds), busy.observed(kinds));
        assert!(silent.lines().count() > 500, "the observer saw too little, seed {seed}");
        assert!(silent == busy, "the records of {kinds:?} differ, seed {seed}");
    }
    assert!(entered(silent) == entered(busy), "the entries' sums differ, seed {seed}");
    // Messages take other paths than the cover in their place: the runs are not one run twice.
    assert!(silent.observed(&[Kind::Transit]) != busy.observed(&[Kind::Transit]), "seed {seed}");
    assert_eq!((silent.tally.sent, silent.tally.arrived), (0, 0), "seed {seed}");
}

/// Packets that the entry relays pass on: when, which relay, how long. The mix depends on the path.
fn entered<S: Suite>(world: &World<S>) -> Vec<(Time, Address, usize)> {
    let relay =
        |record: &&Record| (1..=4).any(|n| record.from == Address::Node(NodeNumber::new(n)));
    let transit = world.observer.records().iter().filter(|record| record.kind == Kind::Transit);
    transit.filter(relay).map(|record| (record.at, record.from, record.len)).collect()
}

#[test]
fn an_observer_cannot_tell_a_writer_from_a_silent_client() {
    let all = usize::from(MESSAGES);
    every_seed(seeds(), |seed| {
        let arrived = messages_behind_equal_records::<Toy>(seed, Conditions::CALM);
        assert_eq!(arrived, all, "all mail arrives, seed {seed}");
    });
    assert_eq!(messages_behind_equal_records::<Classic>(1, Conditions::CALM), all);
    assert_eq!(messages_behind_equal_records::<Hybrid>(1, Conditions::CALM), all);
}

/// Lost pulls leave gaps in the answers. They are the same gaps with and without mail.
#[test]
fn an_observer_cannot_tell_them_apart_by_what_is_lost() {
    let lossy = Conditions { lost_per_million: 20_000, ..Conditions::CALM };
    every_seed(seeds(), |seed| {
        let arrived = messages_behind_equal_records::<Toy>(seed, lossy);
        assert!((16..=32).contains(&arrived), "{arrived} messages arrived, seed {seed}");
    });
}

/// Four clients. Every link loses one frame of fifty, and a relay that is the entry of one client
/// and holds mailboxes of others starts anew. With mail, one client sends a file while three others
/// exchange short messages with it and its recipient.
fn transfer(seed: u64, with_mail: bool) -> World<Toy> {
    let traffic = Traffic { ack_delay: Duration::from_secs(10), ..Traffic::default() };
    let mut world = World::<Toy>::of(Setup {
        conditions: Conditions { lost_per_million: 20_000, ..Conditions::CALM },
        layout: Layout { traffic, ..Layout::default() },
        ..Setup::new(seed)
    });
    let entries = [1, 2, 3, 4].map(NodeNumber::new);
    let clients = entries.map(|entry| world.add_client(entry));
    let pairs = [(0, 1), (1, 0), (2, 0), (3, 1)].map(|(a, b)| (clients[a], clients[b]));
    pairs.iter().for_each(|(one, other)| world.introduce(*one, *other));
    world.run_for(Duration::from_secs(30));
    if with_mail {
        world.post(clients[0], clients[1], FILE, &file());
        for number in 1..16_u8 {
            let (from, to) = pairs[1 + usize::from(number % 3)];
            world.post(from, to, number, &[number; 300]);
        }
    }
    world.run_for(Duration::from_secs(30));
    world.kill(entries[2]);
    world.run_for(Duration::from_secs(15));
    world.start(entries[2]);
    world.run_for(Duration::from_secs(225));
    world
}

/// Transfers of one seed without and with mail, for five minutes and until the file has arrived: a
/// fragment that is lost twice in a row has to wait for two time-outs.
fn transfers(seed: u64) -> [World<Toy>; 2] {
    let [mut silent, mut busy] = [false, true].map(|with_mail| transfer(seed, with_mail));
    let mut extra = Duration::ZERO;
    while !has_file(&busy) && extra < Duration::from_secs(1_200) {
        let more = Duration::from_secs(60);
        extra += more;
        busy.run_for(more);
    }
    silent.run_for(extra);
    [silent, busy]
}

fn has_file(world: &World<Toy>) -> bool {
    world.inbox(1).contains(&(0, &file()[..]))
}

fn file() -> Vec<u8> {
    (0..FRAGMENTS * fragment_body_len::<Toy>())
        .map(|at| u8::try_from(at % 251).expect("below 251"))
        .collect()
}

/// Bulk, what leaves again, and acknowledgements take the place of cover and are nothing else to
/// see.
#[test]
fn an_observer_cannot_tell_bulk_retransmission_and_acknowledgements() {
    every_seed(seeds(), |seed| {
        let [silent, busy] = transfers(seed);
        assert_equal_records(&silent, &busy, seed);
        let tally = busy.tally;
        assert!(has_file(&busy), "the file arrived, seed {seed}");
        assert!(tally.sent_again >= 5, "{} left again, seed {seed}", tally.sent_again);
        assert!(tally.delivered >= 8, "{} acknowledged, seed {seed}", tally.delivered);
        let lost: u64 = silent.lost.values().sum();
        assert!(lost > 1_000, "{lost} lost, seed {seed}");
    });
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
    let world = run::<Toy>(3, Conditions::CALM, MESSAGES);
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

/// A run with all that can happen to a network is a function of its seed, whatever is retained of
/// it.
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
