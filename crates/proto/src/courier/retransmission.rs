//! Retransmit timer: how long a fragment waits for its acknowledgement.

use std::time::Duration;

use rand_core::CryptoRng;

use crate::directory::roster::Traffic;
use crate::mailbox::{MOST_ENVELOPES, TTL};
use crate::time::Steady;

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
    /// Copies of a fragment that leave before its recipient is taken to be away: if none is
    /// acknowledged, it was not chance that lost them.
    copies: u32,
    /// Fragments that leave for two mailboxes in the time that one acknowledgement in fifty
    /// outlasts.
    round_trip: usize,
    /// True where mailboxes hand out so seldom that a letter waits for hours behind others. Else what
    /// has not come in a first time-out was dropped, by a mailbox that was full.
    pub(super) queues: bool,
}

impl RetransmitTimer {
    /// Derives the timer from the rates: four mean delays of an acknowledgement, which one in fifty
    /// outlasts, the time in which an envelope is served twice, and the longest way there and back.
    /// Where cells leave seldom it is no shorter than a full mailbox takes to answer: else whoever
    /// has one would get more copies while he reads, and never come to the end.
    pub(super) fn new(traffic: &Traffic) -> Self {
        let transit = traffic.mix_delay * 24 + traffic.slot * 2;
        let served = traffic.serve_again() + traffic.answer_period() * QUEUE;
        let registration = transit + traffic.slot * 2 * PULLS;
        let full = traffic.serve_again() + traffic.answer_period() * MOST_ENVELOPES;
        let first = (traffic.ack_delay * LATE + served).max(full) + transit * 2;
        let round_trip = traffic.ack_delay * LATE + traffic.answer_period() * WAITS;
        let pace = traffic.pace() / 2;
        let round_trip = round_trip.as_micros() / pace.as_micros().max(1);
        let round_trip = usize::try_from(round_trip).unwrap_or(usize::MAX);
        let copies = LEAST_COPIES;
        let queues = traffic.answer_period() >= SELDOM;
        Self { first, served, transit, registration, copies, round_trip, queues }
    }

    /// Time by which one fragment must have left before another to be taken for lost when the other
    /// has come: a mailbox may have served the earlier one a second time.
    pub(super) fn reorder(self) -> Duration {
        self.served + self.transit
    }

    /// Fragments under way that keep a contact's two mailboxes busy until an acknowledgement comes:
    /// also one of those that are drawn late. With fewer, a long message stands still at each of
    /// those.
    pub(super) const fn round_trip(self) -> usize {
        self.round_trip
    }

    /// Time without a departure after which another fragment leaves though the window is full: the
    /// acknowledgement may be lost, and what is new draws another one.
    pub(super) fn probe(self) -> Duration {
        self.first / PROBES
    }

    /// Goes by the part of letters that the network loses at present.
    pub(super) fn adapt(&mut self, loss: f64) {
        let unanswered = 1.0 - (1.0 - loss).powi(2);
        let mut copies = LEAST_COPIES;
        while unanswered.powi(copies.cast_signed()) > CHANCE && copies < MOST_COPIES {
            copies += 1;
        }
        self.copies = copies;
    }

    /// The wait for an acknowledgement after a fragment has left `times` times in a row without a
    /// sign of life from its recipient; `jitter` is the factor that was drawn for it.
    ///
    /// Two of three copies leave a first time-out apart, for chance may have lost the fragment or
    /// its acknowledgement; the waits after the others grow, up to two days. When as many have left
    /// as make sure that it was not chance, the recipient is away: its mailboxes hold what has come
    /// to them, and the next copy leaves when they have forgotten it.
    pub(super) fn after(self, times: u32, jitter: f64) -> Duration {
        if times >= self.copies {
            // Whoever is there on one day of the week writes on that day of the next.
            return TTL + (TTL / 5).mul_f64(jitter - LEAST_JITTER);
        }
        let steady = self.copies * 2 / 3;
        let steps = f64::from(self.copies - 1 - steady);
        let growth = f64::from(times.saturating_sub(steady)) / steps;
        let most = LONGEST.as_secs_f64() / self.first.as_secs_f64();
        self.first.mul_f64(most.max(1.0).powf(growth) * jitter)
    }

    /// Draws the factor of a wait: a quarter more or less.
    pub(super) fn jitter(rng: &mut (impl CryptoRng + ?Sized)) -> f64 {
        rand::RngExt::random_range(rng, LEAST_JITTER..2.0 - LEAST_JITTER)
    }

    /// Copies that may be under way to a recipient of which nothing is heard, beside the first of
    /// each fragment: what it costs a mailbox that its owner does not come.
    pub(super) const fn spare_copies(self) -> usize {
        2 * self.copies as usize
    }

    /// Tells whether a mailbox has forgotten what left at `sent`.
    pub(super) fn is_forgotten(now: Steady, sent: Steady) -> bool {
        now.since(sent) >= TTL
    }
}

/// Period of a mailbox's answers from which on letters wait for hours in it.
const SELDOM: Duration = Duration::from_secs(60);
/// Answers of a mailbox that an envelope waits for behind others, where the mailbox is full at
/// first and some pulls are lost.
const QUEUE: u32 = 20;
/// Answers of a mailbox, of either end, that a fragment and its acknowledgement wait for.
const WAITS: u32 = 8;
/// Mean delays of an acknowledgement that one in fifty outlasts.
const LATE: u32 = 4;
/// Fragments that leave in a first time-out though the window is full.
const PROBES: u32 = 3;
/// Copies of a fragment where the network loses one letter in a hundred, or none.
const LEAST_COPIES: u32 = 4;
/// Copies of a fragment where the network loses a third of all letters, or more.
const MOST_COPIES: u32 = 24;
/// Chance that all copies are lost, or the acknowledgements of those that are not.
const CHANCE: f64 = 2e-7;
const LEAST_JITTER: f64 = 0.75;
/// Pulls of which one series in a million goes by without a certain one of two mailboxes.
const PULLS: u32 = 20;
/// The longest wait between two copies that a mailbox may hold both.
const LONGEST: Duration = Duration::from_hours(48);

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    /// Waits of a fragment whose recipient is silent, in minutes.
    fn waits(loss: f64) -> Vec<f64> {
        let mut timer = RetransmitTimer::new(&Traffic::default());
        timer.adapt(loss);
        (1..=timer.copies).map(|times| timer.after(times, 1.0).as_secs_f64() / 60.0).collect()
    }

    #[test]
    fn four_copies_leave_in_a_week_where_little_is_lost() {
        for loss in [0.0, 0.01] {
            let waits = waits(loss);
            let first = 9.01;
            let expected = [first, first, 2.0 * 1440.0, 7.35 * 1440.0];
            assert_eq!(waits.len(), expected.len());
            for (wait, expected) in waits.iter().zip(expected) {
                assert!((wait / expected - 1.0).abs() < 0.001, "{waits:?}");
            }
        }
    }

    #[test]
    fn more_copies_leave_where_more_is_lost() {
        let copies = [0.0, 0.02, 0.05, 0.1, 0.226, 0.9].map(|loss| waits(loss).len());
        assert_eq!(copies, [4, 5, 7, 10, 17, 24]);
        let waits = waits(0.226);
        assert!(waits.is_sorted(), "{waits:?}");
        assert!((waits[10] / waits[0] - 1.0).abs() < 0.001, "two of three are steady: {waits:?}");
    }

    #[test]
    fn the_jitter_is_a_quarter_either_way() {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        let drawn: Vec<_> = (0..1000).map(|_| RetransmitTimer::jitter(&mut rng)).collect();
        assert!(drawn.iter().all(|factor| (0.75..1.25).contains(factor)));
        assert!(drawn.iter().any(|factor| *factor < 0.8) && drawn.iter().any(|f| *f > 1.2));
    }
}
