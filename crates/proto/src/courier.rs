//! The courier: fills the constant grid of a client, or of a mix's virtual client
//! (`docs/traffic.md`).
//!
//! Exactly one packet departs per slot, and it is built to its last byte before the slot begins: at
//! its time bytes are written and nothing is computed, so the moment of a departure tells nothing
//! of what departs. A letter posted meanwhile takes a later slot. The load of a slot is decided
//! before any queue is looked at: even slots and every sixteenth odd slot pull the mailboxes in
//! turns; the other odd slots carry payload with probability 3/4, else a loop. A payload slot
//! carries the next fragment, else drop cover to a random relay.
//!
//! **Rule of randomness.** Everything inside a slot is drawn from a generator of that slot, split
//! off the courier's seed. So a fragment shifts no draw of any other slot: with and without mail,
//! all times, ends and lengths that an observer can record are the same.
//!
//! **Nothing is lost.** A message is cut into fragments. Each leaves sealed anew and over a path of
//! its own, again and again, until the recipient's client has acknowledged it or the message's time
//! is up: after a time-out, at once when the network document shows that a node of the path has
//! lost its keys, and at once when a fragment that left much later has come before it. "At once" is
//! a later payload slot like any other. Acknowledgements leave after a delay that is drawn before
//! anyone knows what they will say, and tell all that is there. What a slot carries never depends
//! on any of this.

mod absences;
mod account;
mod acknowledgement;
mod answers;
mod config;
mod contacts;
mod correspondent;
mod departure;
mod event;
mod fragments;
mod grid;
mod hour;
mod inbox;
mod leaving;
mod loops;
mod losses;
mod message;
mod outgoing;
mod pending;
mod pieces;
mod ready;
mod reassembly;
mod receipt;
mod retransmission;
mod schedule;
mod slot;
mod twins;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::envelope::{KeyId, fragment_body_len};
use rohrpost_packet::{ReplyId, SessionId, Suite};
use zeroize::Zeroizing;

pub use account::{Account, Contact, ContactMailbox, OwnMailbox, RESERVED};
pub use acknowledgement::Acknowledged;
pub use config::{Attachment, CourierConfig, Departure, PostError};
pub use correspondent::windows;
pub use event::{Event, Trip};
pub use message::{
    BODY_BYTES, Body, MESSAGE_BYTES, Message, PastFlights, first_number, incarnation_of,
    is_written_anew,
};
pub use reassembly::{Complete, Memory, OPEN_ADDRESSES, PAST, Part};
pub use receipt::{MARKS_PER_PREKEY, Receipt};
pub use schedule::Load;
pub use twins::Twin;
pub use work::Work;

use crate::directory::roster::Roster;
use crate::directory::trust::JoinKey;
use crate::directory::view::View;
use crate::time::{Steady, Time};
use crate::weakness::Weakness;
use absences::Absences;
use correspondent::Correspondent;
use event::Events;
use grid::Grid;
use inbox::Inbox;
use leaving::Leaving;
use loops::Loops;
use losses::KeyWatch;
use pending::{ARRIVED, Arrived, Pending};
use pieces::Pieces;
use ready::{Content, Left, Ready};
use receipt::OpenedLetters;
use retransmission::RetransmitTimer;
use twins::Run;

/// A client's sender and receiver, without sockets, clock or files.
///
/// # For authors of clients
/// Make it with the [`Account`] from the client's encrypted vault and a fresh seed, tell it the
/// contacts, then call:
///
/// - [`Courier::prepare`] before the first slot, and again as soon as a cell has been written: it
///   builds the next one, which takes a fraction of a millisecond and must not hold up the link's
///   own work. A slot for which nothing was prepared stays empty;
/// - [`Courier::handle_view`] for every network document that was verified,
///   [`Courier::withdraw_view`] when the last one has become too old; in between the client sends
///   [`UpCell::Idle`](crate::frame::UpCell::Idle) on the same grid;
/// - at [`Courier::poll_timeout`], and not before, [`Courier::handle_timeout`]; the bytes that it
///   gives are written to the entry relay at once;
/// - [`Courier::handle_reply`] for the reply in each [`crate::frame::DownCell`], which the next
///   [`Courier::prepare`] opens;
/// - after each of these [`Courier::poll_event`] until it gives nothing;
/// - [`Courier::commit`] for the [`Receipt`] of each [`Event::Arrived`] and [`Event::Repeated`],
///   once the application has stored the mark, and the fragment if there is one; until then the
///   sender is not told that it came. After a restart, [`Courier::resume_opened`] gives the marks
///   back;
/// - [`Courier::post`] at any time; it moves no departure. What is posted lives in memory: an
///   application that needs more stores the message until [`Event::Delivered`] or
///   [`Event::Expired`], and posts it again after a restart, under the same id and number;
/// - [`Courier::supply`] for each [`Event::Wanted`], when the application has read the piece;
/// - [`Courier::rejoin`] under a new session id and with a new phase when the link was lost. Until
///   there is a link again, do not call [`Courier::handle_timeout`]: the missed slots are skipped,
///   and no fragment leaves into nothing.
///
/// All counts by the process's own time, which must not go backwards and which nobody else can move;
/// only the slots go by document time, as the entry relay tells it at the begin of each session. A driver that comes late finds the missed slots skipped: a burst
/// would show that it was late. The cell that was ready for the first of them leaves in the newest,
/// whatever it carries: nothing is ever built at its slot. An application that leaves events uncollected sends and receives no
/// fragments any more, and loses none.
///
/// A mix drives its virtual clients in the same way; their departures wait in its own pool, and it
/// hands them the loops that come back ([`Courier::expects`] tells to which).
pub struct Courier<S: Suite> {
    attachment: Attachment,
    account: Account,
    roster: Arc<Roster>,
    join_key: JoinKey,
    grid: Grid,
    view: Option<Arc<View<S>>>,
    /// True while this session's first cell, which names it, is still to be built.
    unnamed: bool,
    /// The cell for the next slot, once it is built.
    ready: Option<Ready<S>>,
    /// The cell that left last, until that is noted.
    left: Option<Left>,
    work: Work,
    /// State per contact, in a fixed order, so that a run depends on its seed alone.
    correspondents: BTreeMap<KeyId, Correspondent>,
    /// The contact for whom a fragment left last; the round robin goes on after it.
    last_served: Option<KeyId>,
    timer: RetransmitTimer,
    key_watch: KeyWatch,
    absences: Absences,
    leaving: Leaving<S>,
    /// Generator of the delays of acknowledgements, apart from all slots.
    rng: ChaCha20Rng,
    pieces: Pieces,
    pending: Pending<S>,
    /// Replies that have come and are to be opened, oldest first; at most [`ARRIVED`]. Further ones
    /// are lost: their envelopes are served again.
    arrived: VecDeque<Arrived<S>>,
    inbox: Inbox,
    opened: OpenedLetters,
    loops: Loops,
    events: Events,
}

impl<S: Suite> Courier<S> {
    /// Makes a courier that starts at the first slot after `document`, which is what document time
    /// is `now`.
    ///
    /// # Panics
    /// If the account has no prekey or no mailbox.
    #[must_use]
    pub fn new(now: Steady, document: Time, config: CourierConfig) -> Self {
        let CourierConfig { attachment, account, roster, join_key, seed, phase } = config;
        assert!(
            !account.prekeys.is_empty() && !account.mailboxes.is_empty(),
            "an account has a prekey and a mailbox"
        );
        let traffic = &roster.traffic;
        let run = Run::begin(&seed, account.incarnation, document);
        Self {
            unnamed: matches!(attachment, Attachment::Client { .. }),
            grid: Grid::new((now, document), traffic.slot, phase, *seed),
            inbox: Inbox::new(account.mailboxes.len()),
            pieces: Pieces::new(fragment_body_len::<S>(), traffic.slot),
            pending: Pending::new(traffic, account.mailboxes.len()),
            arrived: VecDeque::new(),
            opened: OpenedLetters::default(),
            loops: Loops::new(run, traffic, account.mailboxes.len()),
            events: Events::new(),
            correspondents: BTreeMap::new(),
            last_served: None,
            timer: RetransmitTimer::new(traffic),
            key_watch: KeyWatch::default(),
            absences: Absences::default(),
            leaving: Leaving::default(),
            rng: ChaCha20Rng::from_seed(*Zeroizing::new(
                *blake3::keyed_hash(&seed, &[2]).as_bytes(),
            )),
            view: None,
            ready: None,
            left: None,
            work: Work::default(),
            attachment,
            account,
            roster,
            join_key,
        }
    }

    /// Takes a newer view of the network. On one that names too little ([`View::shortage`]) nothing
    /// is built, and nothing of it is lost.
    pub fn handle_view(&mut self, now: Steady, view: Arc<View<S>>) {
        let lost = self.key_watch.losses(&view);
        if !lost.is_empty() {
            for other in self.correspondents.values_mut() {
                other.mark_lost(now, &lost, self.timer);
            }
        }
        if view.shortage().is_none() {
            self.absences.note(now, &view);
            let own = self.account.mailboxes.iter().map(|mailbox| mailbox.relay);
            self.leaving.note(now, &view, own.chain(self.attachment.entry()));
        }
        self.view = view.shortage().is_none().then_some(view);
    }

    /// Withdraws a view that is too old to build packets with. Fragments wait until there is
    /// another.
    pub fn withdraw_view(&mut self) {
        self.view = None;
    }

    /// Goes on under a new session, which the next slot names, after the link to the entry relay
    /// was lost. Answers to the old session are lost; their envelopes stay at the mailbox and are
    /// served again. What was ready for the old session is thrown away; a fragment in it leaves in a
    /// later slot.
    ///
    /// The session has a `phase` of its own (see [`CourierConfig::phase`]), drawn anew: kept, it
    /// would tell who comes back. From now on slots are counted by what is `document` time `now`, be
    /// that later or earlier than before; nothing else is counted by it.
    pub fn rejoin(&mut self, now: Steady, document: Time, session: SessionId, phase: Duration) {
        if let Attachment::Client { entry, .. } = self.attachment {
            self.settle();
            self.discard_ready(now);
            self.attachment = Attachment::Client { entry, session };
            self.unnamed = true;
            self.pending.clear();
            self.loops.excuse();
            self.grid.anchor((now, document), phase);
        }
    }

    /// Goes on with other prekeys, write keys or mailboxes of the same client. There must be as
    /// many mailboxes as before; one with another key takes the place of the one that stood there.
    ///
    /// # Panics
    /// If the account has no prekey, or not as many mailboxes.
    pub fn renew_account(&mut self, account: Account) {
        let before = self.account.mailboxes.iter();
        assert!(
            !account.prekeys.is_empty() && account.mailboxes.len() == before.len(),
            "an account keeps the number of its mailboxes"
        );
        let mut changed = Vec::new();
        for (at, (old, new)) in before.zip(&account.mailboxes).enumerate() {
            let same = old.key.id() == new.key.id();
            let keeps_keys =
                old.write_key.fits(&new.write_key) && old.predecessor.fits(&new.predecessor);
            if !same {
                self.inbox.replace(at);
                self.pending.forget(at);
                self.arrived.retain(|arrived| arrived.reply.mailbox != at);
            } else if !old.write_key.fits(&new.write_key) {
                // Whoever stores under a write key of which the relay has not heard is refused: no
                // loop is expected back until a pull that names the key was answered. What the pulls
                // before bring is as good as ever.
                self.inbox.register_anew(at);
            }
            if !(same && keeps_keys) {
                changed.push(at);
            }
        }
        // What is ready was built for keys that are no more.
        self.discard_ready_if(|cargo| cargo.mailbox().is_some_and(|at| changed.contains(&at)));
        self.opened.retain(account.prekeys.iter().chain(&account.last_resort));
        self.account = account;
    }

    /// Ends the courier, and gives its keys back to go on elsewhere with.
    #[must_use]
    pub fn into_account(self) -> Account {
        self.account
    }

    /// Builds the cell of the next slot, unless it is ready, and does what else takes time: notes
    /// what the last cell carried, opens what has come, gives up what has waited for too long, and
    /// asks for what leaves next.
    pub fn prepare(&mut self, now: Steady) {
        self.settle();
        self.open_replies();
        let (now, document) = (self.counted(now), self.grid.document(now));
        for mailbox in self.loops.expire(now) {
            self.events.push(Event::LoopLost { mailbox });
        }
        self.timer.adapt(self.loops.loss());
        // Without a view nothing may have borne the relay's word out, and what is given up by that
        // is lost. Nothing could leave either.
        if self.view.is_some() {
            for other in self.correspondents.values_mut() {
                let expired = other.expire(now, document);
                expired.into_iter().for_each(|event| self.events.push_mail(event));
            }
        }
        self.build_ahead(true);
        self.ask_for_pieces();
    }

    /// Hands out what was prepared for the slot that is due. `None` if no slot is due, if nothing
    /// was prepared, and from a mix's virtual client that could not build a packet.
    pub fn handle_timeout(&mut self, now: Steady) -> Option<Departure<S>> {
        if now >= self.poll_timeout() {
            self.build_ahead(false);
        }
        let due = self.grid.advance(now)?;
        let unprepared = u64::from(self.ready.is_none());
        if due.skipped + unprepared > 0 {
            self.events.push(Event::Skipped { slots: due.skipped + unprepared });
        }
        let Ready { content, cargo, due: planned, own_delay } = self.ready.take()?;
        let start = self.grid.document(now) + own_delay;
        self.left = Some(Left { cargo, slot: due.slot, at: now, due: planned, start });
        match content {
            Content::Cell(bytes) => Some(Departure::Cell(bytes)),
            Content::Packet(outgoing) => Some(Departure::Packet { due: start, outgoing }),
            Content::Nothing => None,
        }
    }

    /// The time by which everything but slots is counted: the process's own.
    fn counted(&self, now: Steady) -> Steady {
        let by_the_relay = Weakness::TheRelaysClockIsBelieved.is_active();
        if by_the_relay { Steady::of_clock(self.grid.document(now)) } else { now }
    }

    /// Builds the next cell if it is not ready: ahead of its slot, and never at its slot.
    fn build_ahead(&mut self, ahead: bool) {
        if ahead != Weakness::BuiltAtItsSlot.is_active() && self.ready.is_none() {
            self.ready = Some(self.fill());
        }
    }

    /// Takes a reply that has come down to the session, or back to the mix. It is opened by
    /// [`Courier::prepare`]: to open one may take longer than to build a cell, and this may be called
    /// right before a slot.
    pub fn handle_reply(&mut self, now: Steady, id: ReplyId, payload: Box<[u8]>) {
        if self.arrived.len() >= ARRIVED {
            return;
        }
        if let Some(reply) = self.pending.take(id) {
            let document = self.grid.document(now);
            self.arrived.push_back(Arrived { reply, payload, now, document });
        }
    }

    /// Goes on where the process's own clock went forward by so much, because it had stood still
    /// ([`Witness::lag`](crate::time::agreement::Witness::lag)). No slot moves; all else has waited
    /// for as much longer.
    pub fn go_forward(&mut self, by: Duration) {
        self.grid.go_forward(by);
    }

    /// Tells whether a cell is ready for the next slot. Where a contact was removed or the account
    /// renewed, the ready cell may have been thrown away, and [`Courier::prepare`] is due at once.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// Time at which the next cell leaves.
    #[must_use]
    pub fn poll_timeout(&self) -> Steady {
        self.grid.poll_timeout()
    }

    /// Document time at a moment of this session, by the entry relay's word.
    #[must_use]
    pub fn document_time(&self, now: Steady) -> Time {
        self.grid.document(now)
    }

    /// Takes the oldest event that waits for the application.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// Tells whether this reply answers one of this courier's pulls.
    #[must_use]
    pub fn expects(&self, id: ReplyId) -> bool {
        self.pending.holds(id)
    }

    /// Takes the count of what building has taken since the last call, for a model of its cost.
    pub fn take_work(&mut self) -> Work {
        std::mem::take(&mut self.work)
    }

    /// Contact card by which others can write to this courier.
    #[must_use]
    pub fn contact(&self) -> Contact {
        self.account.contact()
    }

    /// Longest time that an entry relay may hold a cell for a client until its tick: a slot. It
    /// holds a cell from a client for twice as long. A virtual client has no entry relay.
    fn entry_wait(&self) -> Duration {
        match self.attachment {
            Attachment::Client { .. } => self.roster.traffic.slot,
            Attachment::Mix { .. } => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests;
