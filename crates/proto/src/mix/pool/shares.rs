//! Shares of a pool: each link into a mix, and the mix's own cover, may fill only a part of it, so
//! that none can crowd out the packets of the others.
//!
//! Half of the pool is set aside in even parts, which nobody else can take: a source always has
//! `bound / (2 · sources)` places. The other half is common, so that a busy link can use what an
//! idle one leaves, but no source ever holds more than twice its even share, `2 / (sources + 1)` of
//! the pool, as in the replay memory. A link beyond those of the start has places in the common half
//! alone.

use crate::replay::{Ingress, SPARE_LINKS};
use crate::weakness::Weakness;

/// Source of a packet in the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A link from a node before this one.
    Link(Ingress),
    /// The mix's own cover.
    Own,
}

/// Places that each source holds. Invariant: a source holds at most `quota`, and what all hold
/// beyond `reserve` each is at most `common`; so all together hold at most the pool's bound.
pub(super) struct Shares {
    /// Packets that wait, by link, those of the own cover last.
    held: Box<[usize]>,
    /// Links at the start.
    links: usize,
    /// Places set aside for each source of the start.
    reserve: usize,
    /// Most places that a source may hold.
    quota: usize,
    /// Places for whoever comes.
    common: usize,
    /// Places of the common part that are taken.
    common_held: usize,
}

impl Shares {
    /// Shares of a pool for `bound` packets from `links` links, to which [`SPARE_LINKS`] may come, and
    /// the own cover.
    pub(super) fn new(bound: usize, links: usize) -> Self {
        let sources = links + 1;
        let reserve = bound / (2 * sources);
        Self {
            held: vec![0; sources + SPARE_LINKS].into(),
            links,
            reserve,
            quota: (2 * bound).div_ceil(sources + 1),
            common: bound - reserve * sources,
            common_held: 0,
        }
    }

    /// Bytes of the shares of a pool that has `links` links at the start.
    pub(super) const fn memory_len(links: usize) -> usize {
        (links + SPARE_LINKS + 1) * size_of::<usize>()
    }

    /// Takes a place for a packet of `source`; false if its share is used up.
    pub(super) fn take(&mut self, source: Source) -> bool {
        let (place, reserve) = (self.place(source), self.reserve(source));
        let Some(held) = self.held.get_mut(place) else {
            return false;
        };
        let in_common = *held >= reserve;
        let used_up = in_common && (*held >= self.quota || self.common_held >= self.common);
        if used_up && !Weakness::PoolWithoutShares.is_active() {
            return false;
        }
        *held += 1;
        self.common_held += usize::from(in_common);
        true
    }

    /// Gives back the place of a packet of `source` that has left.
    pub(super) fn give_back(&mut self, source: Source) {
        let (place, reserve) = (self.place(source), self.reserve(source));
        if let Some(held) = self.held.get_mut(place) {
            *held = held.saturating_sub(1);
            self.common_held = self.common_held.saturating_sub(usize::from(*held >= reserve));
        }
    }

    fn place(&self, source: Source) -> usize {
        let own = self.held.len() - 1;
        match source {
            Source::Link(from) if from.place() >= own => self.held.len(),
            Source::Link(from) => from.place(),
            Source::Own => own,
        }
    }

    /// Places set aside for a source.
    const fn reserve(&self, source: Source) -> usize {
        match source {
            Source::Link(from) if from.place() >= self.links => 0,
            Source::Link(_) | Source::Own => self.reserve,
        }
    }
}
