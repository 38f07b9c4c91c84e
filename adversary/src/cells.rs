//! Cells of many clients as they leave a real entry relay under virtual time, and what a mailbox
//! relay can tell from the times at which envelopes reach it.

use std::time::Duration;

use rand::rngs::StdRng;
use rohrpost_measure::statistics::{count, whole};
use rohrpost_packet::{HOPS, NodeNumber, Packet, ShortGeneration, Suite};
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::entry::Entry;
use rohrpost_proto::frame::UpCell;
use rohrpost_proto::time::{Slot, Time};
use rohrpost_virtual::Toy;

use crate::pulls::BEGIN;

/// A cell that left the entry relay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) client: usize,
    pub(crate) slot: Slot,
    pub(crate) left: Time,
}

/// Lets each client send one cell per slot, all through one entry relay, and gives what leaves it,
/// in order. `held` may put off the time at which a cell reaches the relay.
pub(crate) fn cells(
    traffic: &Traffic,
    clients: usize,
    duration: Duration,
    held: impl Fn(usize, Time) -> Time,
    rng: &mut StdRng,
) -> Vec<Cell> {
    let mut entry = Entry::<Toy>::new(traffic.slot, clients);
    let first = BEGIN.slot(traffic.slot).next();
    let mut senders = Vec::with_capacity(clients);
    for _ in 0..clients {
        let session = entry.join(rng).expect("the entry has room for all clients");
        let phase = traffic.client_phase(rng);
        senders.push((session, phase, first));
    }
    let mut cells = Vec::new();
    let mut tick = BEGIN;
    while tick < BEGIN + duration {
        tick = entry.next_tick(tick);
        for (client, (session, phase, next)) in senders.iter_mut().enumerate() {
            while held(client, next.start(traffic.slot) + *phase) <= tick {
                let packet = Packet::from_bytes(&[0; Toy::PACKET_LEN]).expect("a packet's length");
                let first_hop = name(client, clients, next.number() - first.number());
                let generation = ShortGeneration::new(0);
                // What finds no room after a hold is lost, as in the network.
                let _ =
                    entry.handle_cell(*session, UpCell::Packet { first_hop, generation, packet });
                *next = next.next();
            }
        }
        let leaving = entry.tick(tick, rng).up;
        cells.extend(leaving.into_iter().map(|outgoing| {
            let place = u64::from(outgoing.to.get());
            let clients = u64::try_from(clients).expect("clients are few");
            let client = usize::try_from(place % clients).expect("clients are few");
            Cell { client, slot: Slot::new(first.number() + place / clients), left: tick }
        }));
    }
    cells
}

/// First hop under which a cell is told from others: the entry relay does not look at it.
fn name(client: usize, clients: usize, slot: u64) -> NodeNumber {
    let [client, clients] = [client, clients].map(|n| u64::try_from(n).expect("clients are few"));
    NodeNumber::new(u32::try_from(slot * clients + client).expect("slots are few"))
}

/// Logarithm of the rate at which envelopes of a session are to be expected at a mailbox relay, by
/// steps of time from the begin on.
pub(crate) struct Expected(Vec<f64>);

impl Expected {
    /// Expects a `share` of the cells that leave at these times, `HOPS - 1` mixes later, beside
    /// `others` per second from elsewhere.
    pub(crate) fn from(
        departures: &[Time],
        duration: Duration,
        (share, others): (f64, f64),
        traffic: &Traffic,
    ) -> Self {
        let steps = step(duration) + 1;
        let way = way(traffic.mix_delay);
        let mut rate = vec![others; steps + way.len()];
        for left in departures {
            let at = step(left.since(BEGIN));
            for (rate, density) in rate.iter_mut().skip(at).zip(&way) {
                *rate += share * density;
            }
        }
        rate.truncate(steps);
        rate.iter_mut().for_each(|rate| *rate = rate.ln());
        Self(rate)
    }

    /// Log-likelihood that these arrivals follow this rate; its integral, which is the same for all
    /// sessions, is left out.
    fn likelihood(&self, arrivals: &[Time]) -> f64 {
        arrivals.iter().filter_map(|at| self.0.get(step(at.since(BEGIN)))).sum()
    }
}

/// Scores each pair of a session and a mailbox: how much better the session explains the mailbox's
/// arrivals than the mean of all sessions does.
pub(crate) fn scores(sessions: &[Expected], mailboxes: &[&[Time]]) -> Vec<(f64, bool)> {
    let mailbox = |(at, arrivals): (usize, &&[Time])| {
        let likelihoods: Vec<_> = sessions.iter().map(|one| one.likelihood(arrivals)).collect();
        let mean = likelihoods.iter().sum::<f64>() / count(likelihoods.len());
        let scores = likelihoods.into_iter().enumerate();
        scores.map(|(session, one)| (one - mean, session == at)).collect::<Vec<_>>()
    };
    mailboxes.iter().enumerate().flat_map(mailbox).collect()
}

/// Density of the way through three mixes, per second, by steps.
fn way(mix_delay: Duration) -> Vec<f64> {
    let rate = 1.0 / mix_delay.as_secs_f64();
    let density = |at: usize| {
        let time = (count(at) + 0.5) * STEP.as_secs_f64();
        rate.powi(MIXES) * time.powi(MIXES - 1) * (-rate * time).exp() / 2.0
    };
    (0..step(mix_delay * WAY)).map(density).collect()
}

fn step(since: Duration) -> usize {
    usize::try_from(whole(since.as_secs_f64() / STEP.as_secs_f64())).expect("hours have few steps")
}

const STEP: Duration = Duration::from_millis(20);
/// Longest way that counts, in mean delays of one mix: one in 10⁷ is longer.
const WAY: u32 = 22;
const MIXES: i32 = 3;
const _: () = assert!(HOPS == 4, "the density above is that of three mixes");

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::pulls::transit;

    fn leaving(clients: usize, seconds: u64, rng: &mut StdRng) -> Vec<Vec<Time>> {
        let mut left = vec![Vec::new(); clients];
        let duration = Duration::from_secs(seconds);
        for cell in cells(&Traffic::default(), clients, duration, |_, at| at, rng) {
            left[cell.client].push(cell.left);
        }
        left
    }

    #[test]
    fn every_client_sends_a_cell_per_slot() {
        let mut rng = StdRng::seed_from_u64(3);
        for left in leaving(5, 60, &mut rng) {
            assert!((237..=240).contains(&left.len()), "{}", left.len());
        }
    }

    /// Sessions whose times differ by nature are told apart, with three mixes between.
    #[test]
    fn arrivals_are_most_likely_under_their_own_departures() {
        let (traffic, mut rng) = (Traffic::default(), StdRng::seed_from_u64(4));
        let duration = Duration::from_secs(600);
        let draw = |rng: &mut StdRng| -> Vec<Time> {
            let mut times: Vec<_> =
                (0..600).map(|_| BEGIN + duration.mul_f64(rng.random_range(0.0..1.0))).collect();
            times.sort_unstable();
            times
        };
        let left: Vec<_> = (0..5).map(|_| draw(&mut rng)).collect();
        let one = |left: &Vec<Time>| Expected::from(left, duration, (1.0, 1e-3), &traffic);
        let sessions: Vec<_> = left.iter().map(one).collect();
        let arrived: Vec<Vec<Time>> = left
            .iter()
            .map(|left| left.iter().map(|at| *at + transit(&traffic, &mut rng)).collect())
            .collect();
        let arrived: Vec<_> = arrived.iter().map(|times| &times[..]).collect();
        for (score, own) in scores(&sessions, &arrived) {
            assert_eq!(score > 0.0, own, "{score}");
        }
    }
}
