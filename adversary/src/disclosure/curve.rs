//! The attacker's computation from the times at which envelopes were handed to Bob: the weight of a
//! store at each moment for whoever owns the mailbox.
//!
//! **Likelihood.** Let `p` be the share of Alice's messages among the marks, `g` the density of the
//! way from an answer to a stored acknowledgement without its delay, `m` the mean of that delay,
//! and `λ` the rate of envelopes that have nothing to do with Bob. An acknowledgement answers all
//! that came before it, so with chance `q` one is due: each mark takes `q` to `q + p (1 - q)`, and
//! it decays as `exp(-t / m)`. A mark weighs `w = p (1 - q)`, and acknowledgements to Alice come at
//! the rate `a(t) = Σ w (g * Exp(m))(t - mark)`. A store at `t` counts `ln(1 + a(t) / λ)`, the
//! logarithm of the likelihood ratio of "an acknowledgement may be among them" to "none is" (the
//! integral of `a` is the same for all users). Where the person behind Bob answers, a mark adds to
//! `a` the chance and density of an answer, whatever else is due.
//!
//! **Epochs** (Martiny et al., NDSS 2021). Each mark opens an epoch; a store counts one for each
//! epoch in which it lies. The epoch is the interval that maximises caught acknowledgements over
//! the noise of all else, mass over square root of length. Control epochs, which they subtract,
//! have the same mean for all users here and would only add noise.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rohrpost_measure::statistics::{count, whole};
use rohrpost_proto::time::Time;

use super::model::{Model, Place};

/// Ways of counting a store.
pub(super) const METHODS: [&str; 2] = ["likelihood", "epochs"];

/// The attacker's knowledge of the delays, from the public distributions.
pub(super) struct Kernel {
    /// Chance of each step of the way without the acknowledgement's delay.
    way: Vec<f64>,
    /// Chance, by steps after a mark, that a reply to it is stored.
    replies: Vec<f64>,
    /// `exp(-step / m)`; zero without delay.
    decay: f64,
    /// First step of an epoch and the one after its last.
    epoch: (usize, usize),
    share: f64,
    background: f64,
    /// Likelihoods below this are not worth a look.
    floor: f64,
}

impl Kernel {
    pub(super) fn new(model: &Model) -> Self {
        let way = way(model, WAY_STEPS, |_| Duration::ZERO);
        let mean = model.acknowledgement.as_secs_f64();
        let decay = if mean > 0.0 { (-STEP / mean).exp() } else { 0.0 };
        let epoch = epoch(&way, decay, mean);
        let (share, background) = (model.share(), model.background());
        let replies = replies(model);
        let peak = density(&way, decay, 2 * WAY_STEPS).into_iter().fold(0.0, f64::max);
        let floor = FLOOR * share * peak / STEP / background;
        Self { way, replies, decay, epoch, share, background, floor }
    }
}

/// Chances by steps that a person's reply to a message is stored.
fn replies(model: &Model) -> Vec<f64> {
    let Some(replies) = model.replies else { return Vec::new() };
    let mut way = way(model, REPLY_STEPS, |rng| replies.wait(rng));
    way.iter_mut().for_each(|chance| *chance *= replies.chance);
    way
}

/// Chances of a way per step, with a `wait` at Bob's, drawn by the distribution that the network
/// itself follows.
fn way(model: &Model, steps: usize, wait: impl Fn(&mut StdRng) -> Duration) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(0);
    let mut way = vec![0.0; steps];
    for _ in 0..WAYS {
        let bob = Place::draw(&model.traffic, &mut rng);
        // Any common tick will do.
        let answered = Time::from_micros(0) + model.traffic.answer_period();
        let received = bob.next_tick(answered + model.transit(&mut rng)) + wait(&mut rng);
        let leaves = bob.leaves(bob.payload_slot(received, &mut rng));
        let stored = leaves + model.transit(&mut rng);
        if let Some(chance) = way.get_mut(step(stored.since(answered).as_secs_f64())) {
            *chance += 1.0 / f64::from(WAYS);
        }
    }
    way
}

/// The density of the whole delay, `way * Exp(m)`, per step.
fn density(way: &[f64], decay: f64, steps: usize) -> Vec<f64> {
    let mut level = 0.0;
    let direct = way.iter().copied().chain(std::iter::repeat(0.0));
    let smooth = direct.map(|direct| {
        level = level * decay + (1.0 - decay) * direct;
        level
    });
    smooth.take(steps).collect()
}

/// The interval with the greatest mass over square root of length.
fn epoch(way: &[f64], decay: f64, mean: f64) -> (usize, usize) {
    let density = density(way, decay, WAY_STEPS + step(4.0 * mean));
    let mut cumulated = vec![0.0];
    for (at, chance) in density.iter().enumerate() {
        cumulated.push(cumulated[at] + chance);
    }
    let mut best = (0.0, (0, 1));
    for from in 0..WAY_STEPS {
        for to in from + 1..cumulated.len() {
            let worth = (cumulated[to] - cumulated[from]) / count(to - from).sqrt();
            if worth > best.0 {
                best = (worth, (from, to));
            }
        }
    }
    best.1
}

/// Weights of stores, block after block.
pub(super) struct Curve {
    /// `Σ w g` from the block's start on, one way beyond its end.
    direct: Vec<f64>,
    /// Replies to be expected, from the block's start on.
    replies: Vec<f64>,
    /// `a` at the end of the block before.
    level: f64,
    /// The chance `q` as of the last mark.
    pending: (f64, Time),
    /// Changes of the number of open epochs, from the block's start on.
    opening: Vec<f64>,
    open: f64,
    /// Blocks, this one among them, into which the last mark reaches with its ways.
    reach: u32,
}

/// Weight of a store at each step of a block, by each method.
pub(super) struct Block {
    weights: Vec<[f64; 2]>,
    /// True if nothing counts anything.
    pub(super) quiet: bool,
}

impl Block {
    /// Weight of a store so long after the block's start.
    pub(super) fn weight(&self, after: Duration) -> [f64; 2] {
        self.weights.get(step(after.as_secs_f64())).copied().unwrap_or_default()
    }
}

impl Curve {
    pub(super) fn new(kernel: &Kernel) -> Self {
        Self {
            direct: vec![0.0; BLOCK_STEPS + WAY_STEPS],
            replies: vec![0.0; BLOCK_STEPS + kernel.replies.len()],
            level: 0.0,
            pending: (0.0, Time::from_micros(0)),
            opening: vec![0.0; BLOCK_STEPS + kernel.epoch.1 + 1],
            open: 0.0,
            reach: 0,
        }
    }

    /// The block that begins at `start`, with its marks in order.
    pub(super) fn advance(&mut self, kernel: &Kernel, start: Time, marks: &[Time]) -> Block {
        if marks.is_empty() && self.rests(kernel) {
            self.level *= kernel.decay.powf(STEP_COUNT);
            return Block { weights: Vec::new(), quiet: true };
        }
        let longest = WAY_STEPS.max(kernel.replies.len()).div_ceil(BLOCK_STEPS);
        let longest = u32::try_from(longest).expect("a way has few blocks");
        self.reach = if marks.is_empty() { self.reach.saturating_sub(1) } else { 1 + longest };
        for mark in marks {
            let weight = self.weigh(kernel, *mark);
            let at = step(mark.since(start).as_secs_f64());
            for (direct, chance) in self.direct[at..].iter_mut().zip(&kernel.way) {
                *direct += weight * chance;
            }
            for (replies, chance) in self.replies[at..].iter_mut().zip(&kernel.replies) {
                *replies += kernel.share * chance;
            }
            self.opening[at + kernel.epoch.0] += 1.0;
            self.opening[at + kernel.epoch.1] -= 1.0;
        }
        let mut block = Block { weights: Vec::with_capacity(BLOCK_STEPS), quiet: true };
        let expected = self.direct.iter().zip(&self.replies);
        for ((direct, replies), opening) in expected.zip(&self.opening).take(BLOCK_STEPS) {
            self.level = self.level * kernel.decay + (1.0 - kernel.decay) * direct;
            self.open += opening;
            let ratio = (self.level + replies) / (STEP * kernel.background);
            let counts = ratio > kernel.floor || self.open > 0.5;
            block.weights.push(if counts { [ratio.ln_1p(), self.open] } else { [0.0; 2] });
            block.quiet &= !counts;
        }
        turn(&mut self.direct);
        turn(&mut self.replies);
        turn(&mut self.opening);
        block
    }

    /// Tells whether nothing will count until the next mark.
    fn rests(&self, kernel: &Kernel) -> bool {
        let ratio = self.level / (STEP * kernel.background);
        self.reach == 0 && self.open < 0.5 && ratio < kernel.floor
    }

    /// The weight of a mark.
    fn weigh(&mut self, kernel: &Kernel, mark: Time) -> f64 {
        let (pending, since) = self.pending;
        let pending = pending * kernel.decay.powf(mark.since(since).as_secs_f64() / STEP);
        let weight = kernel.share * (1.0 - pending);
        self.pending = if kernel.decay > 0.0 { (pending + weight, mark) } else { (0.0, mark) };
        weight
    }
}

/// Drops the first block of steps.
fn turn(steps: &mut [f64]) {
    steps.copy_within(BLOCK_STEPS.., 0);
    let kept = steps.len() - BLOCK_STEPS;
    steps[kept..].fill(0.0);
}

/// The step in which this many seconds lie.
fn step(seconds: f64) -> usize {
    usize::try_from(whole(seconds / STEP)).unwrap_or(usize::MAX)
}

/// Seconds; far below the spread of the ways, 0.65 s.
const STEP: f64 = 0.05;
/// Steps of a block. Longer than any way of a loop is (27.6 means at each mix), so that what leaves
/// in a block is stored in it or in the next one.
const BLOCK_STEPS: usize = 1_280;
const STEP_COUNT: f64 = 1_280.0;
/// Seconds of a block.
pub(super) const BLOCK: u64 = 64;
/// Steps of a way; one way in a million takes longer than these 10 s.
const WAY_STEPS: usize = 200;
/// Steps until a reply that counts: half an hour.
const REPLY_STEPS: usize = 36_000;
const WAYS: u32 = 400_000;
/// Share of the peak of one mark below which a likelihood is not worth a look. Beyond it, three
/// means after a mark, lies a four-hundredth of what an exponential delay tells (its square
/// integrated).
const FLOOR: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::super::tests::model;
    use super::*;

    fn kernel(seconds: u64) -> Kernel {
        Kernel::new(&Model { acknowledgement: Duration::from_secs(seconds), ..model() })
    }

    #[test]
    fn the_delay_has_the_mean_of_its_parts() {
        for (seconds, mean) in [(0, 1.97), (10, 11.97), (120, 121.97)] {
            let kernel = kernel(seconds);
            let density = density(&kernel.way, kernel.decay, WAY_STEPS + step(3_000.0));
            let mass: f64 = density.iter().sum();
            let moments = density.iter().enumerate().map(|(at, chance)| count(at) * STEP * chance);
            let measured = moments.sum::<f64>() + STEP / 2.0;
            assert!((mass - 1.0).abs() < 1e-3, "{mass}");
            // Six mixes 1.2 s, payload slot 0.46 s, until the next slot 0.19 s, tick down 0.12 s.
            assert!((measured - mean).abs() < 0.08, "{measured} for {mean}");
        }
    }

    /// The optimum for an exponential is 1.26 means.
    #[test]
    fn epochs_are_as_long_as_the_delay_asks() {
        let (from, to) = kernel(120).epoch;
        assert!((2_800..3_300).contains(&(to - from)), "{from} to {to}");
        let (from, to) = kernel(0).epoch;
        assert!((25..60).contains(&(to - from)), "{from} to {to}");
    }

    #[test]
    fn marks_count_once_across_blocks() {
        let kernel = kernel(120);
        let mut curve = Curve::new(&kernel);
        let mark = Time::from_micros(60_000_000);
        let mut sum = 0.0;
        for block in 0..40 {
            let start = Time::from_micros(block * BLOCK * 1_000_000);
            let marks: &[Time] = if block == 0 { &[mark] } else { &[] };
            let block = curve.advance(&kernel, start, marks);
            sum += block.weights.iter().map(|[ratio, _]| ratio.exp_m1()).sum::<f64>();
        }
        // All but what lies below the floor, a twentieth.
        let expected = 0.95 * kernel.share / kernel.background / STEP;
        assert!((sum / expected - 1.0).abs() < 0.01, "{sum} of {expected}");
    }
}
