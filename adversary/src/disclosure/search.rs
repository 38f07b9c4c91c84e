//! The number of messages that the attacker needs: many trials side by side, until enough name
//! Alice.

use std::num::NonZero;
use std::thread;

use indicatif::ProgressBar;
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::statistics::{Sample, count, whole};

use super::chance::distance;
use super::curve::{Kernel, METHODS};
use super::model::{Knowledge, Model};
use super::trial::Trial;

/// Effort of a search for a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) trials: u32,
    pub(crate) seed: u64,
    /// Messages per trial after which the attacker gives up.
    pub(crate) limit: u32,
}

/// Result of a search.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Needed {
    /// The attacker names Alice after so many messages, by this method first.
    Messages { count: u32, method: &'static str },
    /// More than `above`, by how far Alice was ahead after `played`, within which he does not name
    /// her.
    More { played: u32, above: u32 },
}

/// Share of trials that name Alice, by the better method, after so many messages.
pub(crate) type Course = Vec<(u32, Estimate)>;

impl Needed {
    /// The count, or what it is above.
    pub(crate) const fn at_least(self) -> u32 {
        match self {
            Self::Messages { count, .. } => count,
            Self::More { above, .. } => above,
        }
    }
}

/// Plays all trials up to the same number of messages, then to the next number, until by either
/// method Alice is named in 95 % of them.
pub(crate) fn needed(model: &Model, effort: Effort, bar: &ProgressBar) -> (Needed, Course) {
    let kernel = Kernel::new(model);
    let seeds = (0..u64::from(effort.trials)).map(|trial| effort.seed.wrapping_add(trial << 32));
    let mut trials: Vec<_> = seeds.map(|seed| Trial::new(model, &kernel, seed)).collect();
    // Without knowing Bob's loops every moment matters, and a message takes as much work as many
    // others.
    let limit = match model.knowledge {
        Knowledge::Messages => effort.limit,
        Knowledge::Times => effort.limit.div_ceil(TIMES_PART),
    };
    bar.set_length(limit.into());
    let (mut messages, mut course) = (0, Course::new());
    while messages < limit {
        messages = (messages + 1 + messages / 32).min(limit);
        advance(&mut trials, model, &kernel, messages);
        bar.set_position(messages.into());
        let named = named(&trials);
        let best = if named[1] > named[0] { 1 } else { 0 };
        course.push((messages, Estimate::share(named[best].into(), effort.trials.into())));
        if f64::from(named[best]) >= SUCCESS * f64::from(effort.trials) {
            return (Needed::Messages { count: messages, method: METHODS[best] }, course);
        }
    }
    (Needed::More { played: limit, above: above(&trials, model, limit) }, course)
}

/// Trials in which Alice is named, by method.
fn named(trials: &[Trial]) -> [u32; 2] {
    let mut named = [0; 2];
    for trial in trials {
        for (count, ahead) in named.iter_mut().zip(trial.names_alice()) {
            *count += u32::from(ahead);
        }
    }
    named
}

fn advance(trials: &mut [Trial], model: &Model, kernel: &Kernel, messages: u32) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for part in trials.chunks_mut(trials.len().div_ceil(cores).max(1)) {
            scope.spawn(move || {
                part.iter_mut().for_each(|trial| trial.advance(model, kernel, messages));
            });
        }
    });
}

/// Alice's distance grows with the square root of the messages. Two standard errors are added to
/// what was measured, so that the number errs to the attacker's advantage.
fn above(trials: &[Trial], model: &Model, played: u32) -> u32 {
    let separations = Sample::new(trials.iter().map(Trial::separation));
    let error = separations.estimated_deviation() / count(trials.len()).sqrt();
    let high = (separations.mean() + 2.0 * error).max(f64::MIN_POSITIVE);
    let above = f64::from(played) * (distance(model.users - 1, SUCCESS) / high).powi(2);
    u32::try_from(whole(above)).unwrap_or(u32::MAX).max(played)
}

/// Share of trials in which Alice must be named.
pub(super) const SUCCESS: f64 = 0.95;
const TIMES_PART: u32 = 20;
