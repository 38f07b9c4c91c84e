//! What comes into a mix: fresh packets by link, the delays that they ask for, and what found its
//! link's share of the pool used up. Counted after all checks and the replay test, so that nobody
//! feigns traffic with garbage or with copies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::replay::{Ingress, SPARE_LINKS};

/// Counters of a mix, shared by its workers. They only rise.
pub struct FreshInflow {
    /// Fresh packets that were taken into the pool, by link.
    links: Box<[AtomicU64]>,
    /// Microseconds that all these packets together asked to wait, each counted up to a bound.
    delays: AtomicU64,
    /// Fresh packets that found no place in their link's share of the pool.
    shed: AtomicU64,
}

/// Counts of a [`FreshInflow`] at some moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InflowCounts {
    /// Fresh packets by link, in the order of the nodes before this one.
    pub links: Vec<u64>,
    /// Sum of the delays of these packets, each counted up to eight means.
    pub delays: Duration,
    /// Fresh packets that found no place in their link's share of the pool.
    pub shed: u64,
}

impl FreshInflow {
    /// Makes counters for `links` links and [`SPARE_LINKS`] that may come, all zero.
    #[must_use]
    pub fn new(links: usize) -> Self {
        let links = (0..links + SPARE_LINKS).map(|_| AtomicU64::new(0)).collect();
        Self { links, delays: AtomicU64::new(0), shed: AtomicU64::new(0) }
    }

    /// Counts a fresh packet that was taken.
    pub(super) fn count_taken(&self, from: Ingress, delay: Duration) {
        if let Some(count) = self.links.get(from.place()) {
            count.fetch_add(1, Ordering::Relaxed);
            let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
            self.delays.fetch_add(micros, Ordering::Relaxed);
        }
    }

    /// Counts a fresh packet that found no place.
    pub(super) fn count_shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> InflowCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        InflowCounts {
            links: self.links.iter().map(load).collect(),
            delays: Duration::from_micros(load(&self.delays)),
            shed: load(&self.shed),
        }
    }
}

impl InflowCounts {
    /// Counts since an earlier moment of the same mix.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let earlier = before.links.iter().copied().chain(std::iter::repeat(0));
        Self {
            links: self.links.iter().zip(earlier).map(|(now, then)| now - then).collect(),
            delays: self.delays.saturating_sub(before.delays),
            shed: self.shed - before.shed,
        }
    }

    /// Fresh packets by operator, where `operators` names that of each link by its place in a list. Links
    /// without one do not count.
    #[must_use]
    pub fn by_operator(&self, operators: &[Option<usize>]) -> Vec<u64> {
        let count = operators.iter().flatten().max().map_or(0, |last| last + 1);
        let mut sums = vec![0; count];
        for (operator, packets) in operators.iter().zip(&self.links) {
            if let Some(operator) = operator {
                sums[*operator] += packets;
            }
        }
        sums
    }
}
