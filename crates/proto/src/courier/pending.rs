//! SURBs that have left: what the courier retains to read their answers.

use std::collections::{HashMap, VecDeque};

use rohrpost_packet::{NodeNumber, ReplyId, Suite, SurbOpener};

use super::event::Trip;
use crate::directory::roster::Traffic;
use crate::mailbox::SURB_STOCK;
use crate::path::Path;
use crate::time::{Steady, Time};

/// A SURB that a mailbox may answer with.
pub(super) struct PendingReply<S: Suite> {
    pub(super) opener: SurbOpener<S>,
    /// Index of the own mailbox.
    pub(super) mailbox: usize,
    /// Number of the registration that the pull was: it rises when the mailbox's write keys change.
    pub(super) registration: u64,
    pub(super) relay: NodeNumber,
    /// Way of the pull that carried the SURB.
    pub(super) pull: Trip,
    /// Way of the answer.
    pub(super) path: Path,
}

/// A reply that has come and is to be opened.
pub(super) struct Arrived<S: Suite> {
    pub(super) reply: PendingReply<S>,
    pub(super) payload: Box<[u8]>,
    /// Time of its arrival, by the own clock and by document time.
    pub(super) now: Steady,
    pub(super) document: Time,
}

/// SURBs that have left, at most `bound`; the oldest leaves, as it does at the mailbox.
pub(super) struct Pending<S: Suite> {
    replies: HashMap<ReplyId, PendingReply<S>>,
    /// Ids by age, oldest first. Invariant: exactly the keys of `replies`.
    order: VecDeque<ReplyId>,
    bound: usize,
}

impl<S: Suite> Pending<S> {
    /// An empty set, with room for what the own mailboxes hold and for all that is on its way, with
    /// 24 mean delays as the longest way over six mixes (one in a million takes longer).
    pub(super) fn new(traffic: &Traffic, mailboxes: usize) -> Self {
        let way = (traffic.mix_delay * 24).as_micros() / (traffic.slot * 2).as_micros().max(1);
        let on_their_way = usize::try_from(way).unwrap_or(MOST);
        Self {
            replies: HashMap::new(),
            order: VecDeque::new(),
            bound: on_their_way.saturating_add(mailboxes * SURB_STOCK).clamp(LEAST, MOST),
        }
    }

    /// Adds a reply; gives back the relay whose oldest one had to leave for it.
    pub(super) fn insert(&mut self, reply: PendingReply<S>) -> Option<NodeNumber> {
        let oldest = (self.order.len() >= self.bound).then(|| self.order.pop_front()).flatten();
        let lost = oldest.and_then(|id| self.replies.remove(&id));
        let id = reply.opener.id();
        self.order.push_back(id);
        self.replies.insert(id, reply);
        lost.map(|reply| reply.relay)
    }

    pub(super) fn take(&mut self, id: ReplyId) -> Option<PendingReply<S>> {
        let reply = self.replies.remove(&id)?;
        self.order.retain(|held| *held != id);
        Some(reply)
    }

    /// Forgets the answers of a mailbox that is no more.
    pub(super) fn forget(&mut self, mailbox: usize) {
        self.replies.retain(|_, reply| reply.mailbox != mailbox);
        self.order.retain(|id| self.replies.contains_key(id));
    }

    pub(super) fn clear(&mut self) {
        self.replies.clear();
        self.order.clear();
    }

    pub(super) fn holds(&self, id: ReplyId) -> bool {
        self.replies.contains_key(&id)
    }
}

/// Least bound: enough for the default rates with room for a burst; about 450 bytes each.
const LEAST: usize = 64;
/// Largest bound: about 1.8 MiB, for rosters with very long delays.
const MOST: usize = 4096;
/// Replies that wait to be opened: a relay sends one per slot, and a few come together after a
/// hold-up. They have 120 KiB hybrid.
pub(super) const ARRIVED: usize = 16;
