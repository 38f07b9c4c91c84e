//! Replay set of one key generation: exact 64-bit fingerprints, all memory taken at the start.
//!
//! A fingerprint is half of a replay tag, which only the hop and the packet's builder can compute.
//! With n tags held, a fresh packet is taken for a replay with probability n / 2⁶⁴: under 1e-9 for
//! any n that memory can hold. The set never forgets; it dies with its key.

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rohrpost_packet::ReplayTag;

use crate::lock::Unpoison;

/// The link that a packet came over: its place among the nodes before this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ingress(usize);

impl Ingress {
    /// Makes the link of the `place`-th node before this one.
    #[must_use]
    pub const fn new(place: usize) -> Self {
        Self(place)
    }

    /// Place of the link's node among those before this one.
    pub(crate) const fn place(self) -> usize {
        self.0
    }
}

/// Memory of a node under one key: split by tag, so that workers rarely wait for each other, and
/// with a quota for each link, so that no neighbour can fill it for all others.
pub struct ReplayMemory {
    shards: Box<[Mutex<ReplaySet>]>,
    /// Tags that each link has brought; at most `quota`, give or take a packet for each worker.
    links: Box<[AtomicUsize]>,
    quota: usize,
}

impl ReplayMemory {
    /// Makes a memory for `limit` tags from `links` links, to which [`SPARE_LINKS`] may come. A link may
    /// fill `2 / (links + 1)` of it: everything if it is alone, two thirds of two, never much more than
    /// twice its even share.
    #[must_use]
    pub fn new(links: usize, limit: usize) -> Self {
        let shard = |_| Mutex::new(ReplaySet::new(limit.div_ceil(SHARDS)));
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            links: (0..links + SPARE_LINKS).map(|_| AtomicUsize::new(0)).collect(),
            quota: (2 * limit).div_ceil(links + 1),
        }
    }

    /// Bytes of a memory for `limit` tags from `links` links.
    #[must_use]
    pub fn len_for(links: usize, limit: usize) -> usize {
        SHARDS * places(limit.div_ceil(SHARDS)) * size_of::<u64>()
            + (links + SPARE_LINKS) * size_of::<usize>()
    }

    /// Remembers `tag` if it is new, and if its link has not used up its quota.
    pub fn test_and_set(&self, from: Ingress, tag: &ReplayTag) -> Verdict {
        let Some(brought) = self.links.get(from.0) else {
            return Verdict::Full;
        };
        let has_quota = brought.load(Ordering::Relaxed) < self.quota;
        let shard = &self.shards[usize::from(tag.as_bytes()[15]) % SHARDS];
        let mut shard = shard.lock().unpoison();
        let verdict = if has_quota { shard.test_and_set(tag) } else { shard.test(tag) };
        if verdict == Verdict::Fresh {
            brought.fetch_add(1, Ordering::Relaxed);
        }
        verdict
    }

    /// Number of tags held, and their limit.
    #[must_use]
    pub fn fill(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(held, limit), shard| {
            let fill = shard.lock().unpoison().fill();
            (held + fill.0, limit + fill.1)
        })
    }

    /// Forgets everything, for the next key.
    pub(crate) fn wipe(&mut self) {
        for shard in &mut self.shards {
            shard.get_mut().unpoison().wipe();
        }
        self.links.iter_mut().for_each(|brought| *brought.get_mut() = 0);
    }
}

/// A set of tags, by open addressing with linear probing over a fixed table.
pub struct ReplaySet {
    /// Fingerprints; zero marks a free place. Invariant: `held <= limit < slots.len()`.
    slots: Box<[u64]>,
    held: usize,
    limit: usize,
}

/// Outcome of looking a packet's tag up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The packet is seen for the first time, and remembered.
    Fresh,
    /// The packet has been seen before.
    Replayed,
    /// The packet is new, but there is no room to remember it: it must be dropped.
    Full,
}

impl ReplaySet {
    /// Makes a set for `limit` tags: 8 bytes for each of at least `limit / 0.75` places.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        // The table is written before it is wiped: a page counts as taken once it has been touched.
        let slots = black_box(vec![u64::MAX; places(limit)]);
        let mut set = Self { slots: slots.into(), held: 0, limit };
        set.wipe();
        set
    }

    /// Remembers `tag` if it is new.
    pub fn test_and_set(&mut self, tag: &ReplayTag) -> Verdict {
        let fingerprint = fingerprint(tag);
        let place = self.place_of(fingerprint);
        if self.slots[place] == fingerprint {
            return Verdict::Replayed;
        }
        if self.held == self.limit {
            return Verdict::Full;
        }
        self.slots[place] = fingerprint;
        self.held += 1;
        Verdict::Fresh
    }

    /// Tells whether `tag` was seen, without remembering it: a new one finds no room.
    #[must_use]
    pub fn test(&self, tag: &ReplayTag) -> Verdict {
        let fingerprint = fingerprint(tag);
        let seen = self.slots[self.place_of(fingerprint)] == fingerprint;
        if seen { Verdict::Replayed } else { Verdict::Full }
    }

    fn wipe(&mut self) {
        self.slots.fill(0);
        self.held = 0;
    }

    /// The place where a fingerprint is, or would be.
    fn place_of(&self, fingerprint: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = usize::try_from(fingerprint & u64::try_from(mask).unwrap_or(u64::MAX))
            .expect("masked to the table's length");
        while self.slots[place] != 0 && self.slots[place] != fingerprint {
            place = (place + 1) & mask;
        }
        place
    }

    /// Number of tags held, and their limit.
    #[must_use]
    pub const fn fill(&self) -> (usize, usize) {
        (self.held, self.limit)
    }
}

/// The tag's first half; zero, which marks a free place, becomes one.
fn fingerprint(tag: &ReplayTag) -> u64 {
    let half = tag.as_bytes().first_chunk().expect("a tag has 16 bytes");
    u64::from_be_bytes(*half).max(1)
}

/// Places of a table for `limit` tags.
fn places(limit: usize) -> usize {
    (limit + limit / 3 + 1).next_power_of_two()
}

/// Links from which packets may come while a node runs, beyond those of the nodes before it at its start:
/// memory is taken then.
pub const SPARE_LINKS: usize = 8;
/// Locks per memory; more than the workers of any node.
const SHARDS: usize = 16;
