//! Matching addresses with pseudonyms by holding up datagrams: the pulls of a client that is held up
//! stop a moment later.

use std::time::Duration;

use rand::rngs::StdRng;
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::statistics::count;
use rohrpost_proto::courier::Load;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::time::{Slot, Time};

use super::definition::{Attack, Measured};
use super::effort::Effort;
use crate::cells::cells;
use crate::pulls::{BEGIN, MAILBOXES, transit};

pub(super) const ATTACK: Attack = Attack {
    name: "presence-by-hold",
    claim: "whoever holds up a client's datagrams and has its mailbox relay matches address and \
            pseudonym",
    attacker: "the observer of all links and a mailbox relay, with all of 100 clients",
    sees: "arrival times of pulls by pseudonym",
    knows: "when it held up the datagrams of which client, for 3 s each time; counts the pulls of \
            each pseudonym that come meanwhile",
    number: "holds of a client until it is matched in 95 % of cases",
    limit: None,
    quick: true,
    run: attack,
    weakened: &[],
};

fn attack(effort: &Effort<'_>) -> Measured {
    let traffic = Traffic::default();
    let worlds = effort.trials(effort.size(2, 8), |_, rng| holds(&traffic, rng));
    let shares = shares(&worlds);
    with_curve(Measured::new(Estimate::exact(needed(&shares))), "holds of 3 s", shares)
}

fn with_curve(measured: Measured, over: &str, shares: Vec<Estimate>) -> Measured {
    let points = shares.into_iter().enumerate().map(|(at, share)| (count(at + 1), share));
    measured.with_curve(over, "share of clients matched", points)
}

/// Scores of all pseudonyms for each session, after each event.
struct Table(Vec<Vec<f64>>);

impl Table {
    fn new() -> Self {
        Self(vec![vec![0.0; CLIENTS]; CLIENTS])
    }

    /// Number of sessions whose own pseudonym is ahead of all others.
    fn matched(&self) -> f64 {
        let ahead = |(session, scores): (usize, &Vec<f64>)| {
            let own = scores[session];
            let others = scores.iter().enumerate().filter(|(other, _)| *other != session);
            others.fold(true, |ahead, (_, score)| ahead && *score < own)
        };
        count(self.0.iter().enumerate().filter(|one| ahead((one.0, one.1))).count())
    }
}

/// Sessions matched after each round in which every client is held up once.
fn holds(traffic: &Traffic, rng: &mut StdRng) -> Vec<f64> {
    let clients = u32::try_from(CLIENTS).expect("few");
    let begin_of = |client: usize, round: u32| {
        let client = u32::try_from(client).expect("few");
        BEGIN + APART * (1 + client + round * clients)
    };
    let held = |client: usize, at: Time| {
        let mut holds = (0..ROUNDS).map(|round| begin_of(client, round));
        let within = holds.find(|begin| *begin <= at && at < *begin + HELD);
        within.map_or(at, |begin| begin + HELD)
    };
    let duration = APART * (clients * ROUNDS + 2);
    let mut arrived = vec![Vec::new(); CLIENTS];
    for cell in cells(traffic, CLIENTS, duration, held, rng) {
        if pulls(cell.slot, 0, rng) {
            arrived[cell.client].push(cell.left + transit(traffic, rng));
        }
    }
    arrived.iter_mut().for_each(|times| times.sort_unstable());
    let mut table = Table::new();
    let mut matched = Vec::new();
    for round in 0..ROUNDS {
        for (session, scores) in table.0.iter_mut().enumerate() {
            let begin = begin_of(session, round);
            let (from, to) = (begin + WAY, begin + HELD + WAY / 2);
            for (score, times) in scores.iter_mut().zip(&arrived) {
                let before = |end: Time| times.partition_point(|at| *at < end);
                *score -= count(before(to) - before(from));
            }
        }
        matched.push(table.matched());
    }
    matched
}

fn pulls(slot: Slot, mailbox: usize, rng: &mut StdRng) -> bool {
    Load::draw(slot, MAILBOXES, rng) == Load::Pull(mailbox)
}

/// Share of all clients that are matched after each event.
fn shares(worlds: &[Vec<f64>]) -> Vec<Estimate> {
    let events = worlds.first().map_or(0, Vec::len);
    let share = |event: usize| {
        let matched: f64 = worlds.iter().map(|world| world[event]).sum();
        Estimate::share(matched, count(CLIENTS * worlds.len()))
    };
    (0..events).map(share).collect()
}

/// Events until 95 % are matched; one more than were tried if they are not.
fn needed(shares: &[Estimate]) -> f64 {
    let first = shares.iter().position(|share| share.value >= SUCCESS);
    count(first.unwrap_or(shares.len()) + 1)
}

const CLIENTS: usize = 100;
const SUCCESS: f64 = 0.95;
/// Time for which a client's datagrams are held up, and between two such times.
const HELD: Duration = Duration::from_secs(3);
const APART: Duration = Duration::from_secs(10);
const ROUNDS: u32 = 4;
/// Time after which the mixes have passed on most of what came before a hold.
const WAY: Duration = Duration::from_millis(900);
