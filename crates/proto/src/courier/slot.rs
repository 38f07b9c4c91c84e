//! Filling a slot: from its load to the packet that leaves.
//!
//! A load that cannot be had (a mailbox's relay is down, no fragment waits, a contact's key is
//! unusable) is replaced by drop cover, so that the entry relay sees one kind of cell as long as
//! any packet can be built at all.

use std::time::Duration;

use chacha20::ChaCha20Rng;
use rohrpost_packet::envelope::{
    Fragment, FragmentPosition, KeyId, Kind, MessageId, fragment_body_len, seal,
};
use rohrpost_packet::{NodeNumber, Packet, Route, Suite, build_surb, wrap};
use zeroize::Zeroizing;

use super::account::{Contact, ContactMailbox};
use super::correspondent::{self, Assignment, Task};
use super::event::{Event, Trip};
use super::grid::DueSlot;
use super::pending::PendingReply;
use super::schedule::Load;
use super::{Attachment, Courier, Departure};
use crate::delay::exponential;
use crate::directory::view::View;
use crate::frame::{Frame, OutgoingFrame, UpCell};
use crate::instruction::{Instruction, PullRequest, Store};
use crate::path::{Path, below};
use crate::time::{Slot, Time};

/// Time at which a slot is filled, and the moment at which its packet begins its path.
#[derive(Clone, Copy)]
struct Moment {
    slot: Slot,
    now: Time,
    /// Start of the packet's path: now for a client, after the delay in its own pool for a mix.
    due: Time,
}

/// A packet and the way it takes.
struct Built<S: Suite> {
    path: Path,
    packet: Packet<S>,
}

/// Reason why an envelope could not be sent.
enum StoreError {
    /// The recipient's keys are unusable, for good.
    Seal,
    /// There is no path at present.
    Path,
}

impl<S: Suite> Courier<S> {
    pub(super) fn fill(&mut self, now: Time, due: DueSlot) -> Option<Departure<S>> {
        let DueSlot { slot, mut rng, .. } = due;
        if let (true, Attachment::Client { session, .. }) = (self.unnamed, self.attachment) {
            self.unnamed = false;
            return Some(Departure::Cell(UpCell::Hello(session)));
        }
        let due = now + self.own_delay(&mut rng);
        let load = Load::draw(slot, self.account.mailboxes.len(), &mut rng);
        let view = self.view.clone();
        let moment = Moment { slot, now, due };
        let built = view.and_then(|view| self.build(&view, load, moment, &mut rng));
        match (self.attachment, built) {
            (Attachment::Mix { .. }, built) => {
                built.map(|outgoing| Departure::Packet { due, outgoing })
            }
            (Attachment::Client { .. }, None) => Some(Departure::Cell(UpCell::Idle)),
            (Attachment::Client { .. }, Some(OutgoingFrame { to, frame })) => {
                let Frame { generation, packet } = frame;
                Some(Departure::Cell(UpCell::Packet { first_hop: to, generation, packet }))
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
    ) -> Option<OutgoingFrame<S>> {
        let built = match load {
            Load::Pull(mailbox) => self.pull(view, mailbox, moment, rng),
            Load::Payload => self.next_fragment(view, moment, rng),
            Load::Loop(mailbox) => self.own_loop(view, mailbox, moment, rng),
        };
        let Built { path, packet } = built.or_else(|| self.drop_cover(view, rng))?;
        let to = path.first();
        let generation = view.key(to)?.generation().short();
        Some(OutgoingFrame { to, frame: Frame { generation, packet } })
    }

    /// Leaves one SURB at an own mailbox, with acknowledgements.
    fn pull(
        &mut self,
        view: &View<S>,
        mailbox: usize,
        moment: Moment,
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
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
            acks: &self.inbox.acks(mailbox),
            surb: &surb,
        };
        let built = self.wrap(view, relay, &request.encode(), rng)?;
        let pull = Trip { path: built.path.clone(), at: moment.due };
        let lost = self.pending.insert(PendingReply { opener, mailbox, relay, pull, path });
        if let Some(relay) = lost {
            self.events.push(Event::PullLost { relay });
        }
        Some(built)
    }

    const fn entry(&self) -> Option<NodeNumber> {
        match self.attachment {
            Attachment::Client { entry, .. } => Some(entry),
            Attachment::Mix { .. } => None,
        }
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
        let (to, assignment) = self.round_robin(view, moment.now, rng)?;
        let other = self.correspondents.get(&to)?;
        let fragment = match assignment.task {
            Task::Acknowledgement => other.acknowledgement(fragment_body_len::<S>(), rng),
            Task::Fragment { place, index } => other.outgoing.get(place)?.fragment(index),
        };
        let mailbox = other.contact.mailboxes.get(assignment.mailbox)?;
        let built = match self.store(view, &other.contact, mailbox, &fragment, rng) {
            Err(StoreError::Path) => return None,
            Err(StoreError::Seal) => None,
            Ok(built) => Some(built),
        };
        self.last_served = Some(to);
        let (period, timer) = (self.roster.traffic.answer_period(), self.timer);
        let other = self.correspondents.get_mut(&to)?;
        let Some(Built { path, .. }) = &built else {
            for outgoing in std::mem::take(&mut other.outgoing) {
                self.events.push_mail(Event::Unsendable { message: outgoing.message().id });
            }
            other.acknowledge = None;
            return None;
        };
        other.used(assignment.mailbox, moment.now, period);
        match assignment.task {
            Task::Acknowledgement => other.acknowledge = None,
            Task::Fragment { place, index } => {
                let outgoing = other.outgoing.get_mut(place)?;
                let again = outgoing.leave(index, moment.now, path, timer, rng);
                let trip = Trip { path: path.clone(), at: moment.now };
                let (message, slot) = (fragment.message, moment.slot);
                self.events.push_mail(Event::Sent { message, fragment: index, again, slot, trip });
            }
        }
        built
    }

    /// Finds the first correspondent after the last one for whom something is due.
    fn round_robin(
        &self,
        view: &View<S>,
        now: Time,
        rng: &mut ChaCha20Rng,
    ) -> Option<(KeyId, Assignment)> {
        let node = self.entry().and_then(|entry| view.roster().node(entry));
        let entry = node.map(|node| node.operator.as_str());
        let moment = correspondent::Moment { now, view, entry };
        let after = |to: &KeyId| self.last_served.is_none_or(|last| *to > last);
        let (later, sooner): (Vec<_>, Vec<_>) =
            self.correspondents.iter().partition(|(to, _)| after(to));
        let mut all = later.into_iter().chain(sooner);
        all.find_map(|(to, other)| Some((*to, other.next_assignment(&moment, rng)?)))
    }

    /// Sends an envelope to an own mailbox, which only its owner can tell from others. It is
    /// expected back if the mailbox is known to exist: before its first pull a relay drops whatever
    /// is for it.
    fn own_loop(
        &mut self,
        view: &View<S>,
        mailbox: usize,
        moment: Moment,
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        let own = self.account.contact();
        let fragment = Fragment {
            message: MessageId::random(rng),
            kind: Kind::Content,
            sequence: 0,
            position: FragmentPosition::WHOLE,
            minutes: 0,
            certificate: None,
            body: Zeroizing::new(Vec::new()),
        };
        let target = own.mailboxes.get(mailbox)?;
        let built = self.store(view, &own, target, &fragment, rng).ok()?;
        if self.inbox.has_answered(mailbox) {
            self.expect_loop(fragment.message, &built.path, moment);
        }
        Some(built)
    }

    fn expect_loop(&mut self, message: MessageId, path: &Path, moment: Moment) {
        let trip = Trip { path: path.clone(), at: moment.due };
        let stored_by = trip.at + trip.drawn() + self.entry_wait();
        if self.loops.sent(message, moment.now, stored_by) {
            self.events.push(Event::LoopLost);
        }
        self.events.push(Event::LoopSent);
    }

    /// Makes a packet that a random relay discards.
    fn drop_cover(&self, view: &View<S>, rng: &mut ChaCha20Rng) -> Option<Built<S>> {
        let relays: Vec<_> = view.live(3).map(|node| node.number).collect();
        let relay = (!relays.is_empty()).then(|| relays[below(relays.len(), rng)])?;
        self.wrap(view, relay, &Instruction::<S>::DISCARD, rng)
    }

    /// Seals a fragment anew, for a mailbox, over a path of its own.
    fn store(
        &self,
        view: &View<S>,
        contact: &Contact,
        mailbox: &ContactMailbox,
        fragment: &Fragment,
        rng: &mut ChaCha20Rng,
    ) -> Result<Built<S>, StoreError> {
        let envelope = seal::<S>(
            &self.account.identity,
            &contact.identity,
            &contact.prekey,
            &self.roster.network_id,
            fragment,
            rng,
        );
        let store = Store {
            mailbox: mailbox.id,
            write_key: mailbox.write_key.clone(),
            envelope: envelope.map_err(|_| StoreError::Seal)?,
        };
        self.wrap(view, mailbox.relay, &store.encode(), rng).ok_or(StoreError::Path)
    }

    fn wrap(
        &self,
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
        let packet = wrap(first_layer, &hops, body, rng).ok()?;
        Some(Built { path, packet })
    }
}
