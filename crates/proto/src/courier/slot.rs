//! Building the cell of a slot: from its load to the bytes that leave.
//!
//! A load that cannot be had (a mailbox's relay is down, no fragment waits, a contact's key is
//! unusable) is replaced by drop cover, so that the entry relay sees one kind of cell as long as
//! any packet can be built at all. Every odd slot costs one seal and one packet, whatever it
//! carries.

use std::time::Duration;

use chacha20::ChaCha20Rng;
use rohrpost_packet::envelope::{
    Envelope, Fragment, FragmentPosition, IdentityPublic, KeyId, Kind, MessageId, PrekeyPublic,
    Standing, fragment_body_len, seal,
};
use rohrpost_packet::{NodeNumber, Packet, Route, Suite, build_surb, wrap};

use super::Courier;
use super::account::{Contact, ContactMailbox};
use super::config::Attachment;
use super::correspondent::{self, Assignment, Correspondent, Task};
use super::event::{Event, Trip};
use super::hour;
use super::pending::PendingReply;
use super::pieces::{self, Wanted};
use super::ready::{Cargo, Content, Ready};
use super::schedule::Load;
use crate::delay::exponential;
use crate::directory::view::View;
use crate::frame::{Frame, OutgoingFrame, UpCell};
use crate::instruction::{Instruction, PullRequest, Store};
use crate::path::{Path, below};
use crate::time::{Steady, Time};
use crate::weakness::Weakness;

/// Times for which a cell is built.
#[derive(Clone, Copy)]
struct Moment {
    /// Time at which the cell is to leave.
    due: Steady,
    /// Document time at which the packet's path starts: `due` for a client, after the delay in its
    /// own pool for a mix.
    start: Time,
}

/// A packet, the way it takes, and what it carries.
struct Built<S: Suite> {
    path: Path,
    packet: Packet<S>,
    cargo: Cargo,
}

/// A fragment and where it goes.
struct Letter {
    identity: IdentityPublic,
    prekey: PrekeyPublic,
    mailbox: ContactMailbox,
    fragment: Fragment,
}

impl<S: Suite> Courier<S> {
    /// Builds the cell of the next slot.
    pub(super) fn fill(&mut self) -> Ready<S> {
        let (slot, due) = (self.grid.next(), self.grid.poll_timeout());
        let start = self.grid.document(due);
        let due = self.counted(due);
        let mut rng = self.grid.generator();
        let own_delay = self.own_delay(&mut rng);
        let ready = |content, cargo| Ready { content, cargo, due, own_delay };
        if let (true, Attachment::Client { session, .. }) = (self.unnamed, self.attachment) {
            self.unnamed = false;
            let cell = UpCell::<S>::Hello(session).encode(&mut rng);
            return ready(Content::Cell(cell), Cargo::Cover);
        }
        let load = Load::draw(slot, self.account.mailboxes.len(), &mut rng);
        let view = self.view.clone();
        let moment = Moment { due, start: start + own_delay };
        let built = view.and_then(|view| self.build(&view, load, moment, &mut rng));
        match (self.attachment, built) {
            (Attachment::Mix { .. }, None) => ready(Content::Nothing, Cargo::Cover),
            (Attachment::Mix { .. }, Some((outgoing, cargo))) => {
                ready(Content::Packet(outgoing), cargo)
            }
            (Attachment::Client { .. }, None) => {
                ready(Content::Cell(UpCell::<S>::Idle.encode(&mut rng)), Cargo::Cover)
            }
            (Attachment::Client { .. }, Some((OutgoingFrame { to, frame }, cargo))) => {
                let Frame { generation, packet } = frame;
                let cell = UpCell::Packet { first_hop: to, generation, packet };
                ready(Content::Cell(cell.encode(&mut rng)), cargo)
            }
        }
    }

    /// Draws the delay in a mix's own pool; zero for a client, which has none.
    fn own_delay(&self, rng: &mut ChaCha20Rng) -> Duration {
        match self.attachment {
            Attachment::Client { .. } => Duration::ZERO,
            Attachment::Mix { .. } => exponential(self.roster.traffic.mix_delay, rng).duration(),
        }
    }

    fn build(
        &mut self,
        view: &View<S>,
        load: Load,
        moment: Moment,
        rng: &mut ChaCha20Rng,
    ) -> Option<(OutgoingFrame<S>, Cargo)> {
        let built = match load {
            Load::Pull(mailbox) => {
                let reach = self.leaving.reach(moment.due);
                self.pull(reach.as_deref().unwrap_or(view), mailbox, moment, rng)
            }
            Load::Payload => self.next_fragment(view, moment, rng),
            Load::Loop(mailbox) if Weakness::LoopsYieldToLetters.is_active() => self
                .next_fragment(view, moment, rng)
                .or_else(|| self.own_loop(view, mailbox, moment, rng)),
            Load::Loop(mailbox) => self.own_loop(view, mailbox, moment, rng),
        };
        let Built { path, packet, cargo } = built.or_else(|| self.drop_cover(view, moment, rng))?;
        let to = path.first();
        let generation = view.key(to)?.generation().short();
        Some((OutgoingFrame { to, frame: Frame { generation, packet } }, cargo))
    }

    /// Leaves one SURB at an own mailbox, with acknowledgements.
    fn pull(
        &mut self,
        view: &View<S>,
        mailbox: usize,
        moment: Moment,
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        let acks = self.inbox.acks(mailbox, moment.due);
        let own = self.account.mailboxes.get(mailbox)?;
        let relay = own.relay;
        let (path, end) = match self.attachment {
            Attachment::Client { entry, session } => {
                (Path::to_relay(view, 0, entry, rng).ok()?, Route::reply(session))
            }
            Attachment::Mix { number, layer } => {
                (Path::to_mix(view, layer, number, rng).ok()?, Route::own_loop())
            }
        };
        let (surb, opener) = build_surb(path.first(), &path.hops(view, end).ok()?, rng).ok()?;
        let request = PullRequest {
            key: &own.key,
            network: &self.roster.network_id,
            relay,
            join_key: &self.join_key,
            write_keys: own.accepted(),
            acks: &acks,
            surb: &surb,
        };
        let body = request.encode();
        self.work.surbs += 1;
        let mut built = self.wrap(view, relay, &body, rng)?;
        built.cargo = Cargo::Pull { mailbox, reply: opener.id() };
        let pull = Trip { path: built.path.clone(), at: moment.start };
        let registration = self.inbox.registration(mailbox);
        let reply = PendingReply { opener, mailbox, registration, relay, pull, path };
        let lost = self.pending.insert(reply);
        if let Some(relay) = lost {
            self.events.push(Event::PullLost { relay });
        }
        Some(built)
    }

    /// Sends what is next for the correspondents, who are served in round robin.
    fn next_fragment(
        &mut self,
        view: &View<S>,
        moment: Moment,
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        if !self.events.has_room() {
            return None;
        }
        let (to, assignment) = self.round_robin(view, moment.due, rng)?;
        // Whoever cannot be written to has had its turn: else nobody behind it would have one.
        self.last_served = Some(to);
        let other = self.correspondents.get(&to)?;
        let mut fragment = match assignment.task {
            Task::Acknowledgement => other.acknowledgement(fragment_body_len::<S>(), rng),
            Task::Fragment { place, index } => other.fragment(place, index, &self.pieces)?,
        };
        fragment.standing.hour = hour::hour(moment.start);
        let message = fragment.message;
        let contact = &other.contact;
        let last_resort = contact.last_resort.as_ref().filter(|_| {
            fragment.kind == Kind::Address && contact.may_have_erased_its_prekey(moment.due)
        });
        let mut letter = contact.letter(assignment.mailbox, fragment)?;
        if let Some(last_resort) = last_resort {
            letter.prekey = last_resort.clone();
        }
        let mut built = self.store(view, letter, rng)?;
        let pace = self.roster.traffic.pace();
        let other = self.correspondents.get_mut(&to)?;
        other.used(assignment.mailbox, moment.due, pace);
        built.cargo = match assignment.task {
            Task::Acknowledgement => {
                Cargo::Acknowledgement { to, due: other.take_acknowledgement()? }
            }
            Task::Fragment { place, index } => {
                let outgoing = other.at_mut(place)?;
                let before = outgoing.leave(index, moment.due, &built.path, rng);
                Cargo::Fragment { to, message, index, path: built.path.clone(), before }
            }
        };
        Some(built)
    }

    /// Finds the first correspondent after the last one for whom something is due.
    fn round_robin(
        &self,
        view: &View<S>,
        now: Steady,
        rng: &mut ChaCha20Rng,
    ) -> Option<(KeyId, Assignment)> {
        let moment = self.circumstances(view, now);
        let mut all = self.in_turn();
        all.find_map(|(to, other)| Some((*to, other.next_assignment(&moment, rng)?)))
    }

    /// All correspondents, first the one after the last that has had its turn.
    fn in_turn(&self) -> impl Iterator<Item = (&KeyId, &Correspondent)> {
        let after = |to: &KeyId| self.last_served.is_none_or(|last| *to > last);
        let (later, sooner): (Vec<_>, Vec<_>) =
            self.correspondents.iter().partition(|(to, _)| after(to));
        later.into_iter().chain(sooner)
    }

    fn circumstances<'a>(&'a self, view: &'a View<S>, now: Steady) -> correspondent::Moment<'a, S> {
        let node = self.attachment.entry().and_then(|entry| view.roster().node(entry));
        let entry = node.map(|node| node.operator.as_str());
        let (timer, pieces, absences) = (self.timer, &self.pieces, &self.absences);
        correspondent::Moment { now, view, timer, pieces, entry, absences }
    }

    /// Asks the application for the pieces of stored bodies that leave next: of the contacts whose
    /// turn comes first, as many as there is room for.
    pub(super) fn ask_for_pieces(&mut self) {
        let now = self.counted(self.grid.poll_timeout());
        self.pieces.forget(now);
        let Some(view) = self.view.clone() else { return };
        let moment = self.circumstances(&view, now);
        let needed = self.in_turn().flat_map(|(_, other)| other.needed(&moment));
        let needed: Vec<_> = needed.take(pieces::MOST).collect();
        for (message, piece) in needed {
            if !self.events.has_room() {
                return;
            }
            if let Some(Wanted { message, offset, len }) = self.pieces.need(now, message, piece) {
                self.events.push(Event::Wanted { message, offset, len });
            }
        }
    }

    /// Sends an envelope to an own mailbox, which only its owner can tell from others.
    fn own_loop(
        &mut self,
        view: &View<S>,
        mailbox: usize,
        moment: Moment,
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        let fragment = self.loop_fragment(moment, rng);
        let message = fragment.message;
        let mut letter = self.account.contact().letter(mailbox, fragment)?;
        letter.mailbox.write_key = self.account.mailboxes.get(mailbox)?.loop_key(rng).clone();
        let mut built = self.store(view, letter, rng)?;
        built.cargo = Cargo::Loop { mailbox, message, path: built.path.clone() };
        Some(built)
    }

    /// Notes a loop that has left. It is expected back if its mailbox is known to exist: before its
    /// first pull a relay drops whatever is for it.
    pub(super) fn expect_loop(
        &mut self,
        mailbox: usize,
        message: MessageId,
        trip: &Trip,
        sent: Steady,
    ) {
        if !self.inbox.has_answered(mailbox) {
            return;
        }
        let stored_by = trip.at + trip.drawn() + self.entry_wait() * 2;
        if let Some(mailbox) = self.loops.sent(message, mailbox, sent, stored_by) {
            self.events.push(Event::LoopLost { mailbox });
        }
        self.events.push(Event::LoopSent);
    }

    /// Makes a packet that a random relay discards. An envelope to oneself is sealed first and
    /// thrown away, so that cover costs what a letter costs.
    fn drop_cover(
        &mut self,
        view: &View<S>,
        moment: Moment,
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        let letter = self.account.contact().letter(0, self.loop_fragment(moment, rng))?;
        if !Weakness::CoverSealsNothing.is_active() {
            let unsent = self.seal(&letter, rng);
            std::hint::black_box(&unsent);
        }
        let relays: Vec<_> = view.live(3).map(|node| node.number).collect();
        let relay = (!relays.is_empty()).then(|| relays[below(relays.len(), rng)])?;
        self.wrap(view, relay, &Instruction::<S>::DISCARD, rng)
    }

    /// A fragment for loops and cover, which says from which run it is.
    fn loop_fragment(&self, moment: Moment, rng: &mut ChaCha20Rng) -> Fragment {
        Fragment {
            message: MessageId::random(rng),
            kind: Kind::Loop,
            sequence: 0,
            position: FragmentPosition::WHOLE,
            minutes: u32::try_from(moment.start.seconds() / 60).unwrap_or(u32::MAX),
            standing: Standing::default(),
            body: self.loops.run.encode(),
        }
    }

    /// Seals a letter anew, and wraps it for its mailbox over a path of its own; none if there is no
    /// path at present.
    fn store(&mut self, view: &View<S>, letter: Letter, rng: &mut ChaCha20Rng) -> Option<Built<S>> {
        let envelope = self.seal(&letter, rng)?;
        let ContactMailbox { relay, id: mailbox, write_key } = letter.mailbox;
        let store = Store { mailbox, write_key, envelope };
        self.wrap(view, relay, &store.encode(), rng)
    }

    /// Seals a letter. No key of a contact is unusable: such cards and addresses are refused.
    fn seal(&mut self, letter: &Letter, rng: &mut ChaCha20Rng) -> Option<Envelope<S>> {
        let Letter { identity, prekey, fragment, .. } = letter;
        let network = &self.roster.network_id;
        self.work.seals += 1;
        seal::<S>(&self.account.identity, identity, prekey, network, fragment, rng).ok()
    }

    fn wrap(
        &mut self,
        view: &View<S>,
        relay: NodeNumber,
        body: &[u8],
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        let first_layer = match self.attachment {
            Attachment::Client { .. } => 0,
            Attachment::Mix { layer, .. } => layer + 1,
        };
        let path = Path::to_relay(view, first_layer, relay, rng).ok()?;
        let hops = path.hops(view, Route::deliver()).ok()?;
        self.work.packets += 1;
        let packet = wrap(first_layer, &hops, body, rng).ok()?;
        Some(Built { path, packet, cargo: Cargo::Cover })
    }
}

impl Contact {
    /// A letter with this fragment for the contact's place of this index.
    fn letter(&self, place: usize, fragment: Fragment) -> Option<Letter> {
        let mailbox = self.places().nth(place)?.clone();
        let (identity, prekey) = (self.identity.clone(), self.prekey.clone());
        Some(Letter { identity, prekey, mailbox, fragment })
    }
}
