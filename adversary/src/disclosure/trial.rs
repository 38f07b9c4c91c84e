//! A trial: Bob, the crowd in which Alice hides, and the attacker's scores of all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rohrpost_measure::statistics::{Sample, count};
use rohrpost_proto::time::Time;

use super::curve::{BLOCK, Block, Curve, Kernel, METHODS};
use super::model::{Model, Place};
use super::recipient::{ALICE, Handed, Recipient};
use super::stream::{Loops, Poisson};

/// A network and an attacker who watches it.
pub(super) struct Trial {
    rng: StdRng,
    recipient: Recipient,
    loops: Vec<Loops>,
    /// Mail of the crowd and acknowledgements for it, all users together.
    mail: Poisson,
    curve: Curve,
    /// Number of the block that is scored next, and what it counts.
    block: u64,
    next: Block,
    /// Alice's messages handed out by the end of that block.
    messages: u32,
    /// Acknowledgements on their way, earliest first; at most a few of each user.
    acknowledgements: BinaryHeap<Reverse<(Time, usize)>>,
    /// Scores by user and method.
    scores: Vec<[f64; 2]>,
}

impl Trial {
    pub(super) fn new(model: &Model, kernel: &Kernel, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut recipient = Recipient::new(model, &mut rng);
        let mut loops = Vec::with_capacity(model.users);
        for _ in 0..model.users {
            let place = Place::draw(&model.traffic, &mut rng);
            loops.push(Loops::new(model, place, &mut rng));
        }
        let mails = model.background() - model.loop_rate();
        let mail = Poisson::new(mails * count(model.users), &mut rng);
        let mut curve = Curve::new(kernel);
        let handed = recipient.advance(model, begin(1), &mut rng);
        let next = curve.advance(kernel, begin(0), &handed.marks);
        let acknowledgements = handed.acknowledgements.into_iter().map(Reverse).collect();
        let scores = vec![[0.0; 2]; model.users];
        let messages = handed.messages;
        Self {
            rng,
            recipient,
            loops,
            mail,
            curve,
            block: 0,
            next,
            messages,
            acknowledgements,
            scores,
        }
    }

    /// Goes on until the next block would bring more than so many messages of Alice.
    pub(super) fn advance(&mut self, model: &Model, kernel: &Kernel, messages: u32) {
        while self.messages <= messages {
            self.step(model, kernel);
        }
    }

    /// Tells by method whether Alice is ahead of everybody else.
    pub(super) fn names_alice(&self) -> [bool; 2] {
        let alice = self.scores[ALICE];
        [0, 1].map(|method| {
            let mut others = self.scores.iter().skip(ALICE + 1);
            others.all(|score| score[method] < alice[method])
        })
    }

    /// Standard deviations of the others' likelihood by which Alice's lies above their mean.
    pub(super) fn separation(&self) -> f64 {
        let others = Sample::new(self.scores[ALICE + 1..].iter().map(|score| score[0]));
        let ahead = self.scores[ALICE][0] - others.mean();
        ahead / others.estimated_deviation().max(f64::MIN_POSITIVE)
    }

    /// Scores the next block: acknowledgements of Bob that are stored in it, and the crowd.
    fn step(&mut self, model: &Model, kernel: &Kernel) {
        let (start, end) = (begin(self.block), begin(self.block + 1));
        let Handed { marks, acknowledgements, messages } =
            self.recipient.advance(model, begin(self.block + 2), &mut self.rng);
        let next = self.curve.advance(kernel, end, &marks);
        let now = std::mem::replace(&mut self.next, next);
        self.acknowledgements.extend(acknowledgements.into_iter().map(Reverse));
        while self.acknowledgements.peek().is_some_and(|Reverse((at, _))| *at < end) {
            if let Some(Reverse((at, user))) = self.acknowledgements.pop() {
                add(&mut self.scores[user], now.weight(at.since(start)));
            }
        }
        self.score_crowd(model, &now, start, end);
        self.messages += messages;
        self.block += 1;
    }

    /// Loops that leave in the block, and mail that is stored in it.
    fn score_crowd(&mut self, model: &Model, now: &Block, start: Time, end: Time) {
        let rng = &mut self.rng;
        while let Some(at) = self.mail.next(end, rng) {
            let user = rng.random_range(0..model.users);
            add(&mut self.scores[user], now.weight(at.since(start)));
        }
        if now.quiet && self.next.quiet {
            return;
        }
        for (loops, score) in self.loops.iter_mut().zip(&mut self.scores) {
            loops.skip(model, start, rng);
            while let Some(at) = loops.next(model, end, rng) {
                let block = if at < end { now } else { &self.next };
                let start = if at < end { start } else { end };
                add(score, block.weight(at.since(start)));
            }
        }
    }
}

fn add(score: &mut [f64; METHODS.len()], weight: [f64; METHODS.len()]) {
    score.iter_mut().zip(weight).for_each(|(score, weight)| *score += weight);
}

/// Time at which a block begins.
fn begin(block: u64) -> Time {
    Time::from_micros(block * BLOCK * 1_000_000)
}
