//! Pairing the two mailboxes of a client by the times of its pulls.
//!
//! Two ways are tried. *Counts*: pulls per window of five seconds; if a coin chose the mailbox, one
//! would have what the other lacks, so the score is the negative correlation. *Places*: a client's
//! pulls keep a place within the answer period, blurred by three delays; over an hour the mean
//! place is known within milliseconds, and the places of one client's mailboxes belong together.

use std::f64::consts::PI;
use std::time::Duration;

use rohrpost_measure::detection::Scores;
use rohrpost_measure::statistics::correlation;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::time::Time;
use rohrpost_proto::weakness::Weakness;

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;
use crate::pulls::{BEGIN, Pulls, place, pulls};

pub(super) const ATTACK: Attack = Attack {
    name: "pairing",
    claim: "two mailboxes of one client are not known to belong together",
    attacker: "two mailbox relays of different operators, each with a mailbox of all clients",
    sees: "arrival times of pulls by pseudonym, for an hour of 100 clients",
    knows: "the schedule and the distribution of delays; scores each pair by counts per 5 s and by \
            the place of the pulls in the answer period",
    number: "pairs found at 1 % of false alarms, by the better score",
    limit: Some(Bound::AtMost(0.02)),
    quick: true,
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
            reaches: Bound::AtLeast(0.02),
        },
    ],
};

fn attack(effort: &Effort<'_>) -> Measured {
    let traffic = Traffic::default();
    let worlds = effort.trials(effort.size(12, 24), |_, rng| {
        let clients = pulls(&traffic, CLIENTS, HOUR, rng);
        [by_counts(&clients), by_places(&clients, traffic.answer_period())]
    });
    let pool = |way: usize| Scores::of_pairs(worlds.iter().flat_map(move |world| &world[way]));
    let [counts, places] = [pool(0), pool(1)];
    let (by_counts, by_places) = (counts.found_at(FALSE_ALARMS), places.found_at(FALSE_ALARMS));
    let best = if by_counts.value > by_places.value { by_counts } else { by_places };
    Measured::new(best)
        .with("by_counts", by_counts.value)
        .with("by_places", by_places.value)
        .with("area_by_counts", counts.area().value)
        .with("area_by_places", places.area().value)
        .with("pairs", CLIENTS * worlds.len())
}

/// Score of each pair of a first and a second mailbox, and whether they are one client's.
fn pairs<T>(
    clients: &[Pulls],
    mark: impl Fn(&[Time]) -> T,
    score: impl Fn(&T, &T) -> f64,
) -> Vec<(f64, bool)> {
    let marks = |mailbox: usize| -> Vec<T> {
        clients.iter().map(|client| mark(&client.arrived[mailbox])).collect()
    };
    let (first, second) = (marks(0), marks(1));
    let all = first.iter().enumerate();
    all.flat_map(|(one, a)| {
        let score = &score;
        second.iter().enumerate().map(move |(other, b)| (score(a, b), one == other))
    })
    .collect()
}

fn by_counts(clients: &[Pulls]) -> Vec<(f64, bool)> {
    let windows = usize::try_from(HOUR.as_secs() / WINDOW.as_secs()).expect("few");
    let mark = |times: &[Time]| {
        let mut counts = vec![0.0; windows];
        for time in times {
            let window = usize::try_from(time.since(BEGIN).as_secs() / WINDOW.as_secs());
            if let Some(count) = window.ok().and_then(|window| counts.get_mut(window)) {
                *count += 1.0;
            }
        }
        counts
    };
    pairs(clients, mark, |a, b| -correlation(a, b))
}

fn by_places(clients: &[Pulls], period: Duration) -> Vec<(f64, bool)> {
    // The second mailbox is pulled half a period after the first.
    pairs(clients, |times| place(times, period), |a, b| (b - a - PI).cos())
}

const CLIENTS: usize = 100;
const HOUR: Duration = Duration::from_secs(3_600);
const WINDOW: Duration = Duration::from_secs(5);
const FALSE_ALARMS: f64 = 0.01;
