//! The schedule of slots: what a slot carries, decided without a look at any queue.

use rand_core::CryptoRng;

use crate::path::below;
use crate::time::Slot;
use crate::weakness::Weakness;

/// Load of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Load {
    /// Asks the own mailbox of this index for an answer.
    Pull(usize),
    /// Sends the next fragment, or drop cover.
    Payload,
    /// Sends an envelope to oneself, into the own mailbox of this index.
    Loop(usize),
}

impl Load {
    /// Draws the load of `slot`: even slots pull the `mailboxes` (at least one) in turns, for by a
    /// coin the times of one mailbox would tell those of the other; so does every sixteenth odd
    /// slot. The other odd slots carry payload with probability 3/4, else a loop.
    #[must_use]
    pub fn draw(slot: Slot, mailboxes: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        if slot.pulls() && Weakness::PullsByCoin.is_active() {
            Self::Pull(below(mailboxes, rng))
        } else if slot.pulls() {
            Self::Pull(turn(slot.pull_number(), mailboxes))
        } else if Weakness::LoopsInTurns.is_active() && slot.number() % 8 == 1 {
            Self::Loop(turn(slot.number() / 8, mailboxes))
        } else if Weakness::LoopsInTurns.is_active() || below(4, rng) != 0 {
            Self::Payload
        } else {
            Self::Loop(below(mailboxes, rng))
        }
    }
}

/// The mailbox whose turn the pull of this number is.
fn turn(pull: u64, mailboxes: usize) -> usize {
    let mailboxes = u64::try_from(mailboxes.max(1)).unwrap_or(u64::MAX);
    usize::try_from(pull % mailboxes).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    /// Checks that each count lies within five standard deviations of what the schedule says.
    #[test]
    fn loads_follow_the_schedule() {
        let mut rng = ChaCha20Rng::from_seed([8; 32]);
        let slots: u32 = 80_000;
        let mut counts = std::collections::HashMap::new();
        for number in 0..slots {
            let slot = Slot::new(number.into());
            let load = Load::draw(slot, 2, &mut rng);
            match number % 64 {
                31 => assert_eq!(load, Load::Pull(0), "surplus, in turns"),
                63 => assert_eq!(load, Load::Pull(1), "surplus, in turns"),
                even if even % 2 == 0 => {
                    assert_eq!(load, Load::Pull(usize::from(even % 4 == 2)), "in turns");
                }
                _ => assert!(!matches!(load, Load::Pull(_))),
            }
            *counts.entry(format!("{load:?}")).or_insert(0_u32) += 1;
        }
        let shares = [
            ("Pull(0)", 17.0 / 64.0),
            ("Pull(1)", 17.0 / 64.0),
            ("Payload", 45.0 / 128.0),
            ("Loop(0)", 15.0 / 256.0),
            ("Loop(1)", 15.0 / 256.0),
        ];
        for (load, p) in shares {
            let (n, count) = (f64::from(slots), f64::from(counts[load]));
            let deviation = (n * p * (1.0 - p)).sqrt();
            assert!((count - n * p).abs() < 5.0 * deviation, "{load}: {count}");
        }
    }
}
