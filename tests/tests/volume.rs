//! Many clients at once.

use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rohrpost_packet::{
    Delay, Generation, HOPS, HopSecretKey, NodeNumber, Opened, Packet, PathHop, Route, Suite,
    open_header, wrap,
};
use rohrpost_proto::hop::Refusal;
use rohrpost_virtual::{Bounds, CpuClock, Kind, Layout, Memory, NORTH, Setup, Toy, World};

const CLIENTS: u32 = 2_000;
/// Pairs that write to each other.
const PAIRS: u8 = 25;

/// A network of two thousand clients, in which some write to others: all messages arrive, nothing
/// is refused for want of room, and every client gets and sends its cells.
fn volume(slot: Duration, at_least: Duration) -> String {
    let mut world = World::<Toy>::of(Setup {
        layout: Layout::with_slot(slot),
        memory: Memory::Digest,
        bounds: Bounds { sessions: 1_000, replay: 2_000_000, pool: 100_000 },
        ..Setup::new(1)
    });
    let begun = world.now;
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| world.add_client(NodeNumber::new(1 + client % 4))).collect();
    let pairs: Vec<_> = (0..usize::from(PAIRS)).map(|i| (clients[i], clients[i + 1_000])).collect();
    pairs.iter().for_each(|(one, other)| world.introduce(*one, *other));
    let reachable = world.run_until(slot * 200, |world| {
        pairs.iter().all(|(one, other)| world.is_reachable(*one) && world.is_reachable(*other))
    });
    assert!(reachable, "mailboxes answer after some pulls");
    for (number, (one, other)) in (0..PAIRS).zip(&pairs) {
        world.post(*one, *other, number, &[number, 1]);
        world.post(*other, *one, number, &[number, 2]);
    }
    let all = u64::from(PAIRS) * 2;
    assert!(
        world.run_until(slot * 100, |world| world.tally.arrived == all),
        "messages are missing"
    );
    world.run_for(at_least.saturating_sub(world.now.since(begun)));
    for (number, (one, other)) in (0..PAIRS).zip(&pairs) {
        assert_eq!(world.arrived(*other), [[number, 1]], "message {number}");
        assert_eq!(world.arrived(*one), [[number, 2]], "answer {number}");
    }
    for reason in [Refusal::Overload, Refusal::ReplayFull, Refusal::Generation, Refusal::Header] {
        assert_eq!(world.refused_anywhere(reason), 0, "{reason}");
    }
    assert_eq!((world.tally.loops_lost, world.tally.skipped), (0, 0));
    let slots = world.observer.count(Kind::Cell) / u64::from(CLIENTS) / 2;
    format!("{slots} slots of {slot:?}. {}", world.report())
}

/// Slots of four seconds, so that the run stays short: 200 virtual seconds or what it takes.
#[test]
fn two_thousand_clients_exchange_messages() {
    println!("{}", volume(Duration::from_secs(4), Duration::from_secs(200)));
}

/// The default grid, for three minutes.
#[test]
#[ignore = "some minutes of CPU time: cargo test --release -p rohrpost-tests -- --ignored"]
fn two_thousand_clients_on_the_default_grid() {
    println!("{}", volume(Duration::from_millis(250), Duration::from_secs(180)));
}

/// CPU time of a run, per packet: building and opening Toy packets.
#[test]
#[ignore = "prints what packets cost: cargo test --release -p rohrpost-tests -- --ignored --nocapture"]
fn what_a_toy_packet_costs() {
    const PACKETS: u32 = 20_000;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let keys: [HopSecretKey<Toy>; HOPS] =
        std::array::from_fn(|_| HopSecretKey::generate(Generation::new(1), &mut rng));
    let forward = Route::forward(NORTH, Generation::new(1).short(), Delay::ZERO);
    let routes = [forward, forward, forward, Route::deliver()];
    let hops: Vec<_> =
        keys.iter().zip(routes).map(|(key, route)| PathHop { key: key.public(), route }).collect();
    let mut clock = CpuClock::start();
    let mut lap = || std::mem::replace(&mut clock, CpuClock::start()).elapsed() / PACKETS;
    let packets: Vec<Packet<Toy>> =
        (0..PACKETS).map(|_| wrap(0, &hops, b"message", &mut rng).unwrap()).collect();
    let wrapped = lap();
    let opened: Vec<_> =
        packets.into_iter().map(|packet| open_header(packet, 0, &keys[0]).unwrap()).collect();
    let header = lap();
    let forwarded: Vec<_> = opened.into_iter().map(Opened::forward).collect();
    let payload = lap();
    let open = |packet, layer: usize| open_header(packet, layer, &keys[layer]).unwrap();
    for packet in forwarded {
        let packet = open(open(packet, 1).forward(), 2).forward();
        assert!(open(packet, 3).deliver().unwrap().starts_with(b"message"));
    }
    println!(
        "a toy packet of {} bytes: build for {HOPS} hops {wrapped:?}, open a header {header:?}, \
         permute a payload {payload:?}; the rest of the way {:?}",
        Toy::PACKET_LEN,
        lap(),
    );
}
