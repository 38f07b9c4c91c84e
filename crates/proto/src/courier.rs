//! The courier: keeps the constant grid of a client, or of a mix's virtual client.
//!
//! Exactly one departure per slot. What a slot carries is decided before any queue is looked at:
//! even slots pull one of the mailboxes, by a coin; odd slots carry payload with probability 3/4,
//! else a loop. A payload slot carries the next letter, else drop cover to a random relay.
//!
//! **Law of randomness.** Everything inside a slot is drawn from a generator seeded by the
//! courier's seed and the slot's number. So a letter shifts no draw of any other slot: with and
//! without mail, all times, ends and lengths that an observer can record are the same.
//!
//! **Order of calls.** [`Courier::handle_view`] whenever there is a newer view;
//! [`Courier::handle_timeout`] at [`Courier::poll_timeout`]; [`Courier::handle_reply`] for each
//! reply; then [`Courier::poll_event`] until it gives nothing. Time must not go backwards. A driver
//! that comes late finds the missed slots skipped: a burst would show that it was late.

mod account;
mod event;
mod inbox;
mod pending;
mod slot;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::envelope::{KeyId, Letter, MessageId, letter_body_len};
use rohrpost_packet::{NodeNumber, ReplyId, SessionId, Suite};

pub use account::{Account, Contact, ContactMailbox, OwnMailbox};
pub use event::{Event, Trip};

use crate::frame::{Outgoing, UpCell};
use crate::instruction::EnvelopeId;
use crate::roster::Roster;
use crate::time::{Slot, Time};
use crate::trust::JoinKey;
use crate::view::View;
use inbox::Inbox;
use pending::Pending;

/// Where a courier stands in the network.
#[derive(Clone, Copy)]
pub enum Vantage {
    /// A client: packets start in the first layer, answers end at its session.
    Client {
        /// The entry relay.
        entry: NodeNumber,
        /// The session that the client has drawn.
        session: SessionId,
    },
    /// A virtual client of a mix: packets start in the pool of the mix, answers end at the mix.
    Mix {
        /// The mix.
        number: NodeNumber,
        /// Its layer, 0 to 2.
        layer: usize,
    },
}

/// What leaves in a slot.
pub enum Departure<S: Suite> {
    /// A client's cell for its entry relay.
    Cell(UpCell<S>),
    /// A virtual client's packet, to wait in the mix's own pool until `due`.
    Packet {
        /// Slot time and the delay drawn for the own mix.
        due: Time,
        /// The packet and the node of the next layer.
        outgoing: Outgoing<S>,
    },
}

/// A client's sender and receiver.
pub struct Courier<S: Suite> {
    vantage: Vantage,
    account: Account,
    roster: Arc<Roster>,
    join_key: JoinKey,
    seed: [u8; 32],
    phase: Duration,
    view: Option<Arc<View<S>>>,
    /// Whether this session's first cell is still to be sent.
    unnamed: bool,
    next: Slot,
    contacts: HashMap<KeyId, Contact>,
    /// Letters that wait for a payload slot; at most [`OUTBOX_BOUND`], more are refused.
    outbox: VecDeque<(KeyId, Letter)>,
    pending: Pending<S>,
    inbox: Inbox,
    /// What happened; at most [`EVENT_BOUND`], the oldest leaves.
    events: VecDeque<Event>,
}

impl<S: Suite> Courier<S> {
    /// A courier that starts at the first slot after `now`. Its cells leave `phase` after the start
    /// of each slot (less than a slot; random, so that clients do not crowd).
    #[must_use]
    pub fn new(
        now: Time,
        vantage: Vantage,
        account: Account,
        roster: Arc<Roster>,
        join_key: JoinKey,
        seed: [u8; 32],
        phase: Duration,
    ) -> Self {
        let slot = roster.traffic.slot;
        Self {
            unnamed: matches!(vantage, Vantage::Client { .. }),
            next: now.slot(slot).next(),
            inbox: Inbox::new(account.mailboxes.len()),
            vantage,
            account,
            roster,
            join_key,
            seed,
            phase,
            view: None,
            contacts: HashMap::new(),
            outbox: VecDeque::new(),
            pending: Pending::new(),
            events: VecDeque::new(),
        }
    }

    /// A newer view of the network.
    pub fn handle_view(&mut self, view: Arc<View<S>>) {
        self.view = Some(view);
    }

    /// The link to the entry relay was lost: go on under a new session. Answers to the old one
    /// are lost; their envelopes stay at the mailbox and are served again.
    pub fn rejoin(&mut self, session: SessionId) {
        if let Vantage::Client { entry, .. } = self.vantage {
            self.vantage = Vantage::Client { entry, session };
            self.unnamed = true;
            self.pending = Pending::new();
        }
    }

    /// Whom this courier can write to, and whose letters it accepts.
    pub fn add_contact(&mut self, contact: Contact) {
        self.contacts.insert(contact.identity.key_id(), contact);
    }

    /// Takes a letter for a contact into the outbox.
    ///
    /// # Errors
    /// The contact is unknown, the letter too long for one envelope, or the outbox full.
    pub fn post(&mut self, to: KeyId, letter: Letter) -> Result<MessageId, PostError> {
        if !self.contacts.contains_key(&to) {
            return Err(PostError::Contact);
        }
        let limit = letter_body_len::<S>();
        let len = letter.body.len() + letter.certificate.as_ref().map_or(0, Vec::len);
        if len > limit {
            return Err(PostError::TooLong { len, limit });
        }
        if self.outbox.len() >= OUTBOX_BOUND {
            return Err(PostError::Full);
        }
        let message = letter.message;
        self.outbox.push_back((to, letter));
        Ok(message)
    }

    /// The slot that is due, if one is. `None` from a mix's virtual client that has no view.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Departure<S>> {
        if now < self.poll_timeout() {
            return None;
        }
        let slot = (now - self.phase).slot(self.roster.traffic.slot).max(self.next);
        self.next = slot.next();
        self.inbox.expire_loops(now, &mut self.events);
        let mut rng = self.slot_rng(slot);
        let departure = self.fill_slot(now, slot, &mut rng);
        self.bound_events();
        departure
    }

    /// A reply has come down to the session, or back to the mix.
    pub fn handle_reply(&mut self, now: Time, id: ReplyId, payload: Box<[u8]>) {
        if let Some(reply) = self.pending.take(id) {
            let (account, contacts) = (&self.account, &self.contacts);
            let network = &self.roster.network_id;
            let events = &mut self.events;
            self.inbox.open(now, reply, payload, account, contacts, network, events);
            self.bound_events();
        }
    }

    /// When the next cell leaves.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.next.start(self.roster.traffic.slot) + self.phase
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether this reply answers one of this courier's pulls.
    #[must_use]
    pub fn expects(&self, id: ReplyId) -> bool {
        self.pending.holds(id)
    }

    /// Letters that wait for a slot.
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.outbox.len()
    }

    /// How others can write to this courier.
    #[must_use]
    pub fn contact(&self) -> Contact {
        self.account.contact()
    }

    fn slot_rng(&self, slot: Slot) -> ChaCha20Rng {
        let seed = blake3::keyed_hash(&self.seed, &slot.number().to_be_bytes());
        ChaCha20Rng::from_seed(*seed.as_bytes())
    }

    fn acks(&self, mailbox: usize) -> Vec<EnvelopeId> {
        self.inbox.acks(mailbox)
    }

    fn bound_events(&mut self) {
        let excess = self.events.len().saturating_sub(EVENT_BOUND);
        self.events.drain(..excess);
    }
}

/// Why a letter is not accepted. Always the caller's fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// No such contact.
    #[error("no such contact; add its card first")]
    Contact,
    /// It does not fit one envelope.
    #[error("{len} bytes are too long: one envelope of this network holds {limit}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// Too many letters wait.
    #[error("the outbox is full; wait until some letters have left")]
    Full,
}

/// Letters in the outbox: three minutes of payload slots by the default rates.
const OUTBOX_BOUND: usize = 256;
const EVENT_BOUND: usize = 1024;

#[cfg(test)]
mod tests;
