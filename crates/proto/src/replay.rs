//! Replay set of one key generation: exact 64-bit fingerprints, all memory taken at the start.
//!
//! A fingerprint is half of a replay tag, which only the hop and the packet's builder can compute.
//! With n tags held, a fresh packet is taken for a replay with probability n / 2⁶⁴: under 1e-9 for
//! any n that memory can hold. The set never forgets; it dies with its key.

use rohrpost_packet::ReplayTag;

/// Open addressing with linear probing over a fixed table.
pub struct ReplaySet {
    /// Zero marks a free place. Invariant: `held <= limit < slots.len()`.
    slots: Box<[u64]>,
    held: usize,
    limit: usize,
}

/// Whether a packet is new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Seen for the first time, and remembered.
    Fresh,
    /// Seen before.
    Replayed,
    /// New, but there is no room to remember it: it must be dropped.
    Full,
}

impl ReplaySet {
    /// A set for `limit` tags: 8 bytes for each of at least `limit / 0.75` places.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let slots = (limit + limit / 3 + 1).next_power_of_two();
        Self { slots: vec![0; slots].into(), held: 0, limit }
    }

    /// Remembers `tag` if it is new.
    pub fn test_and_set(&mut self, tag: &ReplayTag) -> Verdict {
        let fingerprint = fingerprint(tag);
        let mask = self.slots.len() - 1;
        let mut place = usize::try_from(fingerprint & u64::try_from(mask).unwrap_or(u64::MAX))
            .expect("masked to the table's length");
        while self.slots[place] != 0 {
            if self.slots[place] == fingerprint {
                return Verdict::Replayed;
            }
            place = (place + 1) & mask;
        }
        if self.held == self.limit {
            return Verdict::Full;
        }
        self.slots[place] = fingerprint;
        self.held += 1;
        Verdict::Fresh
    }

    /// Tags held, of the limit.
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
