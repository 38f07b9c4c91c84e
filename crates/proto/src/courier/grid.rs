//! The grid: the times at which cells leave, and the randomness of each slot.

use std::time::Duration;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use zeroize::Zeroizing;

use crate::time::{Slot, Steady, Time};

/// A grid of one departure per slot, always `phase` after the slot's start.
pub(super) struct Grid {
    /// Length of a slot: T in `docs/traffic.md`.
    slot: Duration,
    phase: Duration,
    /// A moment by both clocks: the process's own, and document time by the entry relay's word.
    anchor: (Steady, Time),
    /// Next slot to fill. Invariant: no slot before this one is filled any more in this session.
    next: Slot,
    /// Seed of all slots that are still to be built, replaced by its own hash with every one that
    /// is, so that who seizes a running process cannot build the packets of past slots again and
    /// recognize them in a recording.
    seed: Zeroizing<[u8; 32]>,
}

/// A slot in which a cell leaves now.
pub(super) struct DueSlot {
    pub(super) slot: Slot,
    /// Slots before this one that the driver has missed.
    pub(super) skipped: u64,
}

impl Grid {
    pub(super) fn new(
        anchor: (Steady, Time),
        slot: Duration,
        phase: Duration,
        seed: [u8; 32],
    ) -> Self {
        let next = anchor.1.slot(slot).next();
        Self { slot, phase, anchor, next, seed: Zeroizing::new(seed) }
    }

    /// Document time at a moment of this session.
    pub(super) fn document(&self, now: Steady) -> Time {
        self.anchor.1 + now.since(self.anchor.0)
    }

    /// Time at which the next cell leaves.
    pub(super) fn poll_timeout(&self) -> Steady {
        self.anchor.0 + (self.next.start(self.slot) + self.phase).since(self.anchor.1)
    }

    /// Slot in which the next cell leaves.
    pub(super) const fn next(&self) -> Slot {
        self.next
    }

    /// Goes on in another session, with a phase of its own, from the first slot after `anchor`. Where
    /// document time went back, slots of former numbers are filled again, by other generators.
    pub(super) fn anchor(&mut self, anchor: (Steady, Time), phase: Duration) {
        (self.anchor, self.phase) = (anchor, phase);
        self.next = anchor.1.slot(self.slot).next();
    }

    /// Goes on where the process's own clock went forward: no slot moves.
    pub(super) fn go_forward(&mut self, by: Duration) {
        self.anchor.0 = self.anchor.0 + by;
    }

    /// Takes the newest slot that is due at `now`, if one is; the missed ones before it stay empty.
    pub(super) fn advance(&mut self, now: Steady) -> Option<DueSlot> {
        if now < self.poll_timeout() {
            return None;
        }
        let slot = (self.document(now) - self.phase).slot(self.slot).max(self.next);
        let skipped = slot.number() - self.next.number();
        self.next = slot.next();
        Some(DueSlot { slot, skipped })
    }

    /// Derives the generator of all that the next slot draws, and forgets how:
    /// `child = BLAKE3(seed; 1 ‖ slot)`, `seed' = BLAKE3(seed; 0)`, both keyed.
    pub(super) fn generator(&mut self) -> ChaCha20Rng {
        let mut input = [1; 9];
        input[1..].copy_from_slice(&self.next.number().to_be_bytes());
        let child = Zeroizing::new(*blake3::keyed_hash(&self.seed, &input).as_bytes());
        let next = blake3::keyed_hash(&self.seed, &[0]);
        self.seed.copy_from_slice(next.as_bytes());
        ChaCha20Rng::from_seed(*child)
    }
}

#[cfg(test)]
mod tests {
    use rand_core::Rng;

    use super::*;

    const T: Duration = Duration::from_millis(250);
    const PHASE: Duration = Duration::from_millis(100);

    /// The process's own clock at the start of slot 40: it is days off.
    const START: Steady = Steady::of_clock(Time::from_micros(700_000_000_000));

    fn grid() -> Grid {
        Grid::new((START, Slot::new(40).start(T)), T, PHASE, [5; 32])
    }

    #[test]
    fn every_slot_comes_once_at_its_phase() {
        let mut grid = grid();
        for number in 41..100 {
            let at = grid.poll_timeout();
            assert_eq!(grid.document(at), Slot::new(number).start(T) + PHASE);
            assert!(grid.advance(at - Duration::from_micros(1)).is_none());
            let due = grid.advance(at).unwrap();
            assert_eq!((due.slot, due.skipped), (Slot::new(number), 0));
            assert!(grid.advance(at).is_none());
        }
    }

    #[test]
    fn a_late_driver_finds_missed_slots_skipped() {
        let mut grid = grid();
        let late = START + T * 11 + PHASE + Duration::from_millis(249);
        let due = grid.advance(late).unwrap();
        assert_eq!((due.slot, due.skipped), (Slot::new(51), 10));
        assert!(grid.advance(late).is_none());
        assert_eq!(grid.poll_timeout(), START + T * 12 + PHASE);
    }

    #[test]
    fn a_new_phase_never_puts_two_cells_into_one_slot() {
        let mut grid = grid();
        let left = grid.poll_timeout();
        grid.advance(left).unwrap();
        grid.anchor((left, grid.document(left)), PHASE + Duration::from_millis(50));
        assert_eq!(grid.poll_timeout(), left + T + Duration::from_millis(50));
        let later = left + T * 10;
        grid.anchor((later, grid.document(later)), Duration::ZERO);
        assert_eq!(grid.poll_timeout(), START + T * 12);
    }

    #[test]
    fn an_own_clock_that_goes_forward_moves_no_slot() {
        let mut grid = grid();
        let (now, due) = (START + T, grid.poll_timeout());
        let document = grid.document(now);
        let slept = Duration::from_secs(30_000);
        grid.go_forward(slept);
        assert_eq!((grid.document(now + slept), grid.poll_timeout()), (document, due + slept));
    }

    #[test]
    fn slots_follow_document_time_ahead_and_back() {
        let mut grid = grid();
        let now = START + T * 4;
        for number in [100_000, 7, 44] {
            grid.anchor((now, Slot::new(number).start(T) + PHASE), PHASE);
            assert_eq!((grid.next(), grid.poll_timeout()), (Slot::new(number + 1), now + T));
        }
    }

    #[test]
    fn slots_have_generators_of_their_own_and_the_seed_is_forgotten() {
        let (mut one, mut two) = (grid(), grid());
        let mut draws = Vec::new();
        for _ in 0..50 {
            let before = *one.seed;
            let at = one.poll_timeout();
            draws.push(one.generator().next_u64());
            assert_ne!(before, *one.seed);
            // What a slot draws beyond that changes nothing for the next.
            let mut twin = two.generator();
            assert_eq!(draws.last(), Some(&twin.next_u64()));
            twin.next_u64();
            assert!(one.advance(at).is_some() && two.advance(at).is_some());
        }
        draws.sort_unstable();
        draws.dedup();
        assert_eq!(draws.len(), 50);
    }
}
