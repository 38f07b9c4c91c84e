//! Matching a session to a mailbox, by an entry relay and a mailbox relay in one hand.
//!
//! Three ways are tried. *Answers*: a common tick at which a mailbox gives no answer is missed among
//! the replies of its owner's session a moment later; each session is scored by the likelihood of
//! its replies, given the ticks with an answer. *Places*: the entry relay knows when each session's
//! cells leave, and the mean place of a mailbox's pulls in the answer period comes out over time.
//!
//! All sessions begin together, and the attacker looks from a minute later on: what a session that
//! has just begun tells, and the mailbox that answers soon after, is the attack by presence.
//! *Departures*: the entry relay knows when each pull left, and scores each mailbox by the likelihood
//! of its arrivals; whatever the entry relay draws for a session alone is found by this.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rohrpost_measure::detection::{Estimate, Scores};
use rohrpost_measure::statistics::{count, float};
use rohrpost_packet::Surb;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::instruction::{Instruction, MailboxId, Pull, WriteKey};
use rohrpost_proto::mailbox::{MailboxLimits, Mailboxes};
use rohrpost_proto::time::Time;
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::Toy;

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;
use crate::cells::{Expected, scores};
use crate::pulls::{BEGIN, MAILBOXES, Pulls, place, pulls, transit};

pub(super) const ATTACK: Attack = Attack {
    name: "session-to-mailbox",
    claim: "answers and pulls do not tell which session a mailbox belongs to",
    attacker: "an entry relay and a mailbox relay in one hand, with all of 100 clients",
    sees: "replies of each session, ticks with and without an answer of each mailbox, arrival times \
           of pulls, for an hour in which one packet of a hundred is lost",
    knows: "the schedule and the distribution of delays; scores each pair of a session and a \
            mailbox by the likelihood of the replies, by the place of the pulls, and by the \
            likelihood of their arrivals",
    number: "pairs found at 1 % of false alarms, by the best score",
    limit: Some(Bound::AtMost(0.02)),
    quick: false,
    run: attack,
    weakened: &[
        Weakened {
            what: "pulls choose their mailbox by a coin",
            how: How::Law(Weakness::PullsByCoin),
            reaches: Bound::AtLeast(0.9),
        },
        Weakened {
            what: "cells leave their entry relay at the session's own phase",
            how: How::Law(Weakness::CellsLeaveAtOnePhase),
            reaches: Bound::AtLeast(0.03),
        },
    ],
};

fn attack(effort: &Effort<'_>) -> Measured {
    let traffic = Traffic::default();
    let worlds = effort.trials(effort.size(8, 24), |_, rng| {
        let clients = pulls(&traffic, CLIENTS, MINUTE + HOUR, rng);
        let watched: Vec<_> =
            clients.iter().map(|client| Watched::new(client, &traffic, rng)).collect();
        [
            by_answers(&watched, &traffic, rng),
            by_places(&clients, traffic.answer_period()),
            by_departures(&clients, &traffic),
        ]
    });
    let pool = |way: usize| Scores::of_pairs(worlds.iter().flat_map(move |world| &world[way]));
    let [answers, places, departures] = [pool(0), pool(1), pool(2)];
    let ways = [&answers, &places, &departures].map(|scores| scores.found_at(FALSE_ALARMS));
    let [by_answers, by_places, by_departures] = ways;
    let better = |one: Estimate, other: Estimate| if other.value > one.value { other } else { one };
    Measured::new(better(better(by_answers, by_places), by_departures))
        .with("by_answers", by_answers.value)
        .with("by_places", by_places.value)
        .with("by_departures", by_departures.value)
        .with("area_by_answers", answers.area().value)
        .with("area_by_places", places.area().value)
        .with("pairs", CLIENTS * worlds.len())
}

/// What the attacker sees of a client at its entry, and of the mailbox of it that he holds.
struct Watched {
    /// Parts of time in which a reply came for the session, from a minute after its begin on.
    replies: Vec<usize>,
    /// Ticks at which the attacker's mailbox gave an answer, from then on.
    answered: Vec<bool>,
}

impl Watched {
    fn new(client: &Pulls, traffic: &Traffic, rng: &mut StdRng) -> Self {
        let mut replies = Vec::new();
        let mut answered = Vec::new();
        for mailbox in 0..MAILBOXES {
            let mut answers = answers(&client.arrived[mailbox], traffic, rng);
            for (tick, _) in answers.iter().enumerate().filter(|(_, answer)| **answer) {
                let way = tick_time(tick, traffic).since(BEGIN) + transit(traffic, rng);
                if !rng.random_bool(LOSS) && way >= MINUTE {
                    replies.push(part(way));
                }
            }
            for (tick, answer) in answers.iter_mut().enumerate() {
                *answer &= tick_time(tick, traffic) >= BEGIN + MINUTE;
            }
            if mailbox == 0 {
                answered = answers;
            }
        }
        Self { replies, answered }
    }
}

/// Ticks at which a mailbox that is pulled at these times gives an answer.
fn answers(pulls: &[Time], traffic: &Traffic, rng: &mut StdRng) -> Vec<bool> {
    let mailboxes = Mailboxes::<Toy>::new(MailboxLimits::default());
    let surb = vec![0; Surb::<Toy>::ENCODED_LEN];
    let mut pulls = pulls.iter().peekable();
    let tick = |tick| {
        let now = tick_time(tick, traffic);
        while let Some(at) = pulls.next_if(|at| **at <= now) {
            if rng.random_bool(LOSS) {
                continue;
            }
            let pull = Pull {
                mailbox: MailboxId::new([0; 32]),
                write_keys: [1, 2].map(|key| WriteKey::new([key; 32])),
                acks: Vec::new(),
                surb: Surb::decode(&surb).expect("a reply block's length"),
            };
            let _ = mailboxes.handle(*at, Instruction::Pull(Box::new(pull)));
        }
        !mailboxes.tick(now, rng).is_empty()
    };
    (0..ticks(traffic)).map(tick).collect()
}

/// Scores each pair of a session and a mailbox by the likelihood ratio of the session's replies:
/// that its answers are among them, against that those of an average mailbox are.
fn by_answers(watched: &[Watched], traffic: &Traffic, rng: &mut StdRng) -> Vec<(f64, bool)> {
    let way = way(traffic, rng);
    let expected: Vec<_> =
        watched.iter().map(|one| expected(&one.answered, &way, traffic)).collect();
    let parts = expected.first().map_or(0, Vec::len);
    let mean =
        |part: usize| expected.iter().map(|one| one[part]).sum::<f64>() / count(expected.len());
    let mean: Vec<_> = (0..parts).map(mean).collect();
    // The other mailbox answers too, about as often.
    let log = |(one, mean): (&f64, &f64)| ((one + mean + TINY) / (mean + mean + TINY)).ln();
    let score = |(at, mailbox): (usize, &Vec<f64>)| {
        let logs: Vec<_> = mailbox.iter().zip(&mean).map(log).collect();
        let all: f64 = mailbox.iter().sum();
        let session = |(session, one): (usize, &Watched)| {
            let found = one.replies.iter().filter_map(|part| logs.get(*part)).sum::<f64>();
            (found - all, session == at)
        };
        watched.iter().enumerate().map(session).collect::<Vec<_>>()
    };
    expected.iter().enumerate().flat_map(score).collect()
}

/// Replies to be expected in each part of time from the answers of a mailbox.
fn expected(answered: &[bool], way: &[f64], traffic: &Traffic) -> Vec<f64> {
    let mut expected = vec![0.0; part(MINUTE + HOUR) + way.len() + 1];
    for (tick, _) in answered.iter().enumerate().filter(|(_, answer)| **answer) {
        let from = part(tick_time(tick, traffic).since(BEGIN));
        for (place, chance) in way.iter().enumerate() {
            if let Some(expected) = expected.get_mut(from + place) {
                *expected += chance;
            }
        }
    }
    expected
}

/// Chances of the way of an answer by parts of time, from draws.
fn way(traffic: &Traffic, rng: &mut StdRng) -> Vec<f64> {
    let mut way = vec![0.0; WAY];
    for _ in 0..DRAWS {
        if let Some(chance) = way.get_mut(part(transit(traffic, rng))) {
            *chance += 1.0 / float(DRAWS);
        }
    }
    way
}

fn by_places(clients: &[Pulls], period: Duration) -> Vec<(f64, bool)> {
    let leaves: Vec<_> = clients.iter().map(|client| place(&client.left[0], period)).collect();
    let arrives: Vec<_> = clients.iter().map(|client| place(&client.arrived[0], period)).collect();
    // The way is the same for all in the mean; the attacker takes it from the crowd.
    let turn = |(at, leaves): (&f64, &f64)| (at - leaves).sin_cos();
    let turns: Vec<_> = arrives.iter().zip(&leaves).map(turn).collect();
    let sine: f64 = turns.iter().map(|turn| turn.0).sum();
    let cosine: f64 = turns.iter().map(|turn| turn.1).sum();
    let way = sine.atan2(cosine);
    let pair = |(mailbox, arrives): (usize, &f64)| {
        let session =
            |(session, leaves): (usize, &f64)| ((arrives - leaves - way).cos(), session == mailbox);
        leaves.iter().enumerate().map(session).collect::<Vec<_>>()
    };
    arrives.iter().enumerate().flat_map(pair).collect()
}

fn by_departures(clients: &[Pulls], traffic: &Traffic) -> Vec<(f64, bool)> {
    let one = |client: &Pulls| Expected::from(&client.left[0], HOUR, (1.0, TINY), traffic);
    let sessions: Vec<_> = clients.iter().map(one).collect();
    let mailboxes: Vec<_> = clients.iter().map(|client| &client.arrived[0][..]).collect();
    scores(&sessions, &mailboxes)
}

fn tick_time(tick: usize, traffic: &Traffic) -> Time {
    BEGIN + traffic.answer_period() * u32::try_from(tick + 1).expect("an hour has few ticks")
}

fn ticks(traffic: &Traffic) -> usize {
    let ticks = (MINUTE + HOUR).as_micros() / traffic.answer_period().as_micros();
    usize::try_from(ticks).expect("an hour has few ticks")
}

/// Number of the part of time in which a moment lies.
fn part(since: Duration) -> usize {
    usize::try_from(since.as_millis() / PART.as_millis()).expect("an hour has few parts")
}

const CLIENTS: usize = 100;
/// Time in which the sessions settle.
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const PART: Duration = Duration::from_millis(250);
/// Parts of the longest way that counts: five seconds.
const WAY: usize = 20;
const DRAWS: u64 = 100_000;
/// Chance that a packet is lost between the two relays.
const LOSS: f64 = 0.01;
/// Rate of replies from nowhere, so that no logarithm is infinite.
const TINY: f64 = 1e-3;
const FALSE_ALARMS: f64 = 0.01;
