//! Progress of each message: the fragments of it that have left, and whether the session has it.

use std::collections::{HashMap, HashSet, VecDeque};

use data_encoding::HEXLOWER;
use rohrpost_network::Network;
use rohrpost_packet::envelope::{KeyId, MessageId, fragment_body_len};
use rohrpost_packet::{Classic, Hybrid};
use rohrpost_proto::directory::roster::SuiteName;

use crate::api::OutgoingMessage;
use crate::store::{DeliveryStatus, Outgoing};

/// The outbox as the agent works through it.
pub(super) struct Progress {
    /// Bytes of a fragment.
    room: u64,
    /// Seconds for a fragment on average: until the next payload slot (8/3 slots), or until one of
    /// the contact's two mailboxes takes another (3/4 of their answers' period), whatever is
    /// longer.
    pace: f64,
    /// Messages that the session was not given yet, in the order of acceptance. As many as the
    /// outbox has.
    waiting: VecDeque<(KeyId, MessageId)>,
    /// Messages that the session was given.
    posted: HashSet<MessageId>,
    /// True if the session took no more, and nothing has been over since.
    full: bool,
    /// Fragments that have left, of each message that is open.
    left: HashMap<MessageId, u32>,
}

impl Progress {
    pub(super) fn new(network: &Network) -> Self {
        let room = match network.roster.suite {
            SuiteName::Hybrid => fragment_body_len::<Hybrid>(),
            SuiteName::Classic => fragment_body_len::<Classic>(),
        };
        let traffic = &network.roster.traffic;
        Self {
            room: u64::try_from(room).unwrap_or(1),
            pace: (traffic.slot.as_secs_f64() * 8.0 / 3.0)
                .max(traffic.answer_period().as_secs_f64() * 0.75),
            waiting: VecDeque::new(),
            posted: HashSet::new(),
            full: false,
            left: HashMap::new(),
        }
    }

    /// Takes on what the outbox has and is not known.
    pub(super) fn load(&mut self, outbox: &[Outgoing]) {
        let waits: HashSet<_> = self.waiting.iter().map(|(_, id)| *id).collect();
        let new = outbox.iter().filter(|one| {
            one.is_waiting() && !self.posted.contains(&one.id) && !waits.contains(&one.id)
        });
        self.waiting.extend(new.map(|one| (one.to, one.id)));
    }

    /// Takes on a message that was just accepted, the last of all.
    pub(super) fn take_on(&mut self, new: &Outgoing) {
        self.waiting.push_back((new.to, new.id));
    }

    /// The message that the session is to be given next, if it may have room.
    pub(super) fn next(&self) -> Option<(KeyId, MessageId)> {
        self.waiting.front().filter(|_| !self.full).copied()
    }

    /// Notes that the session has no room: it is not asked again, each time with a whole message,
    /// before something is over.
    pub(super) const fn refused(&mut self) {
        self.full = true;
    }

    /// Notes that the session may have room again.
    pub(super) const fn made_room(&mut self) {
        self.full = false;
    }

    /// Notes that the first waiting message was given to the session, or need not be.
    pub(super) fn posted(&mut self) {
        if let Some((_, id)) = self.waiting.pop_front() {
            self.posted.insert(id);
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
        self.waiting.retain(|(key, _)| *key != to);
        self.load(outbox);
    }

    /// Counts a fragment that has left for the first time, and returns how many have.
    pub(super) fn leave(&mut self, id: MessageId) -> u32 {
        let left = self.left.entry(id).or_default();
        *left += 1;
        *left
    }

    /// Forgets a message that is over.
    pub(super) fn over(&mut self, id: MessageId) {
        self.left.remove(&id);
        self.posted.remove(&id);
    }

    /// Fragments that a message takes by its bytes of text or file; its head takes three bytes and
    /// its name.
    pub(super) fn fragments(&self, outgoing: &Outgoing) -> u32 {
        let name = outgoing.name.as_ref().map_or(0, String::len);
        let len = outgoing.len + 3 + u64::try_from(name).unwrap_or(0);
        u32::try_from(len.div_ceil(self.room)).unwrap_or(u32::MAX)
    }

    pub(super) fn describe(&self, outgoing: &Outgoing, to: String) -> OutgoingMessage {
        let fragments = self.fragments(outgoing);
        let left = match outgoing.status {
            DeliveryStatus::Queued => {
                self.left.get(&outgoing.id).copied().unwrap_or(0).min(fragments)
            }
            _ => fragments,
        };
        let remaining = f64::from(fragments - left) * self.pace;
        OutgoingMessage {
            message: HEXLOWER.encode(outgoing.id.as_bytes()),
            to,
            file: outgoing.name.clone(),
            bytes: outgoing.len,
            accepted: outgoing.accepted.as_secs(),
            expires: outgoing.expires.as_secs(),
            status: outgoing.status,
            since: outgoing.since.as_secs(),
            left,
            fragments,
            estimate: std::time::Duration::from_secs_f64(remaining).as_secs(),
        }
    }
}
