//! A single mailbox: its SURBs, its envelopes, the room that its owner has earned.

use std::collections::VecDeque;
use std::time::Duration;

use data_encoding::HEXLOWER;
use rohrpost_packet::envelope::Envelope;
use rohrpost_packet::{Suite, Surb};

use super::limits::MailboxLimits;
use crate::instruction::{Answer, EnvelopeId, MailboxId, Pull, SurbWait, WRITE_KEYS, WriteKey};
use crate::time::Time;
use crate::weakness::Weakness;

pub(super) struct Mailbox<S: Suite> {
    /// SURBs, oldest first; at most [`SURB_STOCK`].
    surbs: VecDeque<Held<S>>,
    /// True from when [`SURB_START`] SURBs are held until none is.
    answers_now: bool,
    /// Envelopes, oldest first; at most [`Mailbox::room`].
    envelopes: VecDeque<Stored<S>>,
    write_keys: [WriteKey; WRITE_KEYS],
    last_pull: Time,
    /// Pulls that count towards room: at most those that earn [`MOST_EARNED`], an eighth is lost
    /// per day.
    credit: u32,
    /// Time at which an envelope was stored last beyond the half of the room, while the owner was
    /// away.
    spared: Time,
    /// Pulls by which room for one more envelope is earned, at least one.
    pulls_per_room: u32,
    /// Time after which an envelope that was served and not acknowledged is served again.
    serve_again: Duration,
    decayed: Time,
    pulls: u64,
    answers: u64,
    stored: u64,
}

struct Held<S: Suite> {
    surb: Surb<S>,
    arrived: Time,
}

struct Stored<S: Suite> {
    id: EnvelopeId,
    envelope: Envelope<S>,
    since: Time,
    served: Option<Time>,
}

/// Counters that a relay can show of one mailbox without knowing whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxCounts {
    /// First four bytes of the pseudonym, in hex.
    pub pseudonym: String,
    /// Pulls since the mailbox was registered.
    pub pulls: u64,
    /// Answers since the mailbox was registered.
    pub answers: u64,
    /// Envelopes stored since the mailbox was registered; its owner's loops are among them.
    pub stored: u64,
    /// Envelopes that the mailbox holds now.
    pub held: usize,
}

impl<S: Suite> Mailbox<S> {
    pub(super) fn new(
        now: Time,
        write_keys: [WriteKey; WRITE_KEYS],
        limits: &MailboxLimits,
    ) -> Self {
        Self {
            surbs: VecDeque::new(),
            answers_now: false,
            envelopes: VecDeque::new(),
            write_keys,
            last_pull: now,
            credit: 0,
            spared: Time::from_micros(0),
            pulls_per_room: limits.pulls_per_room.max(1),
            serve_again: limits.serve_again,
            decayed: now,
            pulls: 0,
            answers: 0,
            stored: 0,
        }
    }

    /// Takes a pull; tells how many envelopes its acknowledgements removed.
    pub(super) fn pull(&mut self, now: Time, pull: Pull<S>) -> usize {
        let before = self.envelopes.len();
        self.envelopes.retain(|stored| !pull.acks.contains(&stored.id));
        if self.surbs.len() == SURB_STOCK {
            self.surbs.pop_front();
        }
        self.surbs.push_back(Held { surb: pull.surb, arrived: now });
        let start = if Weakness::AnswersFromTheFirst.is_active() { 1 } else { SURB_START };
        self.answers_now |= self.surbs.len() >= start;
        self.write_keys = pull.write_keys;
        self.last_pull = now;
        let most = MOST_EARNED.saturating_mul(self.pulls_per_room);
        self.credit = (self.credit + 1).min(most);
        self.pulls += 1;
        before - self.envelopes.len()
    }

    /// Tells whether the key fits and there is room. All write keys are looked at in any case, and
    /// alike.
    pub(super) fn admits(&self, now: Time, key: &WriteKey) -> bool {
        let fits = self.write_keys.iter().fold(false, |fits, held| fits | held.fits(key));
        let spared = self.is_sparing() && now.since(self.spared) < SPARING;
        fits & (self.envelopes.len() < self.room()) & !spared
    }

    /// Tells whether an envelope is here already.
    pub(super) fn holds(&self, envelope: &Envelope<S>) -> bool {
        let id = EnvelopeId::of(envelope);
        self.envelopes.iter().any(|stored| stored.id == id)
    }

    /// Stores an envelope that is not here yet.
    pub(super) fn store(&mut self, now: Time, envelope: Envelope<S>) {
        let id = EnvelopeId::of(&envelope);
        if self.is_sparing() {
            self.spared = now;
        }
        self.stored += 1;
        self.envelopes.push_back(Stored { id, envelope, since: now, served: None });
    }

    /// Tells whether the mailbox answers at common ticks. It begins with a stock, so that pulls
    /// that are late or lost leave no tick without an answer; once the stock is spent it pauses
    /// until there is a stock again: one gap tells less than many.
    pub(super) const fn can_answer(&self) -> bool {
        self.answers_now
    }

    /// Spends the oldest SURB: with the oldest envelope not served lately, else with a dummy.
    pub(super) fn answer(&mut self, now: Time) -> Option<(Surb<S>, Answer<S>)> {
        let Held { surb, arrived } = self.surbs.pop_front()?;
        self.answers_now = !self.surbs.is_empty();
        self.answers += 1;
        let waits = |stored: &&mut Stored<S>| {
            stored.served.is_none_or(|served| now.since(served) >= self.serve_again)
        };
        let envelope = self.envelopes.iter_mut().find(waits).map(|stored| {
            stored.served = Some(now);
            (stored.id, stored.envelope.clone())
        });
        Some((surb, Answer { wait: SurbWait::new(arrived, now), envelope }))
    }

    /// Forgets old envelopes and lets credit decay; tells how many envelopes went.
    pub(super) fn expire(&mut self, now: Time) -> usize {
        let before = self.envelopes.len();
        self.envelopes.retain(|stored| now.since(stored.since) < TTL);
        if now.since(self.decayed) >= DAY {
            self.credit -= self.credit / 8;
            self.decayed = now;
        }
        before - self.envelopes.len()
    }

    pub(super) fn is_alive(&self, now: Time) -> bool {
        now.since(self.last_pull) < TTL
    }

    /// Gives up the newest envelope; false if there is none.
    pub(super) fn yield_newest(&mut self) -> bool {
        self.envelopes.pop_back().is_some()
    }

    pub(super) const fn credit(&self) -> u32 {
        self.credit
    }

    pub(super) fn held(&self) -> usize {
        self.envelopes.len()
    }

    pub(super) fn counts(&self, id: &MailboxId) -> MailboxCounts {
        MailboxCounts {
            pseudonym: HEXLOWER.encode(&id.as_bytes()[..4]),
            pulls: self.pulls,
            answers: self.answers,
            stored: self.stored,
            held: self.envelopes.len(),
        }
    }

    /// Tells whether the mailbox spares what is left of its room: its owner does not pull, and half
    /// of the room is taken. Else who sends a file to somebody who goes in the middle of it would
    /// leave no room to others.
    fn is_sparing(&self) -> bool {
        self.surbs.is_empty() && self.envelopes.len() >= self.room() / 2
    }

    /// Number of envelopes that fit: a few from the start, then one per so many pulls.
    fn room(&self) -> usize {
        FIRST_ROOM + usize::try_from(self.credit / self.pulls_per_room).unwrap_or(0)
    }
}

/// Room before anything is earned: first mail need not wait, while half of it holds what its owner
/// has fetched and not stored yet.
const FIRST_ROOM: usize = 32;
/// Envelopes of a mailbox at most, once it has earned all the room that there is.
pub const MOST_ENVELOPES: u32 = 128;
/// Largest room that is earned: with [`FIRST_ROOM`] it is that of [`MOST_ENVELOPES`].
const MOST_EARNED: u32 = 96;
/// Time between two envelopes beyond the half of the room, while the owner is away: a file that is
/// under way takes four such places until its sender notices.
const SPARING: Duration = Duration::from_secs(120);
const DAY: Duration = Duration::from_secs(86_400);

/// Time that an envelope is retained, and a mailbox after its last pull.
pub const TTL: Duration = Duration::from_secs(7 * 86_400);
/// SURBs held for a mailbox at most; the oldest leaves.
pub const SURB_STOCK: usize = 8;
/// SURBs from which on a mailbox answers.
pub const SURB_START: usize = 4;
