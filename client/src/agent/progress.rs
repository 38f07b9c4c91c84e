//! Progress of each message: the fragments of it that have left, and whether the session has it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use data_encoding::HEXLOWER;
use rohrpost_network::Network;
use rohrpost_packet::envelope::{KeyId, MessageId, fragment_body_len};
use rohrpost_packet::{Classic, Hybrid};
use rohrpost_proto::directory::roster::SuiteName;

use super::estimate::Estimate;
use super::listing::contact_id;
use crate::api::OutgoingMessage;
use crate::store::{DeliveryStatus, Outgoing};

/// The outbox as the agent works through it.
pub(super) struct Progress {
    /// Bytes of a fragment.
    room: u64,
    estimate: Estimate,
    /// Messages that the session was not given yet, per contact in the order of acceptance. As many
    /// as the outbox has.
    waiting: BTreeMap<KeyId, VecDeque<MessageId>>,
    /// The contact whose turn was last; the others' come before its next.
    last: Option<KeyId>,
    /// Messages that the session was given.
    posted: HashSet<MessageId>,
    /// Contacts for whom the session took no more, while nothing has been over since.
    full: HashSet<KeyId>,
    /// Fragments that have left, of each message that is open.
    left: HashMap<MessageId, u32>,
}

impl Progress {
    pub(super) fn new(network: &Network) -> Self {
        let room = match network.roster.suite {
            SuiteName::Hybrid => fragment_body_len::<Hybrid>(),
            SuiteName::Classic => fragment_body_len::<Classic>(),
        };
        Self {
            room: u64::try_from(room).unwrap_or(1),
            estimate: Estimate::new(&network.roster.traffic),
            waiting: BTreeMap::new(),
            last: None,
            posted: HashSet::new(),
            full: HashSet::new(),
            left: HashMap::new(),
        }
    }

    /// Takes on what the outbox has and is not known.
    pub(super) fn load(&mut self, outbox: &[Outgoing]) {
        let waits: HashSet<_> = self.waiting.values().flatten().copied().collect();
        let known = |one: &Outgoing| self.posted.contains(&one.id) || waits.contains(&one.id);
        for new in outbox.iter().filter(|one| one.status.is_open() && !known(one)) {
            self.waiting.entry(new.to).or_default().push_back(new.id);
        }
    }

    /// Takes on a message that was just accepted, the last of all.
    pub(super) fn take_on(&mut self, new: &Outgoing) {
        self.waiting.entry(new.to).or_default().push_back(new.id);
    }

    /// The message that the session is to be given next, if it may have room: contacts take turns,
    /// so that whoever is away holds up nobody else.
    pub(super) fn next(&self) -> Option<(KeyId, MessageId)> {
        let after = |(to, _): &(&KeyId, _)| self.last.is_none_or(|last| **to > last);
        let (later, sooner): (Vec<_>, Vec<_>) = self.waiting.iter().partition(after);
        let mut all = later.into_iter().chain(sooner);
        all.find_map(|(to, ids)| Some((*to, *ids.front()?)).filter(|_| !self.full.contains(to)))
    }

    /// Notes that the session has no room for this contact: it is not asked again before something is
    /// over.
    pub(super) fn refused(&mut self, to: KeyId) {
        self.full.insert(to);
    }

    /// Notes that the session may have room again.
    pub(super) fn made_room(&mut self) {
        self.full.clear();
    }

    /// Notes that the first message that waits for a contact was given to the session, or need not
    /// be.
    pub(super) fn posted(&mut self, to: KeyId) {
        self.last = Some(to);
        let Some(ids) = self.waiting.get_mut(&to) else {
            return;
        };
        self.posted.extend(ids.pop_front());
        if ids.is_empty() {
            self.waiting.remove(&to);
        }
    }

    /// Notes that the session has forgotten all that was for a contact: what the outbox still has
    /// for it waits again.
    pub(super) fn forget(&mut self, outbox: &[Outgoing], to: KeyId) {
        for one in outbox.iter().filter(|one| one.to == to) {
            self.posted.remove(&one.id);
            self.left.remove(&one.id);
        }
        self.made_room();
        self.waiting.remove(&to);
        self.load(outbox);
    }

    /// Counts a fragment that has left for the first time, and returns how many have.
    pub(super) fn leave(&mut self, id: MessageId) -> u32 {
        let left = self.left.entry(id).or_default();
        *left += 1;
        *left
    }

    /// Forgets a message that was taken back, whether the session was given it or not.
    pub(super) fn withdraw(&mut self, to: KeyId, id: MessageId) {
        if let Some(ids) = self.waiting.get_mut(&to) {
            ids.retain(|waiting| *waiting != id);
            if ids.is_empty() {
                self.waiting.remove(&to);
            }
        }
        self.over(id);
        self.made_room();
    }

    /// Forgets a message that is over.
    pub(super) fn over(&mut self, id: MessageId) {
        self.left.remove(&id);
        self.posted.remove(&id);
    }

    /// Fragments that a message takes.
    pub(super) fn fragments(&self, outgoing: &Outgoing) -> u32 {
        u32::try_from(outgoing.body_len().div_ceil(self.room)).unwrap_or(u32::MAX)
    }

    /// Describes a message to a contact of this name, who has so many mailboxes to write to.
    pub(super) fn describe(
        &self,
        outgoing: &Outgoing,
        to: String,
        mailboxes: usize,
    ) -> OutgoingMessage {
        let fragments = self.fragments(outgoing);
        let left = match outgoing.status {
            DeliveryStatus::Queued => {
                self.left.get(&outgoing.id).copied().unwrap_or(0).min(fragments)
            }
            _ => fragments,
        };
        OutgoingMessage {
            number: outgoing.order,
            message: HEXLOWER.encode(outgoing.id.as_bytes()),
            to,
            contact: contact_id(outgoing.to),
            file: outgoing.name.clone(),
            bytes: outgoing.len,
            accepted: outgoing.accepted.as_secs(),
            expires: outgoing.expires.as_secs(),
            status: outgoing.status,
            since: outgoing.since.as_secs(),
            left,
            fragments,
            estimate: self.estimate.remaining(fragments, left, mailboxes).as_secs(),
            program: outgoing.program,
        }
    }
}

#[cfg(test)]
mod tests;
