//! Mailboxes of a relay: sealed envelopes in memory, answered at common ticks.
//!
//! Every pull is a registration; mailboxes exist because they are pulled. At each common tick every
//! mailbox that has begun to answer spends one SURB, with an envelope if one waits and with a dummy
//! otherwise. It begins with four SURBs in stock and goes on until there is none. So neither the
//! number nor the times of answers depend on mail, and no draw of randomness does.

mod limits;
mod queue;

use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use rand::seq::SliceRandom;
use rand_core::CryptoRng;
use rohrpost_packet::Suite;

pub use limits::MailboxLimits;
pub use queue::{MOST_ENVELOPES, MailboxCounts, SURB_START, SURB_STOCK, TTL};

use crate::frame::{Frame, OutgoingFrame};
use crate::hop::Refusal;
use crate::instruction::{Instruction, MailboxId, Pull, Store};
use crate::time::Time;
use queue::Mailbox;

/// All mailboxes of a relay; shared by its worker threads.
pub struct Mailboxes<S: Suite> {
    boxes: DashMap<MailboxId, Mailbox<S>>,
    /// Number of envelopes. Invariant: the sum over `boxes`, at most `limits.envelopes`.
    envelopes: AtomicUsize,
    limits: MailboxLimits,
}

impl<S: Suite> Mailboxes<S> {
    /// Makes a relay's mailboxes, of which there are none yet.
    #[must_use]
    pub fn new(limits: MailboxLimits) -> Self {
        Self { boxes: DashMap::new(), envelopes: AtomicUsize::new(0), limits }
    }

    /// Carries out an instruction.
    ///
    /// # Errors
    /// Always [`Refusal::Refused`], whether the mailbox is unknown or full or the key wrong.
    pub fn handle(&self, now: Time, instruction: Instruction<S>) -> Result<(), Refusal> {
        match instruction {
            Instruction::Discard => Ok(()),
            Instruction::Store(store) => self.store(now, store),
            Instruction::Pull(pull) => self.pull(now, *pull),
        }
    }

    fn store(&self, now: Time, store: Store<S>) -> Result<(), Refusal> {
        let credit = {
            let mut mailbox = self.boxes.get_mut(&store.mailbox).ok_or(Refusal::Refused)?;
            if !mailbox.admits(now, &store.write_key) {
                return Err(Refusal::Refused);
            }
            // This comes before room is made: a second copy must not cost another mailbox its mail.
            if mailbox.holds(&store.envelope) {
                return Ok(());
            }
            if self.envelopes.fetch_add(1, Ordering::Relaxed) < self.limits.envelopes {
                mailbox.store(now, store.envelope);
                return Ok(());
            }
            self.envelopes.fetch_sub(1, Ordering::Relaxed);
            mailbox.credit()
        };
        self.yield_one(credit)?;
        self.store(now, store)
    }

    /// Makes room at a full relay: the mailbox that has earned least gives up its newest envelope,
    /// unless the mailbox that asks has earned no more.
    fn yield_one(&self, credit: u32) -> Result<(), Refusal> {
        let least = self
            .boxes
            .iter()
            .filter(|mailbox| mailbox.held() > 0 && mailbox.credit() < credit)
            .min_by_key(|mailbox| (mailbox.credit(), *mailbox.key()))
            .map(|mailbox| *mailbox.key())
            .ok_or(Refusal::Refused)?;
        let mut mailbox = self.boxes.get_mut(&least).ok_or(Refusal::Refused)?;
        self.forget(usize::from(mailbox.yield_newest()));
        Ok(())
    }

    fn pull(&self, now: Time, pull: Pull<S>) -> Result<(), Refusal> {
        let id = pull.mailbox;
        if !self.boxes.contains_key(&id) && self.boxes.len() >= self.limits.mailboxes {
            return Err(Refusal::Refused);
        }
        let new = || Mailbox::new(now, pull.write_keys.clone(), &self.limits);
        let mut mailbox = self.boxes.entry(id).or_insert_with(new);
        self.forget(mailbox.pull(now, pull));
        Ok(())
    }

    /// Makes the answers of a common tick, in random order.
    pub fn tick(&self, now: Time, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<OutgoingFrame<S>> {
        let answering = self.boxes.iter().filter(|mailbox| mailbox.can_answer());
        let mut ids: Vec<_> = answering.map(|mailbox| *mailbox.key()).collect();
        // The map's own order is not a function of the seed; sorted first, the shuffle is.
        ids.sort_unstable();
        ids.shuffle(rng);
        let answer = |id: MailboxId| {
            let (surb, answer) = self.boxes.get_mut(&id)?.answer(now)?;
            let (to, generation) = (surb.first_hop(), surb.first_generation());
            let packet = surb.reply(&answer.encode()).ok()?;
            Some(OutgoingFrame { to, frame: Frame { generation, packet } })
        };
        ids.into_iter().filter_map(answer).collect()
    }

    /// Forgets envelopes and mailboxes whose time is over; to be called every few minutes.
    pub fn sweep(&self, now: Time) {
        self.boxes.retain(|_, mailbox| {
            self.forget(mailbox.expire(now));
            let alive = mailbox.is_alive(now);
            if !alive {
                self.forget(mailbox.held());
            }
            alive
        });
    }

    /// Number of mailboxes that exist.
    #[must_use]
    pub fn len(&self) -> usize {
        self.boxes.len()
    }

    /// Tells whether there are no mailboxes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    /// Counters of each mailbox, as the relay sees them, by pseudonym.
    #[must_use]
    pub fn counts(&self) -> Vec<MailboxCounts> {
        let mut counts: Vec<_> =
            self.boxes.iter().map(|mailbox| mailbox.counts(mailbox.key())).collect();
        counts.sort_by(|one, other| one.pseudonym.cmp(&other.pseudonym));
        counts
    }

    fn forget(&self, envelopes: usize) {
        self.envelopes.fetch_sub(envelopes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
