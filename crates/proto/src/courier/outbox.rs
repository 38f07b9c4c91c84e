//! Letters that wait for a payload slot.

use std::collections::VecDeque;

use rohrpost_packet::envelope::{KeyId, Letter};

/// In the order of posting; at most [`BOUND`], more are refused.
pub(super) struct Outbox {
    letters: VecDeque<(KeyId, Letter)>,
}

impl Outbox {
    pub(super) const fn new() -> Self {
        Self { letters: VecDeque::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.letters.len() >= BOUND
    }

    /// Appends a letter. The caller has made sure that there is room.
    pub(super) fn push(&mut self, to: KeyId, letter: Letter) {
        debug_assert!(!self.is_full(), "the courier looks before it posts");
        self.letters.push_back((to, letter));
    }

    /// Place of the first letter whose recipient can be reached: one whose relays are all down must
    /// not hold up the others.
    pub(super) fn first(&self, reachable: impl Fn(&KeyId) -> bool) -> Option<usize> {
        self.letters.iter().position(|(to, _)| reachable(to))
    }

    pub(super) fn letter(&self, place: usize) -> Option<(&KeyId, &Letter)> {
        self.letters.get(place).map(|(to, letter)| (to, letter))
    }

    pub(super) fn remove(&mut self, place: usize) {
        self.letters.remove(place);
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }
}

/// Three minutes of payload slots by the default rates; at most 1.6 MiB of letters hybrid.
pub(super) const BOUND: usize = 256;
