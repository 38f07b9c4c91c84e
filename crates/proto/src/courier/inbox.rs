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
    /// True for each mailbox that has ever answered, so that it exists.
    answered: Vec<bool>,
}

impl Inbox {
    pub(super) fn new(mailboxes: usize) -> Self {
        Self { acks: vec![VecDeque::new(); mailboxes], answered: vec![false; mailboxes] }
    }

    /// Envelopes that the next pull of a mailbox acknowledges.
    pub(super) fn acks(&self, mailbox: usize) -> Vec<EnvelopeId> {
        self.acks.get(mailbox).map_or_else(Vec::new, |acks| acks.iter().copied().collect())
    }

    /// Tells whether a mailbox has answered a pull.
    pub(super) fn has_answered(&self, mailbox: usize) -> bool {
        self.answered.get(mailbox).is_some_and(|answered| *answered)
    }

    /// Forgets a mailbox whose place another has taken.
    pub(super) fn replace(&mut self, mailbox: usize) {
        if let (Some(acks), Some(answered)) =
            (self.acks.get_mut(mailbox), self.answered.get_mut(mailbox))
        {
            acks.clear();
            *answered = false;
        }
    }

    pub(super) fn answer_came(&mut self, mailbox: usize) {
        if let Some(answered) = self.answered.get_mut(mailbox) {
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
