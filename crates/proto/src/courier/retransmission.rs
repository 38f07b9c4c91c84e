//! Retransmit timer: how long a fragment waits for its acknowledgement.

use std::time::Duration;

use rand_core::CryptoRng;

use crate::directory::roster::Traffic;
use crate::mailbox::SERVE_AGAIN;

/// Retransmit timer: how long a fragment waits for its acknowledgement.
#[derive(Clone, Copy)]
pub(super) struct RetransmitTimer {
    /// Time-out of a fragment that has left once.
    pub(super) first: Duration,
    /// Time in which a mailbox serves an envelope twice.
    served: Duration,
    /// The longest that a packet may be on its way to its mailbox.
    pub(super) transit: Duration,
    /// Time in which the owner of a mailbox pulls it at a relay that started anew: before that, the
    /// relay refuses what is for the mailbox.
    pub(super) registration: Duration,
}

impl RetransmitTimer {
    /// Derives the timer from the rates: four mean delays of an acknowledgement, which one in fifty
    /// outlasts, the time in which an envelope is served twice, and the longest way there and back.
    pub(super) fn new(traffic: &Traffic) -> Self {
        let transit = traffic.mix_delay * 24 + traffic.slot * 2;
        let served = SERVE_AGAIN + traffic.answer_period() * QUEUE;
        let registration = transit + traffic.slot * 2 * PULLS;
        let first = traffic.ack_delay * 4 + served + transit * 2;
        Self { first, served, transit, registration }
    }

    /// Time by which one fragment must have left before another to be taken for lost when the other
    /// has come: a mailbox may have served the earlier one a second time.
    pub(super) fn reorder(self) -> Duration {
        self.served + self.transit
    }

    /// Draws the wait for an acknowledgement after `unanswered` sendings.
    ///
    /// It stays the same at first, for so many times chance may have lost the fragment or its
    /// acknowledgement; then it grows by half each time, as for a recipient that is away. There is
    /// a quarter of jitter either way; the wait is at most [`LONGEST`].
    pub(super) fn after(self, unanswered: u32, rng: &mut (impl CryptoRng + ?Sized)) -> Duration {
        let growth = unanswered.saturating_sub(STEADY).min(30);
        let factor = 1.5_f64.powi(i32::try_from(growth).unwrap_or(30));
        let jitter = rand::RngExt::random_range(rng, 0.75..1.25);
        let longest = LONGEST.max(self.first);
        self.first.mul_f64(factor).min(longest).mul_f64(jitter)
    }
}

/// Answers of a mailbox that an envelope waits for behind others, where the mailbox is full at
/// first and some pulls are lost.
const QUEUE: u32 = 20;
/// Time-outs before they grow. Where each of ten links loses one packet of twenty, two of five
/// fragments or their acknowledgements are lost, and three in a hundred that often in a row.
const STEADY: u32 = 3;
/// Pulls of which one series in a million goes by without a certain one of two mailboxes.
const PULLS: u32 = 20;
const LONGEST: Duration = Duration::from_secs(12 * 3600);

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn time_outs_grow_and_have_a_limit() {
        let timer = RetransmitTimer::new(&Traffic::default());
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        for times in 0..40_i32 {
            // The fourth is as long as the first, the fifth half as long again.
            let growth = 1.5_f64.powi((times - 3).max(0));
            let expected = (timer.first.as_secs_f64() * growth).min(LONGEST.as_secs_f64());
            for _ in 0..50 {
                let after = timer.after(times.unsigned_abs(), &mut rng).as_secs_f64();
                assert!((0.75..1.25).contains(&(after / expected)), "{times}: {after} s");
            }
        }
    }
}
