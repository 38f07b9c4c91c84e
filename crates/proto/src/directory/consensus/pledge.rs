//! The pledge of a signatory: one document a slot, whatever it forgets.

use std::collections::BTreeSet;

use crate::directory::timing::{LEAD, Timing};
use crate::time::{Slot, Time};

/// When a relay may sign, and what it must not sign again. A restart forgets it: the new process
/// leaves out every slot in which the one before may have signed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pledge {
    timing: Timing,
    /// The first slot that may be signed. Those before it are over, or left out.
    first: Slot,
    /// Slots from there on that were signed: [`LEAD`] and two more at most.
    signed: BTreeSet<Slot>,
}

impl Pledge {
    /// The pledge of a process that starts now. The process before it signed slots up to those that
    /// were to begin soon, by the clocks' largest difference, if its clock was right; two more are
    /// left out.
    #[must_use]
    pub fn begin(now: Time, timing: Timing) -> Self {
        let last = timing.slot_of(now + timing.clocks()).number();
        Self { timing, first: Slot::new(last + 1 + LEFT_OUT), signed: BTreeSet::new() }
    }

    /// The first slot that may be signed.
    #[must_use]
    pub const fn first(&self) -> Slot {
        self.first
    }

    /// Signs a slot, of whose document `signatures` are at hand, if that may be: false if it must
    /// not.
    ///
    /// A document that only its proposer has signed is signed until a round after the votes are in,
    /// and for each further signature one round later. So whoever signs at the last moment can hand
    /// it on to all others in time: a proposer that tells some and not others gains nothing, while
    /// there are k honest signatories (Dolev and Strong, Authenticated algorithms for Byzantine
    /// agreement, 1983).
    pub fn sign(&mut self, slot: Slot, now: Time, signatures: usize) -> bool {
        self.close(now);
        let begin = self.timing.begin_of(slot);
        let rounds = u32::try_from(signatures).unwrap_or(0).min(MOST_ROUNDS);
        let early = begin.since(now) > self.timing.clocks();
        let late = now.since(begin) >= self.timing.voting() + self.timing.round() * rounds;
        slot >= self.first && !early && !late && self.signed.insert(slot)
    }

    /// Forgets slots that are over for good; they are not signed again should the clock go back.
    fn close(&mut self, now: Time) {
        let over = self.timing.slot_of(now).number().saturating_sub(u64::from(LEAD) + 1);
        if over > self.first.number() {
            self.first = Slot::new(over);
            self.signed = self.signed.split_off(&self.first);
        }
    }
}

/// Slots that a new process leaves out beyond those that the one before may have signed: a clock may
/// have gone back by as much.
const LEFT_OUT: u64 = 2;
/// Rounds that fit between the votes and the document's start: one more than agencies that may lie.
const MOST_ROUNDS: u32 = 8;
