//! The courier: keeps the constant grid of a client, or of a mix's virtual client
//! (`docs/traffic.md`).
//!
//! Exactly one departure per slot. What a slot carries is decided before any queue is looked at:
//! even slots pull one of the mailboxes, by a coin; odd slots carry payload with probability 3/4,
//! else a loop. A payload slot carries the next letter, else drop cover to a random relay.
//!
//! **Law of randomness.** Everything inside a slot is drawn from a generator of that slot, split off
//! the courier's seed. So a letter shifts no draw of any other slot: with and without mail, all
//! times, ends and lengths that an observer can record are the same.
//!
//! Letters are held in memory and leave once; nothing here waits for the recipient's word. What is
//! needed for that later is in place: [`Event::Sent`] names the nodes of the path, and a letter that
//! is posted again under its message id is sealed anew, takes another path, and is shown once.

mod account;
mod event;
mod grid;
mod inbox;
mod law;
mod loops;
mod outbox;
mod pending;
mod slot;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, Letter, MessageId, letter_body_len};
use rohrpost_packet::{NodeNumber, ReplyId, SessionId, Suite};

pub use account::{Account, Contact, ContactMailbox, OwnMailbox};
pub use event::{Event, Trip};

use crate::frame::{Outgoing, UpCell};
use crate::roster::Roster;
use crate::time::Time;
use crate::trust::JoinKey;
use crate::view::View;
use event::Events;
use grid::Grid;
use inbox::Inbox;
use loops::Loops;
use outbox::Outbox;
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

/// A client's sender and receiver, without sockets, clock or files.
///
/// # For authors of clients
/// Make it with the [`Account`] from the key file and a fresh seed, tell it the contacts, then:
///
/// - [`Courier::handle_view`] for every document that was verified, [`Courier::withdraw_view`] when
///   the last one has become too old; in between the client sends [`UpCell::Idle`] on the same grid;
/// - at [`Courier::poll_timeout`], and not before, [`Courier::handle_timeout`]; what it gives goes to
///   the entry relay at once;
/// - [`Courier::handle_reply`] for the reply in each [`crate::frame::DownCell`];
/// - after each of these [`Courier::poll_event`] until it gives nothing;
/// - [`Courier::post`] at any time; it moves no departure;
/// - [`Courier::rejoin`] under a new session id when the link was lost. Until there is a link again,
///   do not call [`Courier::handle_timeout`]: the missed slots are skipped, and no letter leaves
///   into nothing.
///
/// Time must not go backwards. A driver that comes late finds the missed slots skipped: a burst
/// would show that it was late. Whoever leaves events uncollected sends and receives no letters any
/// more, and loses none.
///
/// A mix drives its virtual clients in the same way; their departures wait in its own pool, and it
/// hands them the loops that come back ([`Courier::expects`] tells to which).
pub struct Courier<S: Suite> {
    vantage: Vantage,
    account: Account,
    roster: Arc<Roster>,
    join_key: JoinKey,
    grid: Grid,
    view: Option<Arc<View<S>>>,
    /// Whether this session's first cell is still to be sent.
    unnamed: bool,
    contacts: HashMap<KeyId, Contact>,
    outbox: Outbox,
    pending: Pending<S>,
    inbox: Inbox,
    loops: Loops,
    events: Events,
}

impl<S: Suite> Courier<S> {
    /// A courier that starts at the first slot after `now`. Its cells leave `phase` after the start
    /// of each slot (less than a slot; random, so that clients do not crowd).
    ///
    /// The seed must be random, secret and never used before: who knows it can tell all that leaves.
    ///
    /// # Panics
    /// If the account has no prekey or no mailbox.
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
        assert!(
            !account.prekeys.is_empty() && !account.mailboxes.is_empty(),
            "an account has a prekey and a mailbox"
        );
        let traffic = &roster.traffic;
        Self {
            unnamed: matches!(vantage, Vantage::Client { .. }),
            grid: Grid::new(now, traffic.slot, phase, seed),
            inbox: Inbox::new(account.mailboxes.len()),
            pending: Pending::new(traffic, account.mailboxes.len()),
            loops: Loops::new(traffic),
            outbox: Outbox::new(),
            events: Events::new(),
            contacts: HashMap::new(),
            view: None,
            vantage,
            account,
            roster,
            join_key,
        }
    }

    /// A newer view of the network.
    pub fn handle_view(&mut self, view: Arc<View<S>>) {
        self.view = Some(view);
    }

    /// The view is too old to build packets with. Letters wait until there is another.
    pub fn withdraw_view(&mut self) {
        self.view = None;
    }

    /// The link to the entry relay was lost: go on under a new session, which the next slot names.
    /// Answers to the old one are lost; their envelopes stay at the mailbox and are served again.
    pub fn rejoin(&mut self, session: SessionId) {
        if let Vantage::Client { entry, .. } = self.vantage {
            self.vantage = Vantage::Client { entry, session };
            self.unnamed = true;
            self.pending.clear();
        }
    }

    /// Whom this courier can write to, and whose letters it accepts. A newer card replaces an older.
    /// One's own card may be among them, for notes to oneself.
    pub fn add_contact(&mut self, contact: Contact) {
        self.contacts.insert(contact.identity.key_id(), contact);
    }

    /// Takes a letter for a contact into the outbox. It leaves in a payload slot, in the order of
    /// posting as far as the recipients' relays are up.
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
        if self.outbox.is_full() {
            return Err(PostError::Full);
        }
        let message = letter.message;
        self.outbox.push(to, letter);
        Ok(message)
    }

    /// What leaves in the slot that is due. `None` if none is, and from a mix's virtual client that
    /// cannot build a packet.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Departure<S>> {
        let due = self.grid.advance(now)?;
        if due.skipped > 0 {
            self.events.push(Event::Skipped { slots: due.skipped });
        }
        for _ in 0..self.loops.expire(now) {
            self.events.push(Event::LoopLost);
        }
        self.fill(now, due)
    }

    /// A reply has come down to the session, or back to the mix.
    pub fn handle_reply(&mut self, now: Time, id: ReplyId, payload: Box<[u8]>) {
        if !self.events.has_room() {
            return;
        }
        if let Some(reply) = self.pending.take(id) {
            let path = reply.path.clone();
            self.receive(reply, Trip { path, at: now }, payload);
        }
    }

    /// When the next cell leaves.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.grid.poll_timeout()
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
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

    /// How long an entry relay may hold a cell until its tick, each way: a slot for a client. A
    /// virtual client has no entry relay.
    fn entry_wait(&self) -> Duration {
        match self.vantage {
            Vantage::Client { .. } => self.roster.traffic.slot,
            Vantage::Mix { .. } => Duration::ZERO,
        }
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

#[cfg(test)]
mod tests;
