//! A mix alone: the real core, real packets, Poisson arrivals; and what an observer of its links
//! sees of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rohrpost_packet::{
    Generation, HopPublicKey, HopSecretKey, NodeNumber, Packet, PathHop, Route, SessionId,
    open_header, wrap,
};
use rohrpost_proto::delay::exponential;
use rohrpost_proto::frame::Frame;
use rohrpost_proto::hop::Hop;
use rohrpost_proto::mix::Mix;
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::time::Time;

use crate::node::rng;
use crate::roster::{BEGIN, Layout, NORTH, roster};
use crate::toy::Toy;

/// A mix of the third layer with one predecessor and one successor, fed with packets for ever.
/// Gives what passes on its links.
pub struct LoneMix {
    mix: Mix<Toy>,
    key: HopPublicKey<Toy>,
    /// Key of the relay behind the mix, which opens what has left and so tells which packet it was.
    relay: HopSecretKey<Toy>,
    /// Mean time between arrivals.
    interval: Duration,
    /// Mean delay of a packet.
    delay: Duration,
    rng: ChaCha20Rng,
    now: Time,
    next_arrival: Time,
    arrivals: u64,
    /// Departures of the last tick; at most what the pool holds.
    seen: VecDeque<Sight>,
}

/// Something on the mix's links, and what the observer cannot see: which packet it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// A packet has gone in.
    Arrival {
        /// Time at which the packet arrived.
        at: Time,
        /// Number of the packet, in order of arrival.
        packet: u64,
    },
    /// A packet has come out.
    Departure {
        /// Time at which the packet left.
        at: Time,
        /// Number that the packet has from its arrival.
        packet: u64,
    },
}

impl LoneMix {
    /// A mix with an empty pool that takes about `arrivals` packets before its replay set is full.
    #[must_use]
    pub fn new(seed: u64, interval: Duration, delay: Duration, arrivals: usize) -> Self {
        let (_, roster) = roster(&Layout::default());
        let mut rng = rng(seed, "lone mix", arrivals);
        let hop = Arc::new(Hop::new(LAYER, 1, arrivals * 2));
        let key = hop.rotate(Generation::new(1), BEGIN, &mut rng);
        let relay = HopSecretKey::generate(Generation::new(1), &mut rng);
        Self {
            mix: Mix::new(hop, &roster, LAYER, arrivals),
            key,
            relay,
            interval,
            delay,
            rng,
            now: BEGIN,
            next_arrival: BEGIN,
            arrivals: 0,
            seen: VecDeque::new(),
        }
    }

    fn arrive(&mut self) -> Sight {
        self.now = self.next_arrival;
        self.next_arrival = self.now + exponential(self.interval, &mut self.rng).duration();
        let packet = self.arrivals;
        self.arrivals += 1;
        let frame = Frame { generation: self.key.generation().short(), packet: self.build(packet) };
        self.mix
            .handle_frame(self.now, Ingress::new(0), frame)
            .expect("a fresh packet for this mix");
        Sight::Arrival { at: self.now, packet }
    }

    /// A packet for the relay behind the mix, with its number where only the relay can read it.
    fn build(&mut self, number: u64) -> Packet<Toy> {
        let relay = self.relay.public();
        let delay = exponential(self.delay, &mut self.rng);
        let hops = [
            PathHop {
                key: &self.key,
                route: Route::forward(NORTH, relay.generation().short(), delay),
            },
            PathHop {
                key: relay,
                route: Route::reply(SessionId::new(u128::from(number).to_be_bytes())),
            },
        ];
        wrap(LAYER, &hops, &[], &mut self.rng).expect("the path fits the layers")
    }

    /// The number in a packet that has left.
    fn number(&self, packet: Packet<Toy>) -> u64 {
        let opened =
            open_header(packet, LAYER + 1, &self.relay).expect("the packet is the relay's");
        let number = u128::from_be_bytes(*opened.route().session.as_bytes());
        u64::try_from(number).expect("packets are numbered in 64 bits")
    }

    fn depart(&mut self, now: Time) {
        self.now = now;
        while let Some(departure) = self.mix.poll_transmit(now) {
            let outgoing = departure.outgoing;
            assert_eq!(outgoing.to, NodeNumber::new(NORTH.get()));
            let packet = self.number(outgoing.frame.packet);
            self.seen.push_back(Sight::Departure { at: now, packet });
        }
    }
}

impl Iterator for LoneMix {
    type Item = Sight;

    /// Next sight; there always is one.
    fn next(&mut self) -> Option<Sight> {
        loop {
            if let Some(sight) = self.seen.pop_front() {
                return Some(sight);
            }
            // Later than now, so that a wake for nothing does not hold time up.
            let timeout = self.mix.poll_timeout().map(|at| at.max(self.now + STEP));
            match timeout.filter(|at| *at <= self.next_arrival) {
                Some(at) => self.depart(at),
                None => return Some(self.arrive()),
            }
        }
    }
}

/// The last layer of mixes, so that packets are short to build: two hops.
const LAYER: usize = 2;
/// Resolution of document time.
const STEP: Duration = Duration::from_micros(1);
