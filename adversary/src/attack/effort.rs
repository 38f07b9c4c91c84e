//! Effort of an attack: seed, size, the build that is attacked, and trials side by side.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use indicatif::ProgressBar;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rohrpost_proto::weakness::Weakness;

/// Effort of one run of an attack.
pub(crate) struct Effort<'a> {
    /// Seed of all trials.
    pub(crate) seed: u64,
    /// True if the run is one of those that fit two minutes together.
    pub(crate) quick: bool,
    /// Laws that are taken back.
    pub(crate) weaknesses: &'a [Weakness],
    /// Bar that moves by one for each trial.
    pub(crate) bar: &'a ProgressBar,
}

impl Effort<'_> {
    /// Chooses the size of a run.
    pub(crate) const fn size(&self, quick: u64, full: u64) -> u64 {
        if self.quick { quick } else { full }
    }

    /// Makes so many trials on all cores, each with a number, from 0 on, and a generator of its
    /// own, and gives what came of them in their order.
    pub(crate) fn trials<T: Send>(
        &self,
        trials: u64,
        trial: impl Fn(u64, &mut StdRng) -> T + Sync,
    ) -> Vec<T> {
        self.bar.inc_length(trials);
        let next = AtomicU64::new(0);
        let work = || {
            let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let done = numbers.take_while(|number| *number < trials).map(|number| {
                let mut rng = StdRng::seed_from_u64(self.seed.wrapping_add(number << 32));
                let done = under(self.weaknesses, || trial(number, &mut rng));
                self.bar.inc(1);
                (number, done)
            });
            done.collect::<Vec<_>>()
        };
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let mut done: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().flat_map(join).collect()
        });
        done.sort_by_key(|(number, _)| *number);
        done.into_iter().map(|(_, done)| done).collect()
    }
}

/// True if this build can take laws back.
pub(crate) const CAN_WEAKEN: bool = cfg!(feature = "danger-weaken");

/// Runs a trial with these laws taken back.
#[cfg(feature = "danger-weaken")]
fn under<T>(weaknesses: &[Weakness], trial: impl FnOnce() -> T) -> T {
    rohrpost_proto::weakness::danger_with(weaknesses.iter().copied(), trial)
}

/// Runs a trial; this build holds every law.
#[cfg(not(feature = "danger-weaken"))]
fn under<T>(weaknesses: &[Weakness], trial: impl FnOnce() -> T) -> T {
    assert!(weaknesses.is_empty(), "a build without danger-weaken takes no law back");
    trial()
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn trials_come_in_order_and_are_a_function_of_the_seed() {
        let bar = ProgressBar::hidden();
        let run = |seed| {
            let effort = Effort { seed, quick: true, weaknesses: &[], bar: &bar };
            effort.trials(20, |number, rng| (number, rng.random::<u64>()))
        };
        let first = run(7);
        assert!(first.iter().map(|(number, _)| *number).eq(0..20));
        assert_eq!(first, run(7));
        assert_ne!(first, run(8));
    }
}
