//! Telling letters from the owner's loops at a mailbox relay by the times, the order and the number
//! of envelopes that arrive.
//!
//! Each mailbox gets the loops of its owner and the letters of one contact, who writes at random
//! times. Both leave in payload slots and loop slots of the real schedule, through real entry
//! relays; mixes delay them. The relay of the mailbox sees when each envelope arrives. By *time* it
//! weighs each envelope alone, by its place in the schedule and by its neighbours. The grid itself
//! leaves a little: two envelopes of one slot are not both loops, and a letter waits behind a pull.
//! By *count* it tells mailboxes with mail from those without; that is not defended, for whoever
//! gets mail gets more envelopes.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::StdRng;
use rohrpost_measure::detection::{Estimate, LikelihoodRatio, Scores};
use rohrpost_measure::statistics::{Sample, count};
use rohrpost_proto::courier::Load;
use rohrpost_proto::delay::exponential;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::time::Time;
use rohrpost_proto::weakness::Weakness;

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;
use crate::cells::cells;
use crate::pulls::{BEGIN, MAILBOXES, transit};

pub(super) const BY_TIME: Attack = Attack {
    name: "letters-by-time",
    claim: "a mailbox relay does not see by times and order which envelopes are mail and which are \
            its owner's loops",
    attacker: "a mailbox relay with 40 mailboxes",
    sees: "when each envelope arrives, for half an hour in which a letter comes every ten seconds",
    knows: "the schedule, and which envelopes of other mailboxes are mail; weighs each envelope by \
            its place in the schedule, the time since the one before and until the next, and the \
            number of those within ten seconds",
    number: "area under the curve, letters against loops",
    limit: Some(Bound::AtMost(0.57)),
    quick: true,
    run: by_time,
    weakened: &[Weakened {
        what: "loops leave in every fourth odd slot, the mailboxes in turns",
        how: How::Law(Weakness::LoopsInTurns),
        reaches: Bound::AtLeast(0.8),
    }],
};

pub(super) const BY_COUNT: Attack = Attack {
    name: "letters-by-count",
    claim: "a mailbox relay sees how many envelopes come for a mailbox, its owner's loops among them",
    attacker: "a mailbox relay",
    sees: "the number of envelopes for each mailbox in ten minutes",
    knows: "that a mailbox without mail gets 140 loops in the mean; the more envelopes, the more \
            likely mail",
    number: "letters in ten minutes from which on mailboxes with mail are told from those without \
             (area under the curve 0.9)",
    limit: None,
    quick: true,
    run: by_count,
    weakened: &[],
};

fn by_time(effort: &Effort<'_>) -> Measured {
    let traffic = Traffic::default();
    let relays = effort.trials(effort.size(16, 100), |_, rng| {
        let sent = sent(&traffic, OWNERS, HALF_HOUR, Some(LETTER_EVERY), rng);
        sent.into_iter().flat_map(|envelopes| seen(&envelopes, &traffic)).collect::<Vec<_>>()
    });
    let (learnt, judged) = relays.split_at(relays.len() / 2);
    let ratios = learn(learnt);
    let areas = |weigh: &dyn Fn(&Seen) -> f64| {
        // Envelopes of one relay depend on each other; relays do not.
        let area = |relay: &Vec<Seen>| {
            let scored: Vec<_> = relay.iter().map(|seen| (weigh(seen), seen.is_letter)).collect();
            Scores::of_pairs(scored.iter()).area().value
        };
        Estimate::mean(&Sample::new(judged.iter().map(area)))
    };
    let one = |feature: usize, seen: &Seen| ratios[feature].of(seen.features[feature]);
    let alone = |feature: usize| areas(&|seen| one(feature, seen)).value;
    let all = areas(&|seen| (0..FEATURES).map(|feature| one(feature, seen)).sum());
    let letters = judged.iter().flatten().filter(|seen| seen.is_letter).count();
    Measured::new(all)
        .with("area_by_place", alone(0))
        .with("area_by_time_before", alone(1))
        .with("area_by_time_after", alone(2))
        .with("area_by_neighbours", alone(3))
        .with("letters", letters)
        .with("loops", judged.iter().map(Vec::len).sum::<usize>() - letters)
}

/// An envelope that came to a mailbox.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Envelope {
    arrived: Time,
    is_letter: bool,
}

/// Features of an envelope that a relay sees.
struct Seen {
    features: [f64; FEATURES],
    is_letter: bool,
}

/// Envelopes of the mailboxes of so many owners, in order of arrival. Each owner has a contact who
/// writes once per this time in the mean, if anyone does.
fn sent(
    traffic: &Traffic,
    owners: usize,
    duration: Duration,
    letter_every: Option<Duration>,
    rng: &mut StdRng,
) -> Vec<Vec<Envelope>> {
    let mut mailboxes = vec![Vec::new(); owners];
    let mut written: Vec<VecDeque<Time>> =
        (0..owners).map(|_| written(letter_every, duration, rng)).collect();
    let contacts = letter_every.map_or(0, |_| owners);
    for cell in cells(traffic, owners + contacts, duration, |_, at| at, rng) {
        let load = Load::draw(cell.slot, MAILBOXES, rng);
        let owner = cell.client % owners;
        let is_letter = match load {
            Load::Loop(0) if cell.client < owners => false,
            // What is written before a slot leaves in it.
            Load::Payload if cell.client >= owners => {
                let begin = cell.slot.start(traffic.slot);
                if written[owner].pop_front_if(|at| *at < begin).is_none() {
                    continue;
                }
                true
            }
            _ => continue,
        };
        let arrived = cell.left + transit(traffic, rng);
        mailboxes[owner].push(Envelope { arrived, is_letter });
    }
    mailboxes.iter_mut().for_each(|mailbox| mailbox.sort_unstable());
    mailboxes
}

/// Times at which a contact writes.
fn written(every: Option<Duration>, duration: Duration, rng: &mut StdRng) -> VecDeque<Time> {
    let Some(every) = every else { return VecDeque::new() };
    let next = |at: &Time| Some(*at + exponential(every, rng).duration());
    let times = std::iter::successors(Some(BEGIN), next);
    times.skip(1).take_while(|at| *at < BEGIN + duration).collect()
}

/// Describes each envelope of a mailbox but the first and the last one.
fn seen(envelopes: &[Envelope], traffic: &Traffic) -> Vec<Seen> {
    let seconds = |from: Time, to: Time| to.since(from).as_secs_f64();
    let period = (traffic.slot * PERIOD).as_secs_f64();
    let one = |three: &[Envelope]| {
        let [before, this, after] = [0, 1, 2].map(|at| three[at].arrived);
        let place = seconds(BEGIN, this) % period;
        let near = [this - NEAR, this + NEAR]
            .map(|end| envelopes.partition_point(|envelope| envelope.arrived < end));
        let features =
            [place, seconds(before, this), seconds(this, after), count(near[1] - near[0])];
        Seen { features, is_letter: three[1].is_letter }
    };
    envelopes.windows(3).map(one).collect()
}

fn learn(relays: &[Vec<Seen>]) -> Vec<LikelihoodRatio> {
    let sample = |feature: usize, is_letter: bool| {
        let seen = relays.iter().flatten().filter(|seen| seen.is_letter == is_letter);
        Sample::new(seen.map(|seen| seen.features[feature]))
    };
    let ratio =
        |feature| LikelihoodRatio::learn(&sample(feature, true), &sample(feature, false), BINS);
    (0..FEATURES).map(ratio).collect()
}

fn by_count(effort: &Effort<'_>) -> Measured {
    let traffic = Traffic::default();
    let windows = effort.trials(effort.size(40, 200), |_, rng| {
        let loops = sent(&traffic, OWNERS, TEN_MINUTES, None, rng);
        loops.into_iter().map(|mailbox| count(mailbox.len())).collect::<Vec<_>>()
    });
    let windows: Vec<_> = windows.into_iter().flatten().collect();
    // Half of the mailboxes get mail. A letter is one more envelope, whenever it comes.
    let (with, without) = windows.split_at(windows.len() / 2);
    let area = |letters: u32| -> Estimate {
        let with = Sample::new(with.iter().map(|loops| loops + f64::from(letters)));
        Scores::new(with, Sample::new(without.iter().copied())).area()
    };
    let found = |at_least: fn(Estimate) -> f64| {
        let reaches = |letters: &u32| at_least(area(*letters)) >= FOUND;
        f64::from((1..MOST).find(reaches).unwrap_or(MOST))
    };
    let estimate = Estimate {
        value: found(|area| area.value),
        low: found(|area| area.high),
        high: found(|area| area.low),
    };
    let loops = Sample::new(windows.iter().copied());
    Measured::new(estimate)
        .with("loops_mean", loops.mean())
        .with("loops_deviation", loops.estimated_deviation())
        .with("mailboxes", windows.len())
        .with_curve(
            "letters in ten minutes",
            "area under the curve, mailboxes with mail against those without",
            CURVE.map(|letters| (f64::from(letters), area(letters))),
        )
}

const OWNERS: usize = 40;
const FEATURES: usize = 4;
/// Bins of each feature.
const BINS: usize = 32;
/// Slots after which the schedule comes round: one surplus pull, and two loops of each mailbox
/// where these come in turns.
const PERIOD: u32 = 32;
/// Envelopes that are so near count as neighbours.
const NEAR: Duration = Duration::from_secs(10);
const HALF_HOUR: Duration = Duration::from_secs(1_800);
const TEN_MINUTES: Duration = Duration::from_secs(600);
const LETTER_EVERY: Duration = Duration::from_secs(10);
/// Area from which on mailboxes with mail count as found.
const FOUND: f64 = 0.9;
/// Letters in ten minutes beyond which none are looked for.
const MOST: u32 = 200;
const CURVE: [u32; 7] = [1, 2, 5, 10, 20, 40, 80];
