//! Sequences of operations on a mix and its hop, against a model.
//!
//! The model knows which packets were made, under which key, and what must become of them. It
//! checks each refusal, the bound of the pool, that nothing leaves before it is due or out of
//! order, and that no packet is accepted twice while its key lives.
#![no_main]

use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use chacha20::ChaCha20Rng;
use libfuzzer_sys::fuzz_target;
use rohrpost_fuzz::network::ROSTER;
use rohrpost_fuzz::path::generation as spare_generation;
use rohrpost_fuzz::rng;
use rohrpost_fuzz::toy::Toy;
use rohrpost_packet::{
    BufferPool, Delay, Generation, HOPS, HopPublicKey, HopSecretKey, NodeNumber, Packet, PathHop,
    Route, SessionId, ShortGeneration, Suite, wrap,
};
use rohrpost_proto::delay::longest;
use rohrpost_proto::frame::{Frame, HEADER_LEN, OutgoingFrame};
use rohrpost_proto::hop::{Hop, Refusal};
use rohrpost_proto::mix::Mix;
use rohrpost_proto::mix::pool::TICK;
use rohrpost_proto::replay::{Ingress, SPARE_LINKS};
use rohrpost_proto::time::Time;

#[derive(Arbitrary, Debug)]
struct Script {
    layer: u8,
    bound: u8,
    replay_limit: u8,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    /// A new packet under one of the keys that were ever made.
    Arrive {
        key: u8,
        link: u8,
        kind: Kind,
    },
    /// A packet that was sent before.
    Replay {
        packet: u8,
        link: u8,
    },
    /// A packet that was sent before, with one byte changed: in the frame's header, the packet's,
    /// or the payload.
    Mutate {
        packet: u8,
        place: u16,
        bits: NonZeroU8,
    },
    Advance {
        micros: u32,
    },
    PollOne,
    PollAll,
    PollLoop,
    /// A packet of an own virtual client.
    Insert {
        later: u32,
    },
    Rotate {
        step: u32,
        grace: u32,
    },
    Sweep,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Forward { delay: u32, second: bool },
    Stray { next: u16 },
    Loop,
    Deliver,
    Reply,
}

/// A packet that was made: its frame, its key, whether it was opened under that key.
struct Made {
    frame: Box<[u8]>,
    key: usize,
    kind: Kind,
    mark: u16,
    opened: bool,
}

/// A key that was made, named by its index.
struct Key {
    public: HopPublicKey<Toy>,
    retires: Option<Time>,
    live: bool,
    /// Packets remembered, by the link that brought them.
    held: [usize; LINKS],
}

struct World {
    layer: usize,
    bound: usize,
    replay_limit: usize,
    now: Time,
    /// Buffers for as many packets as may wait, and one that arrives.
    buffers: Arc<BufferPool>,
    hop: Arc<Hop<Toy>>,
    mix: Mix<Toy>,
    rng: ChaCha20Rng,
    keys: Vec<Key>,
    made: Vec<Made>,
    /// Due time, order of arrival, mark, and source: a link, or [`OWN`].
    pool: BTreeSet<(Time, usize, u16, usize)>,
    arrivals: usize,
    loops: usize,
    spare: Vec<HopSecretKey<Toy>>,
}

fuzz_target!(|script: Script| {
    let mut world = World::new(&script);
    world.rotate(1, 1);
    for operation in script.operations.iter().take(OPERATIONS) {
        world.follow(operation);
        world.check();
    }
});

impl World {
    fn new(script: &Script) -> Self {
        let layer = usize::from(script.layer) % (HOPS - 1);
        let bound = usize::from(script.bound) % 24;
        let replay_limit = usize::from(script.replay_limit);
        let hop = Arc::new(Hop::new(layer, LINKS, replay_limit));
        let mut rng = rng(60);
        let spare =
            (0..HOPS).map(|layer| HopSecretKey::generate(spare_generation(layer), &mut rng));
        Self {
            layer,
            bound,
            replay_limit,
            now: Time::from_micros(1_795_000_000_000_000),
            mix: Mix::new(Arc::clone(&hop), &ROSTER, layer, bound),
            hop,
            buffers: BufferPool::new(bound + 1, Toy::PACKET_LEN),
            spare: spare.collect(),
            rng,
            keys: Vec::new(),
            made: Vec::new(),
            pool: BTreeSet::new(),
            arrivals: 0,
            loops: 0,
        }
    }

    fn follow(&mut self, operation: &Operation) {
        match operation {
            Operation::Arrive { key, link, kind } => {
                self.arrive(usize::from(*key), usize::from(*link), *kind);
            }
            Operation::Replay { packet, link } => {
                self.again(usize::from(*packet), usize::from(*link), None);
            }
            Operation::Mutate { packet, place, bits } => {
                self.again(usize::from(*packet), 0, Some((usize::from(*place), bits.get())));
            }
            Operation::Advance { micros } => {
                self.now = self.now + Duration::from_micros(u64::from(*micros));
            }
            Operation::PollOne => drop(self.poll()),
            Operation::PollAll => {
                while self.poll() {}
                let timeout = self.mix.poll_timeout();
                assert!(timeout.is_none_or(|timeout| timeout > self.now), "called again at once");
            }
            Operation::PollLoop => {
                assert_eq!(self.mix.poll_loop().is_some(), self.loops > 0);
                self.loops = self.loops.saturating_sub(1);
            }
            Operation::Insert { later } => self.insert(*later),
            Operation::Rotate { step, grace } => self.rotate(*step, *grace),
            Operation::Sweep => {
                self.hop.sweep(self.now);
                let now = self.now;
                let over = |key: &&mut Key| key.retires.is_some_and(|retires| retires <= now);
                self.keys.iter_mut().filter(over).for_each(|key| key.live = false);
            }
        }
    }

    fn check(&self) {
        assert!(self.mix.waiting() <= self.bound);
        assert_eq!(self.mix.waiting(), self.pool.len());
        // No buffer is lost, and none is held for what was refused.
        let pooled = self.pool.iter().filter(|(.., source)| *source != OWN).count();
        assert_eq!(self.buffers.fill().0, self.bound + 1 - pooled);
        // The timeout may wake the driver early, never late.
        let timeout = self.mix.poll_timeout();
        assert_eq!(timeout.is_some(), !self.pool.is_empty());
        assert!(timeout <= self.pool.first().map(|(due, ..)| tick_after(*due)));
        let newest = self.keys.last().filter(|key| key.live);
        let held = newest.map_or(0, |key| key.held.iter().sum());
        assert_eq!(self.hop.replay_fill().0, held);
        assert!(held <= self.replay_limit.next_multiple_of(SHARDS));
    }

    fn rotate(&mut self, step: u32, grace: u32) {
        let last = self.keys.last().map_or(1_000, |key| key.public.generation().get());
        let Some(generation) = last.checked_add(step.max(1)) else { return };
        let retires = self.now + Duration::from_micros(u64::from(grace));
        let public = self.hop.rotate(Generation::new(generation), retires, &mut self.rng);
        assert_eq!(self.hop.newest().map(|key| key.generation()), Some(public.generation()));
        let live = self.keys.iter().filter(|key| key.live).count();
        if live == MAX_GENERATIONS {
            let oldest = self.keys.iter_mut().find(|key| key.live);
            oldest.expect("three are live").live = false;
        }
        for key in self.keys.iter_mut().filter(|key| key.live) {
            key.retires = Some(key.retires.map_or(retires, |before| before.min(retires)));
        }
        self.keys.push(Key { public, retires: None, live: true, held: [0; LINKS] });
    }

    fn arrive(&mut self, key: usize, link: usize, kind: Kind) {
        let key = self.keys.len() - 1 - key % self.keys.len();
        let mark = u16::try_from(self.made.len()).expect("few operations");
        let to = |second: bool| match self.layer {
            // Nodes 1 and 2 are relays, 3 to 8 mixes, two in each layer.
            2 => 1 + u32::from(second),
            layer => 5 + 2 * u32::try_from(layer).expect("three") + u32::from(second),
        };
        let next = ShortGeneration::new(mark);
        let route = match kind {
            Kind::Forward { delay, second } => {
                Route::forward(NodeNumber::new(to(second)), next, delay_of(delay))
            }
            Kind::Stray { next: node } => {
                // The node is never a successor: those are nodes 1 to 8, or one of the own layer.
                let node = NodeNumber::new(9 + u32::from(node));
                Route::forward(node, next, Delay::ZERO)
            }
            Kind::Loop => Route::own_loop(),
            Kind::Deliver => Route::deliver(),
            Kind::Reply => Route::reply(SessionId::new([1; 16])),
        };
        let public = &self.keys[key].public;
        let mut hops = vec![PathHop { key: public, route }];
        let spare = self.spare[self.layer + 1..].iter();
        hops.extend(spare.map(|spare| PathHop { key: spare.public(), route: Route::deliver() }));
        let packet = wrap(self.layer, &hops, &mark.to_be_bytes(), &mut self.rng);
        let packet = packet.expect("valid keys down to the last layer");
        let frame = Frame { generation: public.generation().short(), packet }.encode();
        let frame = Box::from(&*frame);
        self.made.push(Made { frame, key, kind, mark, opened: false });
        self.again(self.made.len() - 1, link, None);
    }

    /// Sends a packet that was made, perhaps once more, perhaps changed.
    fn again(&mut self, packet: usize, link: usize, change: Option<(usize, u8)>) {
        if self.made.is_empty() {
            return;
        }
        let index = packet % self.made.len();
        let mut bytes = self.buffers.take().expect("a buffer for each that waits, and one");
        bytes.copy_from_slice(&self.made[index].frame);
        let len = bytes.len();
        let place = change.map(|(place, bits)| {
            bytes[place % len] ^= bits;
            place % len
        });
        let Ok(frame) = Frame::decode(bytes) else {
            return assert!(
                place.is_some_and(|place| ![2, 3].contains(&place) && place < HEADER_LEN)
            );
        };
        let header = HEADER_LEN..HEADER_LEN + (HOPS - self.layer) * Toy::LAYER_LEN;
        let damaged = place.is_some_and(|place| header.contains(&place));
        let wanted = self.newest_of(frame.generation);
        let result = self.mix.handle_frame(self.now, ingress(link), frame);
        let made = &mut self.made[index];
        let Some(key) = wanted else { return assert_eq!(result, Err(Refusal::Generation)) };
        if damaged || key != made.key {
            return assert_eq!(result, Err(Refusal::Header));
        }
        if let Some(refusal) = refusal_of(made.kind) {
            return assert_eq!(result, Err(refusal), "whether it came before or not");
        }
        let links = &mut self.keys[key].held;
        if link >= LINKS {
            return assert_eq!(result, Err(Refusal::ReplayFull), "a link that is none");
        }
        if made.opened {
            return assert_eq!(result, Err(Refusal::Replay), "accepted twice");
        }
        let quota = (2 * self.replay_limit).div_ceil(LINKS + 1);
        if links[link] >= quota {
            return assert_eq!(result, Err(Refusal::ReplayFull), "beyond the link's quota");
        }
        if result == Err(Refusal::ReplayFull) {
            let shard = self.replay_limit.div_ceil(SHARDS);
            return assert!(links.iter().sum::<usize>() >= shard, "full too early");
        }
        made.opened = true;
        links[link] += 1;
        let (kind, mark) = (made.kind, made.mark);
        assert_eq!(result, self.expect(kind, mark, link));
    }

    /// Outcome of a packet that is opened for the first time.
    fn expect(&mut self, kind: Kind, mark: u16, link: usize) -> Result<(), Refusal> {
        match kind {
            Kind::Stray { .. } | Kind::Deliver | Kind::Reply => {
                unreachable!("refused before the replay test")
            }
            Kind::Loop if self.loops >= LOOP_BOUND => Err(Refusal::Overload),
            Kind::Loop => {
                self.loops += 1;
                Ok(())
            }
            Kind::Forward { delay, .. } => {
                self.keep(self.now + delay_of(delay).duration(), mark, link)
            }
        }
    }

    fn keep(&mut self, due: Time, mark: u16, source: usize) -> Result<(), Refusal> {
        let held = |source| self.pool.iter().filter(|waiting| waiting.3 == source).count();
        let reserve = self.bound / (2 * SOURCES);
        let common: usize = (0..SOURCES).map(|source| held(source).saturating_sub(reserve)).sum();
        let shared = common < self.bound - reserve * SOURCES
            && held(source) < (2 * self.bound).div_ceil(SOURCES + 1);
        if held(source) >= reserve && !shared {
            return Err(Refusal::Overload);
        }
        self.arrivals += 1;
        self.pool.insert((due, self.arrivals, mark, source));
        Ok(())
    }

    fn insert(&mut self, later: u32) {
        let due = self.now + Duration::from_micros(u64::from(later));
        let frame = Frame {
            generation: ShortGeneration::new(OWN_MARK),
            packet: Packet::from_bytes(&vec![0; Toy::PACKET_LEN]).expect("a packet's length"),
        };
        let result = self.mix.insert(due, OutgoingFrame { to: NodeNumber::new(5), frame });
        assert_eq!(result, self.keep(due, OWN_MARK, OWN));
    }

    /// Polls the next packet that is due, if the model has one; false if there was none.
    fn poll(&mut self) -> bool {
        let due = self.pool.first().copied().filter(|(due, ..)| tick_after(*due) <= self.now);
        let departure = self.mix.poll_transmit(self.now);
        let (Some((at, order, mark, source)), Some(departure)) = (due, &departure) else {
            assert!(due.is_none() && departure.is_none(), "not when it is due");
            return false;
        };
        assert_eq!(departure.lateness, self.now.since(at));
        assert_eq!(departure.outgoing.frame.generation.get(), mark);
        self.pool.remove(&(at, order, mark, source));
        true
    }

    fn newest_of(&self, short: ShortGeneration) -> Option<usize> {
        let fits = |key: &Key| key.live && key.public.generation().short() == short;
        self.keys.iter().rposition(fits)
    }
}

/// Delay of a packet: one of two lies beyond what a mix accepts.
fn delay_of(number: u32) -> Delay {
    let longest = u32::try_from(longest(ROSTER.traffic.mix_delay).as_micros()).expect("5.5 s");
    Delay::from_micros(number % (2 * longest))
}

/// Refusal that a packet's route earns, whenever it comes.
fn refusal_of(kind: Kind) -> Option<Refusal> {
    match kind {
        Kind::Stray { .. } => Some(Refusal::Next),
        Kind::Deliver | Kind::Reply => Some(Refusal::Command),
        Kind::Forward { delay, .. } => (delay_of(delay).duration()
            > longest(ROSTER.traffic.mix_delay))
        .then_some(Refusal::Route),
        Kind::Loop => None,
    }
}

/// Tick at which a packet leaves: the first at or after the moment it is due.
fn tick_after(due: Time) -> Time {
    (due - Duration::from_micros(1)).next_multiple(TICK)
}

/// Operations of a sequence at most: enough for every pair of operations to meet; more only makes a
/// run slow.
const OPERATIONS: usize = 96;
const LOOP_BOUND: usize = 64;
const MAX_GENERATIONS: usize = 3;
const SHARDS: usize = 16;
const LINKS: usize = 2;
/// Sources of packets in the pool: the links, and the mix's own cover, which is the last.
const SOURCES: usize = LINKS + 1;
const OWN: usize = LINKS;
/// The place of a link; one that is none comes behind those that may come while a mix runs.
fn ingress(link: usize) -> Ingress {
    Ingress::new(if link < LINKS { link } else { link + SPARE_LINKS })
}

/// Mark of own packets; fewer others are ever made.
const OWN_MARK: u16 = u16::MAX;
