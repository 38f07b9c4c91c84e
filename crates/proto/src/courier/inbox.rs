//! Receiving state of the own mailboxes: which have answered, and what the next pulls acknowledge.

use std::collections::VecDeque;

use crate::instruction::{EnvelopeId, MAX_ACKS};

/// Receiving state of the own mailboxes.
pub(super) struct Inbox {
    /// Envelopes to acknowledge, oldest first, per mailbox; at most [`MAX_ACKS`], the oldest
    /// leaves.
    ///
    /// Each goes with every pull until eight newer ones have come, for any pull may be lost. One
    /// that leaves too early does no harm: its envelope is served and acknowledged again.
    acks: Vec<VecDeque<EnvelopeId>>,
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
            answered: vec![false; mailboxes],
            registrations: vec![0; mailboxes],
        }
    }

    /// Envelopes that the next pull of a mailbox acknowledges.
    pub(super) fn acks(&self, mailbox: usize) -> Vec<EnvelopeId> {
        self.acks.get(mailbox).map_or_else(Vec::new, |acks| acks.iter().copied().collect())
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
        if let Some(acks) = self.acks.get_mut(mailbox) {
            acks.clear();
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

    pub(super) fn acknowledge(&mut self, mailbox: usize, id: EnvelopeId) {
        if let Some(acks) = self.acks.get_mut(mailbox) {
            acks.retain(|held| *held != id);
            if acks.len() == MAX_ACKS {
                acks.pop_front();
            }
            acks.push_back(id);
        }
    }
}
