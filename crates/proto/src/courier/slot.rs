//! Filling a slot: from its load to the packet that leaves.
//!
//! A load that cannot be had (a mailbox's relay is down, no letter waits, a contact's key is
//! unusable) is replaced by drop cover, so that the entry relay sees one kind of cell as long as any
//! packet can be built at all.

use std::time::Duration;

use chacha20::ChaCha20Rng;
use rohrpost_packet::envelope::{Fragment, Letter, MessageId, seal};
use rohrpost_packet::{NodeNumber, Packet, Route, Suite, build_surb, wrap};
use zeroize::Zeroizing;

use super::account::{Contact, ContactMailbox};
use super::event::{Event, Trip};
use super::grid::DueSlot;
use super::law::Load;
use super::pending::PendingReply;
use super::{Courier, Departure, Vantage};
use crate::delay::exponential;
use crate::frame::{Frame, Outgoing, UpCell};
use crate::instruction::{Instruction, PullRequest, Store};
use crate::path::{Path, below};
use crate::time::{Slot, Time};
use crate::view::View;

/// When a slot is filled: now, and the moment at which its packet begins its path.
#[derive(Clone, Copy)]
struct Moment {
    slot: Slot,
    now: Time,
    /// For a client now; for a mix after the delay in its own pool.
    due: Time,
}

/// A packet and the way it takes.
struct Built<S: Suite> {
    path: Path,
    packet: Packet<S>,
}

/// Why an envelope could not be sent.
enum StoreError {
    /// The recipient's keys are unusable, for good.
    Seal,
    /// No way at present.
    Path,
}

impl<S: Suite> Courier<S> {
    pub(super) fn fill(&mut self, now: Time, due: DueSlot) -> Option<Departure<S>> {
        let DueSlot { slot, mut rng, .. } = due;
        if let (true, Vantage::Client { session, .. }) = (self.unnamed, self.vantage) {
            self.unnamed = false;
            return Some(Departure::Cell(UpCell::Hello(session)));
        }
        let due = now + self.own_delay(&mut rng);
        let load = Load::draw(slot, self.account.mailboxes.len(), &mut rng);
        let view = self.view.clone();
        let moment = Moment { slot, now, due };
        let built = view.and_then(|view| self.build(&view, load, moment, &mut rng));
        match (self.vantage, built) {
            (Vantage::Mix { .. }, built) => {
                built.map(|outgoing| Departure::Packet { due, outgoing })
            }
            (Vantage::Client { .. }, None) => Some(Departure::Cell(UpCell::Idle)),
            (Vantage::Client { .. }, Some(Outgoing { to, frame })) => {
                let Frame { generation, packet } = frame;
                Some(Departure::Cell(UpCell::Packet { first_hop: to, generation, packet }))
            }
        }
    }

    /// What a mix draws for its own pool; a client has none.
    fn own_delay(&self, rng: &mut ChaCha20Rng) -> Duration {
        match self.vantage {
            Vantage::Client { .. } => Duration::ZERO,
            Vantage::Mix { .. } => exponential(self.roster.traffic.mix_delay, rng).duration(),
        }
    }

    fn build(
        &mut self,
        view: &View<S>,
        load: Load,
        moment: Moment,
        rng: &mut ChaCha20Rng,
    ) -> Option<Outgoing<S>> {
        let built = match load {
            Load::Pull(mailbox) => self.pull(view, mailbox, moment, rng),
            Load::Payload => self.next_letter(view, moment, rng),
            Load::Loop(mailbox) => self.own_loop(view, mailbox, moment, rng),
        };
        let Built { path, packet } = built.or_else(|| self.drop_cover(view, rng))?;
        let to = path.first();
        let generation = view.key(to)?.generation().short();
        Some(Outgoing { to, frame: Frame { generation, packet } })
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
            relay,
            join_key: &self.join_key,
            write_keys: [Some(&own.write_key), None],
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
        match self.vantage {
            Vantage::Client { entry, .. } => Some(entry),
            Vantage::Mix { .. } => None,
        }
    }

    /// The first letter in the outbox whose recipient can be reached.
    fn next_letter(
        &mut self,
        view: &View<S>,
        moment: Moment,
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        if !self.events.has_room() {
            return None;
        }
        let is_up = |mailbox: &ContactMailbox| view.key(mailbox.relay).is_some();
        let place = self.outbox.first(|to| {
            let contact = self.contacts.get(to);
            contact.is_some_and(|contact| contact.mailboxes.iter().any(is_up))
        })?;
        let (to, letter) = self.outbox.letter(place)?;
        let message = letter.message;
        let contact = self.contacts.get(to)?;
        let mailbox = live_mailbox(view, contact, self.entry(), rng)?;
        let built = match self.store(view, contact, mailbox, letter, rng) {
            Err(StoreError::Path) => return None,
            Err(StoreError::Seal) => None,
            Ok(built) => Some(built),
        };
        self.outbox.remove(place);
        self.events.push(match &built {
            None => Event::Unsendable { message },
            Some(Built { path, .. }) => Event::Sent {
                message,
                slot: moment.slot,
                trip: Trip { path: path.clone(), at: moment.now },
            },
        });
        built
    }

    /// An envelope to an own mailbox, which only its owner can tell from others. It is expected back
    /// if the mailbox is known to exist: before its first pull a relay drops whatever is for it.
    fn own_loop(
        &mut self,
        view: &View<S>,
        mailbox: usize,
        moment: Moment,
        rng: &mut ChaCha20Rng,
    ) -> Option<Built<S>> {
        let own = self.account.contact();
        let letter = Letter {
            message: MessageId::random(rng),
            sequence: 0,
            fragment: Fragment::WHOLE,
            minutes: 0,
            certificate: None,
            body: Zeroizing::new(Vec::new()),
        };
        let target = own.mailboxes.get(mailbox)?;
        let built = self.store(view, &own, target, &letter, rng).ok()?;
        if self.inbox.has_answered(mailbox) {
            self.expect_loop(letter.message, &built.path, moment);
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

    /// A packet that a random relay discards.
    fn drop_cover(&self, view: &View<S>, rng: &mut ChaCha20Rng) -> Option<Built<S>> {
        let relays: Vec<_> = view.live(3).map(|node| node.number).collect();
        let relay = (!relays.is_empty()).then(|| relays[below(relays.len(), rng)])?;
        self.wrap(view, relay, &Instruction::<S>::DISCARD, rng)
    }

    /// Seals a letter anew, for a mailbox, over a path of its own.
    fn store(
        &self,
        view: &View<S>,
        contact: &Contact,
        mailbox: &ContactMailbox,
        letter: &Letter,
        rng: &mut ChaCha20Rng,
    ) -> Result<Built<S>, StoreError> {
        let envelope = seal::<S>(
            &self.account.identity,
            &contact.identity,
            &contact.prekey,
            &self.roster.network_id,
            letter,
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
        let first_layer = match self.vantage {
            Vantage::Client { .. } => 0,
            Vantage::Mix { layer, .. } => layer + 1,
        };
        let path = Path::to_relay(view, first_layer, relay, rng).ok()?;
        let hops = path.hops(view, Route::deliver()).ok()?;
        let packet = wrap(first_layer, &hops, body, rng).ok()?;
        Some(Built { path, packet })
    }
}

/// One of the contact's mailboxes whose relay is up; if possible not at the operator through whose
/// relay this client enters, who would see both ends.
fn live_mailbox<'a, S: Suite>(
    view: &View<S>,
    contact: &'a Contact,
    entry: Option<NodeNumber>,
    rng: &mut ChaCha20Rng,
) -> Option<&'a ContactMailbox> {
    let operator = |node| view.roster().node(node).map(|node| node.operator.as_str());
    let entry = entry.and_then(operator);
    let live = contact.mailboxes.iter().filter(|mailbox| view.key(mailbox.relay).is_some());
    let (own, foreign): (Vec<_>, Vec<_>) =
        live.partition(|mailbox| entry.is_some() && operator(mailbox.relay) == entry);
    let choice = if foreign.is_empty() { own } else { foreign };
    (!choice.is_empty()).then(|| choice[below(choice.len(), rng)])
}
