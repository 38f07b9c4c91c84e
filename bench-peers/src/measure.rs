//! Interleaved timing: every round takes one sample of every contender, so that whatever else the
//! machine does in a round hits all alike. The fastest round says what the code costs; the median
//! says what the machine gave it.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::contender::{Contender, Job};

/// The times of one contender, per call.
pub(crate) struct Timing {
    pub(crate) name: &'static str,
    pub(crate) job: Job,
    pub(crate) note: &'static str,
    pub(crate) packet_len: usize,
    pub(crate) fastest: Duration,
    pub(crate) median: Duration,
}

/// Times all contenders over `rounds` rounds, each sample about `sample` long, on this thread.
pub(crate) fn measure(
    mut contenders: Vec<Contender>,
    rounds: usize,
    sample: Duration,
) -> Vec<Timing> {
    let progress = ProgressBar::new(u64::try_from(rounds).unwrap_or(u64::MAX));
    progress.set_style(
        ProgressStyle::with_template("{bar:30} round {pos} of {len}")
            .expect("this template is well-formed"),
    );
    let calls: Vec<_> = contenders.iter_mut().map(|one| calls(one, sample)).collect();
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for _ in 0..rounds {
        for ((contender, calls), times) in contenders.iter_mut().zip(&calls).zip(&mut times) {
            times.push(per_call(contender, *calls));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    contenders.iter().zip(times).map(|(contender, times)| summary(contender, times)).collect()
}

/// Finds how many calls make a sample. The first quarter of it also warms caches and clock.
fn calls(contender: &mut Contender, sample: Duration) -> usize {
    let warm = (0..8).map(|_| per_call(contender, 8)).min().expect("there are eight samples");
    let calls = sample.as_nanos() / warm.as_nanos().max(1);
    usize::try_from(calls).unwrap_or(usize::MAX).clamp(1, 100_000)
}

fn per_call(contender: &mut Contender, calls: usize) -> Duration {
    contender.sample(calls).div_f64(calls as f64)
}

fn summary(contender: &Contender, mut times: Vec<Duration>) -> Timing {
    times.sort_unstable();
    Timing {
        name: contender.name,
        job: contender.job,
        note: contender.note,
        packet_len: contender.packet_len,
        fastest: times[0],
        median: times[times.len() / 2],
    }
}
