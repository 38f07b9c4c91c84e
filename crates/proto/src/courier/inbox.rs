//! Receiving state of the own mailboxes: which have answered, and what the next pulls acknowledge.

use std::collections::VecDeque;
use std::time::Duration;

use crate::instruction::{EnvelopeId, MAX_ACKS};
use crate::time::Steady;

/// Receiving state of the own mailboxes.
pub(super) struct Inbox {
    /// Envelopes to acknowledge, oldest first, per mailbox; at most [`MAX_ACKS`], the oldest
    /// leaves.
    ///
    /// Each goes with every pull until eight newer ones have come, for any pull may be lost. One
    /// that leaves too early does no harm: its envelope is served and acknowledged again.
    acks: Vec<VecDeque<EnvelopeId>>,
    /// Envelopes that were opened less than [`HOLD`] ago, oldest first, per mailbox: at most those
    /// of as many answers.
    held: Vec<VecDeque<(Steady, EnvelopeId)>>,
    /// True for each mailbox that has answered a pull of its newest registration, so that it exists
    /// and takes what comes under its write keys.
    answered: Vec<bool>,
    /// Number of the newest registration of each mailbox.
    registrations: Vec<u64>,
}

impl Inbox {
    pub(super) fn new(mailboxes: usize) -> Self {
        Self {
            acks: vec![VecDeque::new(); mailboxes],
            held: vec![VecDeque::new(); mailboxes],
            answered: vec![false; mailboxes],
            registrations: vec![0; mailboxes],
        }
    }

    /// Envelopes that a pull of a mailbox acknowledges which leaves at `due`.
    pub(super) fn acks(&mut self, mailbox: usize, due: Steady) -> Vec<EnvelopeId> {
        let (Some(acks), Some(held)) = (self.acks.get_mut(mailbox), self.held.get_mut(mailbox))
        else {
            return Vec::new();
        };
        while let Some((_, id)) = held.pop_front_if(|(opened, _)| *opened + HOLD <= due) {
            acks.retain(|known| *known != id);
            if acks.len() == MAX_ACKS {
                acks.pop_front();
            }
            acks.push_back(id);
        }
        acks.iter().copied().collect()
    }

    /// Tells whether a mailbox has answered a pull.
    pub(super) fn has_answered(&self, mailbox: usize) -> bool {
        self.answered.get(mailbox).is_some_and(|answered| *answered)
    }

    /// Number of the registration that a pull of a mailbox is now.
    pub(super) fn registration(&self, mailbox: usize) -> u64 {
        self.registrations.get(mailbox).copied().unwrap_or(0)
    }

    /// Forgets a mailbox whose place another has taken.
    pub(super) fn replace(&mut self, mailbox: usize) {
        if let (Some(acks), Some(held)) = (self.acks.get_mut(mailbox), self.held.get_mut(mailbox)) {
            acks.clear();
            held.clear();
        }
        self.register_anew(mailbox);
    }

    /// Notes that the write keys of a mailbox have changed, of which its relay has yet to hear.
    pub(super) fn register_anew(&mut self, mailbox: usize) {
        if let (Some(answered), Some(registration)) =
            (self.answered.get_mut(mailbox), self.registrations.get_mut(mailbox))
        {
            *answered = false;
            *registration += 1;
        }
    }

    /// Notes the answer to a pull of this registration.
    pub(super) fn answer_came(&mut self, mailbox: usize, registration: u64) {
        if self.registration(mailbox) == registration
            && let Some(answered) = self.answered.get_mut(mailbox)
        {
            *answered = true;
        }
    }

    /// Notes an envelope that was opened at `now`: pulls acknowledge it from [`HOLD`] on. That is
    /// the same for mail, loops and what cannot be read, so that the relay does not learn which is
    /// which by when it is acknowledged.
    pub(super) fn acknowledge(&mut self, mailbox: usize, id: EnvelopeId, now: Steady) {
        if let Some(held) = self.held.get_mut(mailbox)
            && held.iter().all(|(_, known)| *known != id)
        {
            held.push_back((now, id));
        }
    }
}

/// Time from the opening of an envelope until its relay is told, so that it removes it. In this time
/// the application stores what was in it, together with what comes within ten seconds of it; if it
/// cannot, for its disk is full, it ends the courier, and the relay serves the envelope again to the
/// next. It is longer than those ten seconds and a flush of a busy disk, and half the time after
/// which an envelope is served again anyway. A mailbox needs fourteen of its places for it when it
/// is as busy as can be, and has thirty-two at least.
pub(super) const HOLD: Duration = Duration::from_secs(14);
