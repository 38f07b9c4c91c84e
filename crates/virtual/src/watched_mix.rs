//! A mix that watches itself: the real core, its watch, real packets from several links, and somebody
//! who fills its pool, starves it, or holds packets back.

use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rohrpost_packet::{Delay, Generation, HopPublicKey, PathHop, Route, SessionId, wrap};
use rohrpost_proto::delay::{exponential, longest};
use rohrpost_proto::directory::roster::{Role, Roster};
use rohrpost_proto::frame::Frame;
use rohrpost_proto::hop::Hop;
use rohrpost_proto::mix::Mix;
use rohrpost_proto::mix::watch::{Alarm, Watch};
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::time::Time;

use crate::node::rng;
use crate::roster::{BEGIN, Layout, NORTH, roster};
use crate::toy::Toy;

/// A mix of the third layer with as many links in as the layout has mixes in a layer, each of
/// another operator while there are operators enough.
pub struct WatchedMix {
    mix: Mix<Toy>,
    watch: Watch,
    roster: Arc<Roster>,
    hop: Arc<Hop<Toy>>,
    /// Key of the mix, made anew each virtual hour.
    key: HopPublicKey<Toy>,
    relay: HopPublicKey<Toy>,
    links: Vec<Feed>,
    rng: ChaCha20Rng,
    now: Time,
    alarms: Vec<(Time, Alarm)>,
}

/// What comes over one link.
struct Feed {
    /// Next packet that the node before sends.
    next: Time,
    /// Packets that are held back.
    held: usize,
}

/// Load of the links, and what an attacker does to them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scene {
    /// Honest packets per second and link.
    pub rate: f64,
    /// Who meddles, and how.
    pub attack: Attack,
}

/// An attack on the pool of a mix.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Attack {
    /// Nobody meddles.
    None,
    /// One link is silent, as while the node before starts anew.
    Restart {
        /// Place of the link.
        link: usize,
    },
    /// Somebody sends packets of the longest delay over one link.
    Fill {
        /// Place of the link.
        link: usize,
        /// Packets per second.
        rate: f64,
    },
    /// Somebody sends packets of usual delays over one link, faster than its share of the pool
    /// drains.
    Flood {
        /// Place of the link.
        link: usize,
        /// Packets per second.
        rate: f64,
    },
    /// Somebody drops all packets but one in `spared`.
    Starve {
        /// Number of packets of which one passes.
        spared: u32,
    },
    /// Somebody holds back the packets of one link until the scene ends.
    Hold {
        /// Place of the link.
        link: usize,
    },
}

impl WatchedMix {
    /// A mix with `links` links whose pool holds `bound` packets.
    #[must_use]
    pub fn new(seed: u64, links: u32, bound: usize) -> Self {
        // As many operators in each layer as links, so that each link is another's.
        let operators = u8::try_from(links * 3).expect("few links").max(6);
        let layout = Layout { operators, mixes_per_layer: links, ..Layout::default() };
        let (_, roster) = roster(&layout);
        let mut rng = rng(seed, "watched mix", bound);
        let count = roster.predecessors(Role::Mix { layer: LAYER }).count();
        let hop = Arc::new(Hop::new(LAYER, count, REPLAY));
        let begin = u32::try_from(BEGIN.seconds()).expect("this century");
        let key = hop.rotate(Generation::new(begin), BEGIN, &mut rng);
        let relay = Hop::<Toy>::new(LAYER + 1, 1, 1).rotate(Generation::new(1), BEGIN, &mut rng);
        let feed = || Feed { next: BEGIN, held: 0 };
        Self {
            mix: Mix::new(Arc::clone(&hop), &roster, LAYER, bound),
            watch: Watch::new(BEGIN, &roster, LAYER),
            roster,
            hop,
            key,
            relay,
            links: (0..count).map(|_| feed()).collect(),
            rng,
            now: BEGIN,
            alarms: Vec::new(),
        }
    }

    /// Lets virtual time pass in a scene; what it has held back is let go at its end.
    pub fn run_for(&mut self, duration: Duration, scene: Scene) {
        let end = self.now + duration;
        loop {
            let arrival = (0..self.links.len()).min_by_key(|link| self.links[*link].next);
            let at = arrival.map_or(end, |link| self.links[link].next.max(self.now));
            let watch = self.watch.poll_timeout();
            if at.min(watch) > end {
                break;
            }
            self.now = at.min(watch);
            self.depart();
            match arrival.filter(|_| at <= watch) {
                Some(link) => self.link_sends(link, scene),
                None => self.watch(),
            }
        }
        self.now = end;
        self.depart();
        self.let_go();
    }

    /// Time since the world began at which each alarm came.
    #[must_use]
    pub fn alarms(&self) -> Vec<(Duration, Alarm)> {
        self.alarms.iter().map(|(at, alarm)| (at.since(BEGIN), *alarm)).collect()
    }

    /// Virtual time since the world began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.since(BEGIN)
    }

    /// Number of packets in the pool.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.mix.waiting()
    }

    fn watch(&mut self) {
        let counts = self.mix.inflow().counts();
        let alarms = self.watch.handle_inflow(self.now, counts);
        self.alarms.extend(alarms.map(|alarm| (self.now, alarm)));
        let age = self.now.seconds() - u64::from(self.key.generation().get());
        if age >= HOUR {
            let generation = Generation::new(u32::try_from(self.now.seconds()).unwrap_or(0));
            self.key = self.hop.rotate(generation, self.now, &mut self.rng);
            self.hop.sweep(self.now);
        }
    }

    /// A packet comes over a link, honest or not; the next one is drawn.
    fn link_sends(&mut self, link: usize, scene: Scene) {
        let (more, delay) = match scene.attack {
            Attack::Fill { link: at, rate } if at == link => {
                (rate, Some(longest(self.roster.traffic.mix_delay)))
            }
            Attack::Flood { link: at, rate } if at == link => (rate, None),
            _ => (0.0, None),
        };
        let all = scene.rate + more;
        let interval = exponential(Duration::from_secs_f64(1.0 / all), &mut self.rng);
        self.links[link].next = self.now + interval.duration();
        let hostile = self.draw() < more / all;
        let spared = match scene.attack {
            Attack::Starve { spared } => self.draw() < 1.0 / f64::from(spared),
            Attack::Restart { link: at } => at != link,
            _ => true,
        };
        match (scene.attack, delay.filter(|_| hostile)) {
            (Attack::Hold { link: at }, _) if at == link => {
                self.links[link].held += 1;
            }
            (_, Some(delay)) => self.send(link, Some(delay)),
            (_, None) if spared => self.send(link, None),
            _ => {}
        }
    }

    fn let_go(&mut self) {
        for link in 0..self.links.len() {
            for _ in 0..std::mem::take(&mut self.links[link].held) {
                self.send(link, None);
            }
        }
    }

    fn send(&mut self, link: usize, delay: Option<Duration>) {
        let mean = self.roster.traffic.mix_delay;
        let delay = match delay {
            Some(delay) => Delay::from_micros(u32::try_from(delay.as_micros()).unwrap_or(0)),
            None => exponential(mean, &mut self.rng),
        };
        let forward = Route::forward(NORTH, self.relay.generation().short(), delay);
        let hops = [
            PathHop { key: &self.key, route: forward },
            PathHop { key: &self.relay, route: Route::reply(SessionId::NONE) },
        ];
        let packet = wrap(LAYER, &hops, &[], &mut self.rng).expect("the path fits the layers");
        let frame = Frame { generation: self.key.generation().short(), packet };
        // A packet that finds no room is what a flood is for.
        let _ = self.mix.handle_frame(self.now, Ingress::new(link), frame);
    }

    fn depart(&mut self) {
        while self.mix.poll_transmit(self.now).is_some() {}
    }

    fn draw(&mut self) -> f64 {
        crate::node::uniform(&mut self.rng)
    }
}

/// The last layer of mixes, so that packets are short to build: two hops.
const LAYER: usize = 2;
/// Packets that the mix remembers under each of its keys, which it changes every hour.
const REPLAY: usize = 1_000_000;
const HOUR: u64 = 3_600;
