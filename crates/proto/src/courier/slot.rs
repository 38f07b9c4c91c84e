//! What a slot carries, and how its packet is built.

use chacha20::ChaCha20Rng;
use rohrpost_packet::envelope::{Fragment, Letter, MessageId, seal};
use rohrpost_packet::{NodeNumber, Packet, Route, Suite, build_surb, wrap};
use zeroize::Zeroizing;

use super::account::{Contact, ContactMailbox};
use super::event::{Event, Trip};
use super::pending::PendingReply;
use super::{Courier, Departure, Vantage};
use crate::delay::exponential;
use crate::frame::{Frame, Outgoing, UpCell};
use crate::instruction::{Instruction, PullRequest, Store};
use crate::path::{Path, below};
use crate::time::{Slot, Time};
use crate::view::View;

/// A packet and the way it takes.
struct Built<S: Suite> {
    path: Path,
    packet: Packet<S>,
}

impl<S: Suite> Courier<S> {
    pub(super) fn fill_slot(
        &mut self,
        now: Time,
        slot: Slot,
        rng: &mut ChaCha20Rng,
    ) -> Option<Departure<S>> {
        if let (true, Vantage::Client { session, .. }) = (self.unnamed, self.vantage) {
            self.unnamed = false;
            return Some(Departure::Cell(UpCell::Hello(session)));
        }
        let built = self.view.clone().and_then(|view| self.build(&view, now, slot, rng));
        match (self.vantage, built) {
            (Vantage::Client { .. }, None) => Some(Departure::Cell(UpCell::Idle)),
            (Vantage::Mix { .. }, None) => None,
            (Vantage::Client { .. }, Some((Outgoing { to, frame }, _))) => {
                let Frame { generation, packet } = frame;
                Some(Departure::Cell(UpCell::Packet { first_hop: to, generation, packet }))
            }
            (Vantage::Mix { .. }, Some((outgoing, due))) => {
                Some(Departure::Packet { due, outgoing })
            }
        }
    }

    /// The slot's packet and, for a mix, when it leaves the mix's own pool. The delay is drawn first,
    /// so that every slot draws it.
    fn build(
        &mut self,
        view: &View<S>,
        now: Time,
        slot: Slot,
        rng: &mut ChaCha20Rng,
    ) -> Option<(Outgoing<S>, Time)> {
        let due = match self.vantage {
            Vantage::Client { .. } => now,
            Vantage::Mix { .. } => now + exponential(self.roster.traffic.mix_delay, rng).duration(),
        };
        let built = if slot.pulls() {
            self.pull(view, rng)?
        } else if below(4, rng) != 0 {
            self.payload(view, now, slot, rng)?
        } else {
            self.own_loop(view, now, rng)?
        };
        let to = built.path.first();
        let generation = view.key(to)?.generation().short();
        Some((Outgoing { to, frame: Frame { generation, packet: built.packet } }, due))
    }

    /// Asks one of the own mailboxes, by a coin, for an answer.
    fn pull(&mut self, view: &View<S>, rng: &mut ChaCha20Rng) -> Option<Built<S>> {
        let mailbox = below(self.account.mailboxes.len(), rng);
        let own = &self.account.mailboxes[mailbox];
        let (path, end) = match self.vantage {
            Vantage::Client { entry, session } => {
                (Path::to_relay(view, 0, entry, rng).ok()?, Route::reply(session))
            }
            Vantage::Mix { number, layer } => {
                (Path::to_mix(view, layer, number, rng).ok()?, Route::own_loop())
            }
        };
        let (surb, opener) = build_surb(path.first(), &path.hops(view, end).ok()?, rng).ok()?;
        let request = PullRequest {
            key: &own.key,
            network: &self.roster.network_id,
            relay: own.relay,
            join_key: &self.join_key,
            write_keys: [Some(&own.write_key), None],
            acks: &self.acks(mailbox),
            surb: &surb,
        };
        let built = self.wrap(view, own.relay, &request.encode(), rng)?;
        let relay = own.relay;
        self.pending.insert(PendingReply { opener, mailbox, relay, path });
        Some(built)
    }

    /// The next letter, or drop cover.
    fn payload(
        &mut self,
        view: &View<S>,
        now: Time,
        slot: Slot,
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        let Some((to, letter)) = self.outbox.front() else {
            return self.drop_cover(view, rng);
        };
        let contact = self.contacts.get(to)?;
        let Some(mailbox) = live_mailbox(view, contact, rng) else {
            return self.drop_cover(view, rng);
        };
        let built = self.store(view, contact, mailbox, letter, rng)?;
        let message = letter.message;
        self.outbox.pop_front();
        let trip = Trip { path: built.path.clone(), at: now };
        self.events.push_back(Event::Sent { message, slot, trip });
        Some(built)
    }

    /// A packet that a random relay discards.
    fn drop_cover(&self, view: &View<S>, rng: &mut ChaCha20Rng) -> Option<Built<S>> {
        let relays: Vec<_> = view.live(3).map(|node| node.number).collect();
        let relay = (!relays.is_empty()).then(|| relays[below(relays.len(), rng)])?;
        self.wrap(view, relay, &Instruction::<S>::DISCARD, rng)
    }

    /// An envelope to one of the own mailboxes, which only its owner can tell from others.
    fn own_loop(&mut self, view: &View<S>, now: Time, rng: &mut ChaCha20Rng) -> Option<Built<S>> {
        let own = self.account.contact();
        let letter = Letter {
            message: MessageId::random(rng),
            sequence: 0,
            fragment: Fragment::WHOLE,
            minutes: 0,
            certificate: None,
            body: Zeroizing::new(Vec::new()),
        };
        let mailbox = &own.mailboxes[below(own.mailboxes.len(), rng)];
        let built = self.store(view, &own, mailbox, &letter, rng)?;
        self.inbox.loop_sent(letter.message, now);
        self.events.push_back(Event::LoopSent);
        Some(built)
    }

    /// Seals a letter anew, for a mailbox, over a path of its own.
    fn store(
        &self,
        view: &View<S>,
        contact: &Contact,
        mailbox: &ContactMailbox,
        letter: &Letter,
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        let Contact { identity, prekey, .. } = contact;
        let network = &self.roster.network_id;
        let envelope =
            seal::<S>(&self.account.identity, identity, prekey, network, letter, rng).ok()?;
        let write_key = mailbox.write_key.clone();
        let store = Store { mailbox: mailbox.id, write_key, envelope };
        self.wrap(view, mailbox.relay, &store.encode(), rng)
    }

    fn wrap(
        &self,
        view: &View<S>,
        relay: NodeNumber,
        body: &[u8],
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        let first_layer = match self.vantage {
            Vantage::Client { .. } => 0,
            Vantage::Mix { layer, .. } => layer + 1,
        };
        let path = Path::to_relay(view, first_layer, relay, rng).ok()?;
        let packet = wrap(first_layer, &path.hops(view, Route::deliver()).ok()?, body, rng).ok()?;
        Some(Built { path, packet })
    }
}

/// One of the contact's mailboxes whose relay is up.
fn live_mailbox<'a, S: Suite>(
    view: &View<S>,
    contact: &'a Contact,
    rng: &mut ChaCha20Rng,
) -> Option<&'a ContactMailbox> {
    let live: Vec<_> =
        contact.mailboxes.iter().filter(|mailbox| view.key(mailbox.relay).is_some()).collect();
    (!live.is_empty()).then(|| live[below(live.len(), rng)])
}
