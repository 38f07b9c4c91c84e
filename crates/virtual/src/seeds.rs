//! Seeds of tests: how many there are, and a run of each on all cores.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{available_parallelism, scope};

/// Seeds of a test: `ROHRPOST_SEEDS` many, one by default.
#[must_use]
pub fn seeds() -> Range<u64> {
    seeds_or(1)
}

/// Seeds of a test: `ROHRPOST_SEEDS` many, `default` if it is not set; only the one that
/// `ROHRPOST_SEED` names, if it does.
#[must_use]
pub fn seeds_or(default: u64) -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("ROHRPOST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("ROHRPOST_SEEDS").unwrap_or(default),
    }
}

/// Runs every seed, as many at a time as there are cores.
///
/// # Panics
/// A seed's run panicked; its message is printed before.
pub fn every_seed(seeds: Range<u64>, run: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(seeds.start);
    let cores = available_parallelism().map_or(1, NonZero::get);
    scope(|scope| {
        for _ in seeds.clone().take(cores) {
            scope.spawn(|| {
                let drawn = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
                drawn.take_while(|seed| *seed < seeds.end).for_each(&run);
            });
        }
    });
}
