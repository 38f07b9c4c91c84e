//! SURBs on their way: what the courier keeps to read their answers.

use std::collections::{HashMap, VecDeque};

use rohrpost_packet::{NodeNumber, ReplyId, Suite, SurbOpener};

use crate::path::Path;

/// One SURB that a mailbox may answer with.
pub(super) struct PendingReply<S: Suite> {
    pub(super) opener: SurbOpener<S>,
    /// Index of the own mailbox.
    pub(super) mailbox: usize,
    pub(super) relay: NodeNumber,
    pub(super) path: Path,
}

/// At most [`BOUND`]; the oldest leaves, as it does at the mailbox.
pub(super) struct Pending<S: Suite> {
    replies: HashMap<ReplyId, PendingReply<S>>,
    order: VecDeque<ReplyId>,
}

impl<S: Suite> Pending<S> {
    pub(super) fn new() -> Self {
        Self { replies: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn insert(&mut self, reply: PendingReply<S>) {
        if self.order.len() == BOUND
            && let Some(oldest) = self.order.pop_front()
        {
            self.replies.remove(&oldest);
        }
        let id = reply.opener.id();
        self.order.push_back(id);
        self.replies.insert(id, reply);
    }

    pub(super) fn take(&mut self, id: ReplyId) -> Option<PendingReply<S>> {
        let reply = self.replies.remove(&id)?;
        self.order.retain(|held| *held != id);
        Some(reply)
    }

    pub(super) fn holds(&self, id: ReplyId) -> bool {
        self.replies.contains_key(&id)
    }
}

/// Two mailboxes hold eight SURBs each, and about as many are on their way; 160 bytes of keys each.
const BOUND: usize = 64;
