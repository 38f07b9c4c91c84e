//! Pulls of many clients: the schedule of the courier, and a real entry relay under virtual time.
//! Gives what mailbox relays and the entry relay see of them.

use std::f64::consts::TAU;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{CryptoRng, RngExt};
use rohrpost_measure::statistics::float;
use rohrpost_packet::{HOPS, NodeNumber, Packet, ShortGeneration, Suite};
use rohrpost_proto::courier::Load;
use rohrpost_proto::delay::exponential;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::entry::{Entry, SessionHandle};
use rohrpost_proto::frame::UpCell;
use rohrpost_proto::time::{Slot, Time};
use rohrpost_virtual::Toy;

/// Number of mailboxes of each client.
pub(crate) const MAILBOXES: usize = 2;

/// Pulls of a client, by mailbox.
#[derive(Clone, Default)]
pub(crate) struct Pulls {
    /// Times at which they left the entry relay.
    pub(crate) left: [Vec<Time>; MAILBOXES],
    /// Times at which they reached the mailbox's relay, in order.
    pub(crate) arrived: [Vec<Time>; MAILBOXES],
}

/// A client with its place on the grid.
struct Client {
    session: SessionHandle,
    phase: Duration,
    /// Slot of the next cell, and when that reaches the entry relay.
    next: Slot,
    arrives: Time,
}

/// Lets `clients` pull for `duration` through one entry relay.
pub(crate) fn pulls(
    traffic: &Traffic,
    clients: usize,
    duration: Duration,
    rng: &mut StdRng,
) -> Vec<Pulls> {
    let mut entry = Entry::<Toy>::new(traffic.slot, clients);
    let begin = BEGIN;
    let mut clients: Vec<_> =
        (0..clients).map(|_| Client::join(&mut entry, traffic, begin, rng)).collect();
    let mut pulls = vec![Pulls::default(); clients.len()];
    let mut tick = begin;
    while tick < begin + duration {
        tick = entry.next_tick(tick);
        for (index, client) in clients.iter_mut().enumerate() {
            client.send_until(tick, index, &mut entry, traffic, rng);
        }
        for outgoing in entry.tick(tick, rng).up {
            if let Some((client, mailbox)) = pull_of(outgoing.to) {
                pulls[client].left[mailbox].push(tick);
                pulls[client].arrived[mailbox].push(tick + transit(traffic, rng));
            }
        }
    }
    pulls.iter_mut().flat_map(|pulls| &mut pulls.arrived).for_each(|times| times.sort_unstable());
    pulls
}

/// Time for three mixes.
pub(crate) fn transit(traffic: &Traffic, rng: &mut impl CryptoRng) -> Duration {
    (1..HOPS).map(|_| exponential(traffic.mix_delay, rng).duration()).sum()
}

impl Client {
    fn join(entry: &mut Entry<Toy>, traffic: &Traffic, now: Time, rng: &mut StdRng) -> Self {
        let session = entry.join(rng).expect("the entry has room for all clients");
        let phase = traffic.client_phase(rng);
        let next = now.slot(traffic.slot).next();
        let arrives = next.start(traffic.slot) + phase + way(rng);
        Self { session, phase, next, arrives }
    }

    /// Hands the entry relay the cells that have arrived by `now`.
    fn send_until(
        &mut self,
        now: Time,
        index: usize,
        entry: &mut Entry<Toy>,
        traffic: &Traffic,
        rng: &mut StdRng,
    ) {
        while self.arrives <= now {
            let first_hop = name(index, Load::draw(self.next, MAILBOXES, rng));
            let packet = Packet::from_bytes(&[0; Toy::PACKET_LEN]).expect("a packet's length");
            let generation = ShortGeneration::new(0);
            let cell = UpCell::Packet { first_hop, generation, packet };
            entry.handle_cell(self.session, cell).expect("one cell per slot finds room");
            self.next = self.next.next();
            self.arrives = self.next.start(traffic.slot) + self.phase + way(rng);
        }
    }
}

/// Place of these moments within `period`, in the mean: an angle.
pub(crate) fn place(times: &[Time], period: Duration) -> f64 {
    let turn = period.as_secs_f64() * 1e6;
    let angle = |time: &Time| (float(time.micros()) / turn).fract() * TAU;
    let sine: f64 = times.iter().map(|time| angle(time).sin()).sum();
    let cosine: f64 = times.iter().map(|time| angle(time).cos()).sum();
    sine.atan2(cosine)
}

/// Latency of a client's link.
fn way(rng: &mut StdRng) -> Duration {
    Duration::from_micros(rng.random_range(5_000..15_000))
}

/// First hop under which a cell is told from others: the entry relay does not look at it.
fn name(client: usize, load: Load) -> NodeNumber {
    let place = match load {
        Load::Pull(mailbox) => 1 + client * MAILBOXES + mailbox,
        Load::Payload | Load::Loop(_) => 0,
    };
    NodeNumber::new(u32::try_from(place).expect("clients are few"))
}

/// Client and mailbox of a pull; `None` of what is no pull.
fn pull_of(name: NodeNumber) -> Option<(usize, usize)> {
    let place = usize::try_from(name.get()).ok()?.checked_sub(1)?;
    Some((place / MAILBOXES, place % MAILBOXES))
}

/// Begin of all runs, a multiple of all periods.
pub(crate) const BEGIN: Time = Time::from_micros(1_000_000_000_000);
