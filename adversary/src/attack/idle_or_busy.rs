//! Telling a client that is idle from one that sends letters or a file, or sends them again.
//!
//! The observer records every cell of a client's link, to the microsecond, and knows the schedule.
//! What a client computes at a slot delays the slot's cell by the time that it takes. All that is
//! looked at is fixed here: for each slot the time of the cell up and of the cell down in it, their
//! number, their bytes, and whether they come in another order than usual. From clients that are
//! known to be idle or busy the observer learns how likely each value is of either, and adds up the
//! logarithms of the ratios over minutes, for each of the others.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rohrpost_measure::detection::{LikelihoodRatio, Scores};
use rohrpost_measure::statistics::{Sample, count, float};
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::fragment_body_len;
use rohrpost_proto::courier::Event;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::time::{Slot, Time};
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{Address, Conditions, Kind, Layout, Setup, Toy, World};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const ATTACK: Attack = Attack {
    name: "idle-or-busy",
    claim: "an observer of a client's link does not learn whether it sends anything",
    attacker: "an observer of the links of 24 clients in each network",
    sees: "times to the microsecond, lengths and order of all cells up and down for five minutes \
           (two in --quick), while half of the clients send letters or a file and one packet of \
           fifty is lost on each link",
    knows: "the schedule, what a client takes to build a cell, and which clients of other networks \
            are idle; adds up likelihood ratios per slot",
    number: "area under the curve, over all clients",
    limit: Some(Bound::AtMost(0.52)),
    quick: true,
    run: |effort| attack(effort, Cover::Constant),
    weakened: &[
        Weakened {
            what: "cells are built at their slots, and cover seals nothing",
            how: How::Laws(&[Weakness::BuiltAtItsSlot, Weakness::CoverSealsNothing]),
            reaches: Bound::AtLeast(0.9),
        },
        Weakened {
            what: "odd slots without a letter stay empty",
            how: How::Model(|effort| attack(effort, Cover::Missing)),
            reaches: Bound::AtLeast(0.9),
        },
    ],
};

/// The cells up that an observer sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cover {
    /// All.
    Constant,
    /// Cells of pulls and letters alone.
    Missing,
}

fn attack(effort: &Effort<'_>, cover: Cover) -> Measured {
    let duration = Duration::from_secs(effort.size(120, 300));
    let mut worlds = effort.trials(effort.size(2, 16), |_, rng| watch(duration, cover, rng));
    let again: u64 = worlds.iter().map(|world| world.again).sum();
    let letters: u64 = worlds.iter().map(|world| world.letters).sum();
    let judged = worlds.split_off(worlds.len() / 2);
    let clients = |worlds: Vec<Watched>| worlds.into_iter().flat_map(|it| it.clients).collect();
    let (learnt, judged): (Vec<_>, Vec<_>) = (clients(worlds), clients(judged));
    let ratios = learn(&learnt);
    let scored: Vec<_> =
        judged.iter().map(|client: &Client| (client.score(&ratios), client.is_busy)).collect();
    let distinct: BTreeSet<_> = scored.iter().map(|(score, _)| score.to_bits()).collect();
    Measured::new(Scores::of_pairs(scored.iter()).area())
        .with("distinct_scores", distinct.len())
        .with("clients_learnt_from", learnt.len())
        .with("clients_judged", judged.len())
        .with("letters_sent", letters)
        .with("letters_sent_again", again)
}

/// Record of a network.
struct Watched {
    clients: Vec<Client>,
    letters: u64,
    again: u64,
}

/// Record of a client's link, slot by slot, feature by feature.
struct Client {
    is_busy: bool,
    features: [Vec<f64>; FEATURES],
}

impl Client {
    /// Weight of all that was seen for a busy client.
    fn score(&self, ratios: &[LikelihoodRatio]) -> f64 {
        let weight = |(values, ratio): (&Vec<f64>, &LikelihoodRatio)| {
            values.iter().map(|value| ratio.of(*value)).sum::<f64>()
        };
        self.features.iter().zip(ratios).map(weight).sum()
    }
}

fn learn(clients: &[Client]) -> Vec<LikelihoodRatio> {
    let sample = |feature: usize, is_busy: bool| {
        let clients = clients.iter().filter(|client| client.is_busy == is_busy);
        Sample::new(clients.flat_map(|client| client.features[feature].iter().copied()))
    };
    let ratio =
        |feature| LikelihoodRatio::learn(&sample(feature, true), &sample(feature, false), BINS);
    (0..FEATURES).map(ratio).collect()
}

/// Lets a network run, and gives what is to be seen of its clients in this time.
fn watch(duration: Duration, cover: Cover, rng: &mut StdRng) -> Watched {
    let traffic = Traffic { ack_delay: ACK_DELAY, ..Traffic::default() };
    let mut world = World::<Toy>::of(Setup {
        conditions: Conditions { lost_per_million: 20_000, ..Conditions::CALM },
        layout: Layout { traffic, ..Layout::default() },
        silent: true,
        ..Setup::new(rng.random())
    });
    // Each relay has as many idle clients as busy ones.
    let entries = (1..=RELAYS).flat_map(|entry| [NodeNumber::new(entry); 2]);
    let entries = entries.cycle().take(CLIENTS);
    let clients: Vec<_> = entries.map(|entry| world.add_client(entry)).collect();
    let busy: Vec<_> = clients.iter().copied().filter(|client| is_busy(*client)).collect();
    let pairs: Vec<_> =
        busy.iter().copied().zip(busy.iter().copied().cycle().skip(1)).take(busy.len()).collect();
    pairs.iter().for_each(|(from, to)| world.introduce(*from, *to));
    world.run_for(SETTLING);
    let slots = Slots::new(world.now, duration, traffic.slot);
    write(&mut world, &pairs, duration);
    let sent = world.events.iter().filter_map(|told| match told.event {
        Event::Sent { slot, .. } => Some((told.client, slot)),
        _ => None,
    });
    let sent: HashSet<_> = sent.collect();
    let shown = |client: usize, slot: Slot| {
        cover == Cover::Constant || slot.pulls() || sent.contains(&(client, slot))
    };
    let client = |client: usize| Client {
        is_busy: is_busy(client),
        features: slots.features(&world, client, |slot| shown(client, slot)),
    };
    let tally = world.tally;
    let clients = clients.into_iter().map(client).collect();
    Watched { clients, letters: tally.sent, again: tally.sent_again }
}

const fn is_busy(client: usize) -> bool {
    client % 2 == 1
}

/// Lets every other pair exchange letters, and the rest files, until the watch ends.
fn write(world: &mut World<Toy>, pairs: &[(usize, usize)], duration: Duration) {
    let file = vec![7; FRAGMENTS * fragment_body_len::<Toy>()];
    let mut number = 0_u32;
    for (from, to) in pairs.iter().step_by(2) {
        world.post(*from, *to, number, &file);
        number += 1;
    }
    for _ in 0..duration.as_secs() / LETTERS.as_secs() {
        for (from, to) in pairs.iter().skip(1).step_by(2) {
            world.post(*from, *to, number, b"a letter");
            number += 1;
        }
        world.run_for(LETTERS);
    }
}

/// Slots for which clients are watched.
#[derive(Clone, Copy)]
struct Slots {
    begin: Slot,
    length: Duration,
    /// Number of the slots.
    count: usize,
}

impl Slots {
    /// All whole slots of a time, but for those of its last second.
    fn new(begin: Time, duration: Duration, length: Duration) -> Self {
        let last = (begin + duration - Duration::from_secs(1)).slot(length);
        let begin = begin.slot(length).next();
        let count = usize::try_from(last.number() - begin.number()).expect("slots are few");
        Self { begin, length, count }
    }

    /// Describes what is to be seen in each slot: of cells up, those that are shown.
    fn features(
        self,
        world: &World<Toy>,
        client: usize,
        shown: impl Fn(Slot) -> bool,
    ) -> [Vec<f64>; FEATURES] {
        let mut up = vec![Vec::new(); self.count];
        let mut down = up.clone();
        for record in world.observer.records().iter().filter(|record| record.kind == Kind::Cell) {
            let ends = [record.from, record.to].map(|end| end == Address::Client(client));
            let slot = record.at.slot(self.length);
            let (cells, is_shown) = match ends {
                [true, _] => (&mut up, shown(slot)),
                [_, true] => (&mut down, true),
                _ => continue,
            };
            let place = slot.number().checked_sub(self.begin.number());
            let place = place.and_then(|place| usize::try_from(place).ok());
            if let (Some(cells), true) = (place.and_then(|place| cells.get_mut(place)), is_shown) {
                cells.push((self.within(record.at), record.len));
            }
        }
        self.describe(&up, &down)
    }

    /// Microseconds since the slot's begin.
    fn within(self, at: Time) -> f64 {
        float(at.micros() - at.slot(self.length).start(self.length).micros())
    }

    fn describe(self, up: &[Cells], down: &[Cells]) -> [Vec<f64>; FEATURES] {
        let pulls = |place: &usize| self.begin_and(*place).pulls();
        let first = |cells: &Cells| cells.first().map(|(at, _)| *at);
        let usual_up = Sample::new((0..self.count).filter(pulls).filter_map(|it| first(&up[it])));
        let usual_down = Sample::new(down.iter().filter_map(first));
        let late =
            |cells: &Cells, usual: &Sample| first(cells).map_or(NONE, |at| at - usual.median());
        let bytes = |cells: &Cells| cells.iter().map(|(_, len)| count(*len)).sum::<f64>();
        let is_up_first = usual_up.median() < usual_down.median();
        let reversed = |place: usize| match (first(&up[place]), first(&down[place])) {
            (Some(up), Some(down)) => f64::from(u8::from((up < down) != is_up_first)),
            _ => NONE,
        };
        let (even, odd): (Vec<_>, Vec<_>) = (0..self.count).partition(pulls);
        [
            even.into_iter().map(|place| late(&up[place], &usual_up)).collect(),
            odd.into_iter().map(|place| late(&up[place], &usual_up)).collect(),
            down.iter().map(|cells| late(cells, &usual_down)).collect(),
            up.iter().map(|cells| count(cells.len())).collect(),
            down.iter().map(|cells| count(cells.len())).collect(),
            up.iter().map(bytes).collect(),
            down.iter().map(bytes).collect(),
            (0..self.count).map(reversed).collect(),
        ]
    }

    fn begin_and(self, place: usize) -> Slot {
        Slot::new(self.begin.number() + u64::try_from(place).expect("slots are few"))
    }
}

/// Cells of a slot: microseconds since its begin, and length.
type Cells = Vec<(f64, usize)>;

const CLIENTS: usize = 24;
/// Relays of the network, numbered from 1.
const RELAYS: u32 = 4;
const FEATURES: usize = 8;
/// Bins of each feature.
const BINS: usize = 8;
/// Value of a time that is missing.
const NONE: f64 = -1e9;
/// Time in which sessions and mailboxes begin.
const SETTLING: Duration = Duration::from_secs(30);
/// Time between letters.
const LETTERS: Duration = Duration::from_secs(5);
/// Fragments of a file, more than leave in the watch.
const FRAGMENTS: usize = 450;
/// Mean delay of acknowledgements, short so that what is lost leaves again within the watch.
const ACK_DELAY: Duration = Duration::from_secs(10);
