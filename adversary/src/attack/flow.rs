//! Finding the sender of a file.
//!
//! Each of a hundred clients sends a file of 2 670 envelopes (16 MiB) to a recipient of its own, as
//! in the experiments of MixMatch (PoPETs 2024). The *observer* correlates cells up with cells down.
//! The *coalition* knows when each cell of a session left the entry relay, and when envelopes reach
//! one of the recipient's two mailboxes: it scores each session by the likelihood of these times.

use std::collections::HashMap;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rohrpost_measure::detection::{Estimate, Scores};
use rohrpost_measure::statistics::correlation;
use rohrpost_packet::{ReplyId, SessionId};
use rohrpost_proto::courier::Load;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::entry::Entry;
use rohrpost_proto::frame::UpCell;
use rohrpost_proto::time::Time;
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::Toy;

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;
use crate::cells::{Cell, Expected, cells, scores};
use crate::pulls::{BEGIN, MAILBOXES, transit};

pub(super) const OBSERVER: Attack = Attack {
    name: "flow",
    claim: "an observer of all links does not find who sends a file to whom",
    attacker: "the observer of all links",
    sees: "every cell up and down of 100 senders and 100 recipients of a file each, for 40 minutes",
    knows: "the schedule; scores each pair by the correlation of cells up and down per 5 s",
    number: "pairs found at 1 % of false alarms",
    limit: Some(Bound::AtMost(0.02)),
    quick: true,
    run: |effort| observe(effort, Cover::Constant),
    weakened: &[Weakened {
        what: "slots without mail and ticks without a reply stay empty",
        how: How::Model(|effort| observe(effort, Cover::Missing)),
        reaches: Bound::AtLeast(0.9),
    }],
};

pub(super) const COALITION: Attack = Attack {
    name: "flow-by-coalition",
    claim: "an entry relay and a mailbox relay in one hand do not find the sender of a long flow \
            whose cells they do not touch",
    attacker: "the entry relay of 100 senders and the relay of one mailbox of each recipient",
    sees: "when each cell of a session leaves the entry relay, and when envelopes reach each \
           mailbox, its owner's loops among them",
    knows: "the schedule and the distribution of delays; scores each pair by the likelihood of the \
            arrivals, without touching a cell",
    number: "pairs found at 1 % of false alarms",
    limit: Some(Bound::AtMost(0.02)),
    quick: false,
    run: coalition,
    weakened: &[Weakened {
        what: "cells leave their entry relay at the session's own phase",
        how: How::Law(Weakness::CellsLeaveAtOnePhase),
        reaches: Bound::AtLeast(0.03),
    }],
};

/// The cells that an observer sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cover {
    /// All.
    Constant,
    /// Only those that carry an envelope or its answer.
    Missing,
}

fn observe(effort: &Effort<'_>, cover: Cover) -> Measured {
    let traffic = Traffic::default();
    let worlds = effort.trials(effort.size(2, 8), |_, rng| {
        let files = files(&traffic, rng);
        let up: Vec<_> = files.iter().map(|file| file.seen_up(cover)).collect();
        let down = seen_down(&files, cover, &traffic, rng);
        let checked = CHECKED.map(|envelopes| {
            let windows = windows(duration_of(envelopes));
            let score = |up: &[f64], down: &[f64]| {
                let (up, down) = (&up[..windows], &down[..windows]);
                if is_constant(up) || is_constant(down) { 0.0 } else { correlation(up, down) }
            };
            matrix(|sender, recipient| score(&up[sender], &down[recipient]))
        });
        checked.into_iter().collect::<Vec<_>>()
    });
    judged(&worlds)
}

fn coalition(effort: &Effort<'_>) -> Measured {
    let traffic = Traffic::default();
    let worlds = effort.trials(effort.size(2, 8), |_, rng| {
        let files = files(&traffic, rng);
        let expected: Vec<_> = files.iter().map(|file| file.expected(&traffic)).collect();
        let stored: Vec<_> = files.iter().map(|file| file.stored(&traffic, rng)).collect();
        let checked = CHECKED.map(|envelopes| {
            let end = BEGIN + duration_of(envelopes);
            let until = |times: &Vec<Time>| times.partition_point(|at| *at < end);
            let stored: Vec<_> = stored.iter().map(|times| &times[..until(times)]).collect();
            scores(&expected, &stored)
        });
        checked.into_iter().collect::<Vec<_>>()
    });
    judged(&worlds)
}

/// Scores of each pair of a sender and a recipient, and whether they belong together.
fn matrix(score: impl Fn(usize, usize) -> f64) -> Vec<(f64, bool)> {
    let pairs = (0..CLIENTS).flat_map(|one| (0..CLIENTS).map(move |other| (one, other)));
    pairs.map(|(one, other)| (score(one, other), one == other)).collect()
}

/// The share of pairs found after all envelopes, and the curve on the way there.
fn judged(worlds: &[Vec<Vec<(f64, bool)>>]) -> Measured {
    let found = |check: usize| -> Estimate {
        let pairs = worlds.iter().flat_map(move |world| &world[check]);
        Scores::of_pairs(pairs).found_at(FALSE_ALARMS)
    };
    let points: Vec<_> =
        CHECKED.iter().enumerate().map(|(check, at)| (f64::from(*at), found(check))).collect();
    let all = points.last().expect("there are checks").1;
    Measured::new(all).with("pairs", CLIENTS * worlds.len()).with_curve(
        "envelopes of the file",
        "pairs found at 1 % of false alarms",
        points,
    )
}

/// A client that sends a file all the time.
#[derive(Default)]
struct File {
    cells: Vec<Sent>,
}

/// A cell, and the mailbox of the recipient into which it brings an envelope.
struct Sent {
    cell: Cell,
    letter: Option<usize>,
}

fn files(traffic: &Traffic, rng: &mut StdRng) -> Vec<File> {
    let mut files: Vec<_> = (0..CLIENTS).map(|_| File::default()).collect();
    let mut free = vec![[BEGIN; MAILBOXES]; CLIENTS];
    for cell in cells(traffic, CLIENTS, DURATION, |_, at| at, rng) {
        let letter = match Load::draw(cell.slot, MAILBOXES, rng) {
            Load::Payload => choose(&mut free[cell.client], cell.left, traffic, rng),
            Load::Pull(_) | Load::Loop(_) => None,
        };
        files[cell.client].cells.push(Sent { cell, letter });
    }
    files
}

/// Chooses a mailbox that may have an envelope now: one per one and a half of its answers.
fn choose(
    free: &mut [Time; MAILBOXES],
    now: Time,
    traffic: &Traffic,
    rng: &mut StdRng,
) -> Option<usize> {
    let open: Vec<_> = (0..MAILBOXES).filter(|mailbox| free[*mailbox] <= now).collect();
    let mailbox = *open.get(rng.random_range(0..open.len().max(1)))?;
    free[mailbox] = now + traffic.answer_period() * 3 / 2;
    Some(mailbox)
}

impl File {
    /// Cells up per window.
    fn seen_up(&self, cover: Cover) -> Vec<f64> {
        let cells = self.cells.iter();
        let seen = cells.filter(|sent| cover == Cover::Constant || sent.letter.is_some());
        counts(seen.map(|sent| sent.cell.left))
    }

    /// Times at which answers with an envelope of the file reach the recipient's entry relay. Each
    /// waits for the common tick of its mailbox, and passes three mixes.
    fn answers(&self, traffic: &Traffic, rng: &mut StdRng) -> Vec<Time> {
        let letters = self.cells.iter().filter(|sent| sent.letter.is_some());
        let answer = letters.map(|sent| {
            let stored = sent.cell.left + transit(traffic, rng);
            stored.next_multiple(traffic.answer_period()) + transit(traffic, rng)
        });
        answer.collect()
    }

    /// Times at which envelopes reach the attacker's mailbox of the recipient: the file's, and the
    /// recipient's own loops, which leave another entry relay.
    fn stored(&self, traffic: &Traffic, rng: &mut StdRng) -> Vec<Time> {
        let letters = self.cells.iter().filter(|sent| sent.letter == Some(0));
        let mut stored: Vec<_> =
            letters.map(|sent| sent.cell.left + transit(traffic, rng)).collect();
        let odd = traffic.slot * 2;
        let mut at = BEGIN + odd.mul_f64(rng.random_range(0.0..1.0));
        while at < BEGIN + DURATION {
            if rng.random_bool(LOOPS) {
                stored.push(at + transit(traffic, rng));
            }
            at = at + odd;
        }
        stored.sort_unstable();
        stored
    }

    /// What to expect at a mailbox if this session sends to it: the entry relay knows when the
    /// cells of odd slots left, and not which of them are letters.
    fn expected(&self, traffic: &Traffic) -> Expected {
        let odd = self.cells.iter().filter(|sent| !sent.cell.slot.pulls());
        let departures: Vec<_> = odd.map(|sent| sent.cell.left).collect();
        let letters = 1.0 / (traffic.answer_period() * 3 / 2).as_secs_f64();
        let odd = 1.0 / (traffic.slot * 2).as_secs_f64();
        Expected::from(&departures, DURATION, (letters / odd, LOOPS * odd), traffic)
    }
}

/// Cells down to each recipient per window, as a real entry relay sends them.
fn seen_down(files: &[File], cover: Cover, traffic: &Traffic, rng: &mut StdRng) -> Vec<Vec<f64>> {
    let mut entry = Entry::<Toy>::new(traffic.slot, CLIENTS);
    let mut recipients = HashMap::new();
    let mut names = Vec::new();
    let mut answers = Vec::new();
    for (recipient, file) in files.iter().enumerate() {
        let session = entry.join(rng).expect("the entry has room for all recipients");
        let name = SessionId::new(rng.random());
        entry.handle_cell(session, UpCell::Hello(name)).expect("names differ");
        recipients.insert(session, recipient);
        names.push(name);
        answers.extend(file.answers(traffic, rng).into_iter().map(|at| (at, recipient)));
    }
    answers.sort_unstable();
    let mut answers = answers.into_iter().peekable();
    let mut seen = vec![Vec::new(); CLIENTS];
    let mut tick = BEGIN;
    while tick < BEGIN + DURATION {
        tick = entry.next_tick(tick);
        while let Some((_, recipient)) = answers.next_if(|(at, _)| *at <= tick) {
            let id = ReplyId::new(rng.random());
            // What finds no room is lost, as in the network.
            let _ = entry.handle_reply(names[recipient], id, Box::default());
        }
        let down = entry.tick(tick, rng).down.into_iter();
        for (session, _) in
            down.filter(|(_, cell)| cover == Cover::Constant || cell.reply.is_some())
        {
            seen[recipients[&session]].push(tick);
        }
    }
    seen.into_iter().map(|times| counts(times.into_iter())).collect()
}

/// Events per window.
fn counts(times: impl Iterator<Item = Time>) -> Vec<f64> {
    let mut counts = vec![0.0; windows(DURATION)];
    for at in times {
        let window = windows(at.since(BEGIN));
        if let Some(count) = counts.get_mut(window) {
            *count += 1.0;
        }
    }
    counts
}

fn is_constant(counts: &[f64]) -> bool {
    counts.windows(2).all(|two| two[0].to_bits() == two[1].to_bits())
}

/// Whole windows in a time.
fn windows(time: Duration) -> usize {
    usize::try_from(time.as_secs() / WINDOW.as_secs()).expect("few")
}

/// Time in which so many envelopes of a file leave: one per 1.5 s in each of two mailboxes, and
/// slots do not always fit.
fn duration_of(envelopes: u32) -> Duration {
    DURATION * envelopes / ENVELOPES
}

const CLIENTS: usize = 100;
const DURATION: Duration = Duration::from_secs(2_400);
const ENVELOPES: u32 = 2_670;
/// Envelopes after which the attacker looks.
const CHECKED: [u32; 5] = [100, 300, 600, 1_200, ENVELOPES];
const WINDOW: Duration = Duration::from_secs(5);
const FALSE_ALARMS: f64 = 0.01;
/// Chance that an odd slot of the recipient brings a loop to this mailbox.
const LOOPS: f64 = 0.125;
