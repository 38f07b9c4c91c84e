//! Nothing is lost: whatever loses its memory, every message is delivered once and in order.

use std::collections::BTreeMap;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::RngExt;
use rand_core::SeedableRng;
use rohrpost_packet::envelope::fragment_body_len;
use rohrpost_packet::{Generation, Hybrid, NodeNumber, Suite};
use rohrpost_proto::time::Time;
use rohrpost_virtual::{
    Bounds, Conditions, Layout, Memory, NORTH, Setup, Toy, World, every_seed, seeds, seeds_or,
};

/// Five relays of five operators. Relay 5 dies for good: it holds mailboxes of many clients, but no
/// client enters through it, for a client whose own relay is gone has to be given another one by
/// people.
const RELAYS: u32 = 5;
const MORTAL: NodeNumber = NodeNumber::new(5);
const ENTRIES: u32 = 4;
const SECOND: Duration = Duration::from_secs(1);
/// Eight times the default, so that the run stays short. Everything that is counted in slots or
/// answers takes as many of them as by default.
const SLOT: Duration = Duration::from_secs(2);
/// A quarter of the default, so that time-outs are some four minutes.
const ACK_DELAY: Duration = Duration::from_secs(30);
/// Time in which messages are posted and things go wrong.
const TURMOIL: Duration = Duration::from_secs(1_000);
/// Deadline after the turmoil, by which the last outbox must be empty.
const DEADLINE: Duration = Duration::from_secs(4 * 3_600);

/// Clients of a run, and how much each writes to whom.
#[derive(Clone, Copy)]
struct Crowd {
    clients: usize,
    /// Number of clients that each client writes to: so many of those after it.
    contacts: usize,
    /// Messages from each client to each of its contacts.
    messages: u32,
}

/// Something that is done to the network.
#[derive(Clone, Copy)]
enum Deed {
    Post { from: usize, to: usize },
    Kill(NodeNumber),
    Start(NodeNumber),
    Restart(usize),
}

#[test]
fn ten_thousand_messages_survive_all_losses_of_memory() {
    let crowd = Crowd { clients: 200, contacts: 2, messages: 25 };
    every_seed(seeds_or(1), |seed| println!("{}", survive::<Toy>(seed, crowd)));
}

#[test]
fn hybrid_messages_survive_all_losses_of_memory() {
    let crowd = Crowd { clients: 20, contacts: 2, messages: 25 };
    every_seed(1..seeds().end.min(4), |seed| println!("{}", survive::<Hybrid>(seed, crowd)));
}

/// Runs one seed, and gives what the run was and cost.
fn survive<S: Suite>(seed: u64, crowd: Crowd) -> String {
    let mut world = begin::<S>(seed, crowd);
    let origin = world.now;
    let before = generations(&mut world);
    let deeds = plan(seed, &world, crowd);
    let posted = unfold(&mut world, deeds, seed);
    assert_restarted(&before, &generations(&mut world), seed);
    let summary = drain(&mut world, crowd, origin, seed);
    assert_delivered(&world, crowd, &posted, seed);
    assert_bereft(&before, &generations(&mut world), seed);
    assert_recovered(&world, crowd, &posted, seed);
    summary
}

/// Bodies that were posted from whom to whom, in that order.
type Posted = BTreeMap<(usize, usize), Vec<Vec<u8>>>;

/// Asserts that every node but the mortal one has another key than before the turmoil: before an
/// epoch is over, only a new process makes one.
fn assert_restarted(
    before: &BTreeMap<NodeNumber, Generation>,
    after: &BTreeMap<NodeNumber, Generation>,
    seed: u64,
) {
    for (node, generation) in before.iter().filter(|(node, _)| **node != MORTAL) {
        assert!(after.get(node) > Some(generation), "node {node} has not restarted, seed {seed}");
    }
}

/// Lets time pass until all outboxes are empty, and gives what the run was and cost.
fn drain<S: Suite>(world: &mut World<S>, crowd: Crowd, origin: Time, seed: u64) -> String {
    let begun = world.now;
    let waiting = |world: &World<S>| -> usize {
        (0..crowd.clients).map(|client| world.outbox_len(client)).sum()
    };
    let done = world.run_until(DEADLINE, |world| waiting(world) == 0);
    let summary = format!(
        "{} fragments sent, {} sent again; {:.2} virtual hours, the last {:.2} of them after all \
         had been posted; {}",
        world.tally.sent,
        world.tally.sent_again,
        hours(world.now.since(origin)),
        hours(world.now.since(begun)),
        world.report(),
    );
    assert!(done, "{} messages wait, seed {seed}: {summary}", waiting(world));
    summary
}

/// Asserts that each message is in the inbox of its recipient once and in order, that no other
/// message is, and that the senders know.
fn assert_delivered<S: Suite>(world: &World<S>, crowd: Crowd, posted: &Posted, seed: u64) {
    for ((from, to), bodies) in posted {
        let inbox = world.inbox(*to);
        let of_pair = inbox.iter().filter(|(writer, _)| writer == from);
        let same = of_pair.map(|(_, body)| *body).eq(bodies.iter().map(Vec::as_slice));
        assert!(same, "from {from} to {to} not each once and in order, seed {seed}");
    }
    let inboxes: usize = (0..crowd.clients).map(|client| world.inbox(client).len()).sum();
    assert_eq!(inboxes, count(posted), "seed {seed}");
    let delivered = usize::try_from(world.tally.delivered).expect("few messages");
    assert_eq!((delivered, world.tally.expired), (count(posted), 0), "seed {seed}");
    assert_eq!(world.tally.older_copies, 0, "all stores are what they were, seed {seed}");
}

/// Asserts that the mortal node is gone for good, and no other.
fn assert_bereft(
    before: &BTreeMap<NodeNumber, Generation>,
    after: &BTreeMap<NodeNumber, Generation>,
    seed: u64,
) {
    assert_eq!(before.len() - 1, after.len(), "seed {seed}");
    assert!(!after.contains_key(&MORTAL), "seed {seed}");
}

/// Asserts that much had to be sent again, and that every client is back.
fn assert_recovered<S: Suite>(world: &World<S>, crowd: Crowd, posted: &Posted, seed: u64) {
    let again = usize::try_from(world.tally.sent_again).expect("few fragments");
    assert!(again > count(posted) / 10, "seed {seed}");
    assert!((0..crowd.clients).all(|client| world.is_online(client)), "seed {seed}");
}

fn count(posted: &Posted) -> usize {
    posted.values().map(Vec::len).sum()
}

fn hours(time: Duration) -> f64 {
    time.as_secs_f64() / 3600.0
}

/// A network that loses one frame of twenty, and clients that know each other and can be reached.
fn begin<S: Suite>(seed: u64, crowd: Crowd) -> World<S> {
    let mut layout = Layout { operators: 5, relays: RELAYS, ..Layout::with_slot(SLOT) };
    layout.traffic.ack_delay = ACK_DELAY;
    let mut world = World::<S>::of(Setup {
        conditions: Conditions { lost_per_million: 50_000, ..Conditions::CALM },
        layout,
        memory: Memory::Digest,
        // A packet per client and slot, for the epoch that begins with the run.
        bounds: Bounds { replay: 100_000 + 2_000 * crowd.clients, ..Bounds::default() },
        ..Setup::new(seed)
    });
    for client in 0..crowd.clients {
        let entry = 1 + u32::try_from(client).expect("few clients") % ENTRIES;
        world.add_client(NodeNumber::new(entry));
    }
    for from in 0..crowd.clients {
        crowd.contacts_of(from).for_each(|to| world.introduce(from, to));
    }
    let reachable = world
        .run_until(SLOT * 200, |world| (0..crowd.clients).all(|client| world.is_reachable(client)));
    assert!(reachable, "mailboxes answer after some pulls, seed {seed}");
    let at_mortal = |client: &usize| {
        world.contact(*client).mailboxes.iter().any(|mailbox| mailbox.relay == MORTAL)
    };
    let affected = (0..crowd.clients).filter(at_mortal).count();
    assert!(affected * 4 >= crowd.clients, "{affected} mailboxes die with their relay");
    world
}

impl Crowd {
    fn contacts_of(self, client: usize) -> impl Iterator<Item = usize> {
        (1..=self.contacts).map(move |step| (client + step) % self.clients)
    }
}

/// Times and deeds of a run: all messages, one restart of every node, the death of one after its
/// restart, and as many restarts of clients as there are clients, each of any of them.
fn plan<S: Suite>(seed: u64, world: &World<S>, crowd: Crowd) -> Vec<(Duration, Deed)> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut within = |from: Duration, to: Duration| rng.random_range(from..to);
    let mut deeds = Vec::new();
    for from in 0..crowd.clients {
        for to in crowd.contacts_of(from) {
            let post = (0..crowd.messages)
                .map(|_| (within(Duration::ZERO, TURMOIL), Deed::Post { from, to }));
            deeds.extend(post);
        }
        deeds.push((within(Duration::ZERO, TURMOIL), Deed::Restart(from)));
    }
    for node in world.roster().nodes().map(|node| node.number) {
        let killed = within(Duration::ZERO, TURMOIL / 2);
        deeds.push((killed, Deed::Kill(node)));
        deeds.push((killed + within(SECOND, SECOND * 100), Deed::Start(node)));
    }
    deeds.push((within(TURMOIL / 2 + SECOND * 100, TURMOIL), Deed::Kill(MORTAL)));
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

/// Does all deeds, and gives what was posted.
fn unfold<S: Suite>(world: &mut World<S>, deeds: Vec<(Duration, Deed)>, seed: u64) -> Posted {
    let mut rng = ChaCha20Rng::seed_from_u64(!seed);
    let mut posted = Posted::new();
    let begun = world.now;
    let mut number = 0_u32;
    for (at, deed) in deeds {
        world.run_for(at.saturating_sub(world.now.since(begun)));
        match deed {
            Deed::Post { from, to } => {
                // One in twenty is of two to five fragments.
                let room = fragment_body_len::<S>();
                let fragments = if rng.random_ratio(1, 20) { rng.random_range(2..=5) } else { 1 };
                let len = rng.random_range((fragments - 1) * room..fragments * room).max(4);
                let mut body = vec![0; len];
                rng.fill(&mut body[..]);
                body[..4].copy_from_slice(&number.to_be_bytes());
                world.post(from, to, number, &body);
                posted.entry((from, to)).or_default().push(body);
                number += 1;
            }
            Deed::Kill(node) => world.kill(node),
            Deed::Start(node) => world.start(node),
            Deed::Restart(client) => {
                world.restart_client(client);
                assert!(!world.is_online(client), "client {client} is down, seed {seed}");
            }
        }
    }
    posted
}

/// The packet keys of all nodes that are up, by the word of a relay.
fn generations<S: Suite>(world: &mut World<S>) -> BTreeMap<NodeNumber, Generation> {
    let nodes: Vec<_> = world.roster().nodes().map(|node| node.number).collect();
    let view = world.view(NORTH).expect("the relay is up");
    nodes.into_iter().filter_map(|node| Some((node, view.key(node)?.generation()))).collect()
}
