//! State per correspondent: outgoing and incoming messages, and what it has yet to hear of those.

mod choice;
mod hearing;
mod presence;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::RngExt;
use rohrpost_packet::envelope::{Fragment, FragmentPosition, Kind, MessageId, REPEATED, Standing};
use rohrpost_packet::{NodeNumber, Suite};
use zeroize::Zeroizing;

use super::absences::Absences;
use super::account::{Contact, ContactMailbox};
use super::acknowledgement::Acknowledged;
use super::event::Event;
use super::message::{Body, Message};
use super::outgoing::OutgoingMessage;
use super::pieces::Pieces;
use super::reassembly::{Memory, Reassembly};
use super::retransmission::RetransmitTimer;
use presence::Presence;
pub use presence::windows;

use crate::directory::view::View;
use crate::path::below;
use crate::time::{Steady, Time};
use crate::weakness::Weakness;

/// A contact and both directions of what is exchanged with it.
pub(super) struct Correspondent {
    pub(super) contact: Contact,
    /// Time at which the contact gave itself the oldest address to which something is sealed that is
    /// under way. A newer address differs little from the one before.
    sealed: Option<Time>,
    pub(super) reassembly: Reassembly,
    /// Outgoing messages in the order of their numbers. The courier bounds them over all
    /// correspondents.
    pub(super) outgoing: VecDeque<OutgoingMessage>,
    /// The own newest address, until the contact has it. It takes no number of the conversation
    /// and waits behind nothing.
    address: Option<OutgoingMessage>,
    /// Version of the newest own address that the contact has acknowledged.
    told: u64,
    /// Time at which the acknowledgement of what is new is due; `None` if there is nothing new.
    acknowledge: Option<Steady>,
    /// Time at which an acknowledgement is due for letters that brought nothing new. It may be far
    /// off, and what is new does not wait for it.
    acknowledge_again: Option<Steady>,
    /// Time before which no letter without a new fragment draws another acknowledgement.
    repeats: Steady,
    presence: Presence,
    /// Times at which each of the contact's mailboxes may be written to again.
    free: Vec<Steady>,
    /// Times at which each mailbox is registered again after its relay lost its memory.
    registered: Vec<Steady>,
    /// The number after that of the last message that was posted.
    posted: u64,
    /// The number after that of the last message that the application has accepted.
    next: u64,
    /// What the contact has acknowledged.
    acknowledged: Acknowledged,
    /// Of which messages the next letter repeats acknowledgements.
    repeat: Repeat,
    /// True once the application was told that this client goes on from an older copy.
    surpassed: bool,
}

/// Turns of the messages whose acknowledgements letters repeat: a letter has room for the names of a
/// few. Every other letter names the last ones, by which a contact notices soonest that it goes on
/// from an older copy; those between name the others, a few at a time.
#[derive(Clone, Copy)]
struct Repeat {
    /// True if the last ones have their turn.
    last: bool,
    /// Number before which the others have theirs.
    before: u64,
}

/// The next task for a correspondent, and the mailbox for it.
#[derive(Clone, Copy)]
pub(super) struct Assignment {
    pub(super) task: Task,
    pub(super) mailbox: usize,
}

/// A fragment or acknowledgement to send to a correspondent.
#[derive(Clone, Copy)]
pub(super) enum Task {
    Acknowledgement,
    /// A fragment of the outgoing message at this place.
    Fragment {
        place: Place,
        index: u32,
    },
}

/// Place of something that goes to a correspondent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The own newest address.
    Address,
    /// The outgoing message of this index.
    Message(usize),
}

/// Circumstances that decide on the next task.
pub(super) struct Moment<'a, S: Suite> {
    pub(super) now: Steady,
    pub(super) view: &'a View<S>,
    pub(super) timer: RetransmitTimer,
    pub(super) pieces: &'a Pieces,
    /// Operator of the entry relay.
    pub(super) entry: Option<&'a str>,
    pub(super) absences: &'a Absences,
}

impl Correspondent {
    /// State for a new contact whose messages have at most `most` fragments.
    pub(super) fn new(contact: Contact, most: u32) -> Self {
        let free = vec![Steady::BEGIN; contact.places().count()];
        Self {
            sealed: contact.made,
            contact,
            registered: free.clone(),
            reassembly: Reassembly::new(most),
            outgoing: VecDeque::new(),
            address: None,
            told: 0,
            acknowledge: None,
            acknowledge_again: None,
            repeats: Steady::BEGIN,
            presence: Presence::new(),
            free,
            posted: 0,
            next: 0,
            acknowledged: Acknowledged::default(),
            repeat: Repeat { last: true, before: u64::MAX },
            surpassed: false,
        }
    }

    /// Goes on where a former run ended: the messages before `open` are over, and those before
    /// `next` have been accepted.
    pub(super) fn resume(&mut self, reassembly: Reassembly, open: u64, next: u64, memory: &Memory) {
        self.reassembly = reassembly;
        self.presence = Presence::resume(memory.heard);
        self.acknowledged = memory.acknowledged;
        (self.posted, self.next) = (open, next.max(open));
        if !memory.owes {
            self.reassembly.note_acknowledged();
        }
    }

    /// Has the others of the messages that letters repeat take turns from this one of them on, so that
    /// each has its turn also where runs are short.
    pub(super) fn repeat_from(&mut self, rng: &mut ChaCha20Rng) {
        if let Some((first, last)) = self.reassembly.told_range() {
            self.repeat.before = rng.random_range(first..=last).saturating_add(1);
        }
    }

    /// Has the next letter repeat acknowledgements of others than the last one did.
    pub(super) fn repeat_others(&mut self) {
        let Repeat { last, before } = self.repeat;
        if !last && let Some((first, names)) = self.reassembly.repeated(before) {
            self.repeat.before = first.saturating_sub((names.len() - 1) as u64);
        }
        self.repeat.last = !last;
    }

    /// What the next letter repeats of acknowledgements: number of a message, and names up to it.
    fn repeated(&self) -> Option<(u64, [u16; REPEATED])> {
        let Repeat { last, before } = self.repeat;
        self.reassembly.repeated(if last { u64::MAX } else { before })
    }

    /// Takes a newer address. True if the contact is reached in another way from now on.
    pub(super) fn readdress(&mut self, contact: Contact) -> bool {
        if !self.all().any(|outgoing| outgoing.flights().next().is_some()) {
            self.sealed = self.contact.made;
        }
        let place = |mailbox: &ContactMailbox| (mailbox.relay, mailbox.id);
        let otherwise = !contact.is_reached_as(&self.contact, self.sealed);
        if otherwise {
            self.sealed = contact.made;
        }
        let known: Vec<_> = self.contact.places().map(place).collect();
        let then = |times: &[Steady], mailbox| {
            let at = known.iter().position(|known| *known == place(mailbox));
            at.map_or(Steady::BEGIN, |at| times[at])
        };
        self.free = contact.places().map(|mailbox| then(&self.free, mailbox)).collect();
        self.registered = contact.places().map(|mailbox| then(&self.registered, mailbox)).collect();
        self.contact = contact;
        otherwise
    }

    pub(super) fn post(&mut self, message: Message, room: usize) {
        self.posted = message.sequence + 1;
        self.next = self.next.max(self.posted);
        self.outgoing.push_back(OutgoingMessage::new(message, room));
    }

    /// Tells the contact an address, in the place of any older one. To a contact that has not
    /// answered the older one it leaves when that would have left again: a newer address is
    /// no reason for more letters to someone who is away. One that is on its way goes on.
    pub(super) fn announce(&mut self, address: Message, room: usize) {
        let name = |message: &Message| (message.sequence, message.id);
        let under_way = self.address.as_ref().map(|before| name(before.message()));
        if address.sequence > self.told && under_way != Some(name(&address)) {
            let mut address = OutgoingMessage::new(address, room);
            if let Some(before) = &self.address {
                address.follow(before);
            }
            self.address = Some(address);
        }
    }

    /// Tells whether the contact is being told of an own address, which it has not acknowledged.
    pub(super) const fn is_being_told(&self) -> bool {
        self.address.is_some()
    }

    /// The number after that of the last message that was posted.
    pub(super) const fn next_sequence(&self) -> u64 {
        self.posted
    }

    /// Where this client stands with the contact, as each letter says.
    pub(super) fn standing(&self) -> Standing {
        let open = self.outgoing.front().map_or(self.posted, |front| front.message().sequence);
        let Acknowledged { below: heard, whole, since } = self.acknowledged;
        let incarnation = self.reassembly.since();
        let standing = Standing { open, heard, whole, since, incarnation, ..Standing::default() };
        // Letters say nothing that no acknowledgement has said: else they would tell sooner than that
        // what has come.
        self.repeated().map_or(standing, |(last, told)| Standing { last, told, ..standing })
    }

    /// The fragment of this index of what stands at a place, if its body is there.
    pub(super) fn fragment(&self, place: Place, index: u32, pieces: &Pieces) -> Option<Fragment> {
        let (behind, after) = self.behind(place).unwrap_or_default();
        let standing = Standing { behind, after, ..self.standing() };
        let outgoing = self.at(place)?;
        let body = pieces.fragment(outgoing.message(), index)?;
        Some(outgoing.fragment(index, standing, body))
    }

    /// How many numbers before a message the one of its lane stands that is not over, and the name of
    /// that; none if there is no such one within a window.
    fn behind(&self, place: Place) -> Option<(u8, u16)> {
        let Place::Message(at) = place else { return None };
        let message = self.outgoing.get(at)?;
        let mut before = self.outgoing.range(..at).rev();
        let before = before.find(|before| before.lane() == message.lane())?;
        let behind = message.message().sequence - before.message().sequence;
        Some((u8::try_from(behind).ok()?, before.name().short()))
    }

    /// Chooses the next task, if something is due, there, and a mailbox can take it. An
    /// acknowledgement goes first, then what has to leave again, then what is new.
    pub(super) fn next_assignment<S: Suite>(
        &self,
        moment: &Moment<'_, S>,
        rng: &mut ChaCha20Rng,
    ) -> Option<Assignment> {
        let now = moment.now;
        if self.acknowledgement_due().is_some_and(|due| due <= now) {
            let mailbox = self.mailbox(moment, None, rng)?;
            return Some(Assignment { task: Task::Acknowledgement, mailbox });
        }
        let there = |place, index| {
            let outgoing = self.at(place);
            outgoing.is_some_and(|outgoing| moment.pieces.has(outgoing.message(), index))
        };
        let mut due = self.due(now, moment.timer);
        let (place, index) = due.find(|(place, index)| there(*place, *index))?;
        let avoid = self.at(place)?.last_relay(index);
        let other = |mailbox: &ContactMailbox| Some(mailbox.relay) != avoid;
        let mailbox = self.mailbox(moment, Some(&other), rng)?;
        Some(Assignment { task: Task::Fragment { place, index }, mailbox })
    }

    /// Pieces of stored bodies that are needed next, of what is due now that a mailbox can take: the
    /// message and the length of its body, and the piece's number.
    pub(super) fn needed<S: Suite>(
        &self,
        moment: &Moment<'_, S>,
    ) -> Vec<((MessageId, usize), u32)> {
        let stored = |outgoing: &OutgoingMessage| match outgoing.message().body {
            Body::Stored(len) => Some((outgoing.message().id, len)),
            Body::With(_) => None,
        };
        if !self.all().any(|outgoing| stored(outgoing).is_some())
            || self.free_mailboxes(moment, None).is_none()
        {
            return Vec::new();
        }
        let mut needed = Vec::new();
        for (place, index) in self.due(moment.now, moment.timer) {
            let Some(message) = self.at(place).and_then(stored) else { continue };
            let soon = index.saturating_add(moment.pieces.ahead());
            let mut both = [index, soon].map(|index| moment.pieces.piece(index)).to_vec();
            both.dedup();
            needed.extend(both.into_iter().map(|piece| (message, piece)));
        }
        needed
    }

    /// What stands at a place.
    pub(super) fn at(&self, place: Place) -> Option<&OutgoingMessage> {
        match place {
            Place::Address => self.address.as_ref(),
            Place::Message(at) => self.outgoing.get(at),
        }
    }

    /// What stands at a place, to be changed.
    pub(super) fn at_mut(&mut self, place: Place) -> Option<&mut OutgoingMessage> {
        match place {
            Place::Address => self.address.as_mut(),
            Place::Message(at) => self.outgoing.get_mut(at),
        }
    }

    /// All that goes to the contact.
    fn all(&self) -> impl Iterator<Item = &OutgoingMessage> {
        self.address.iter().chain(&self.outgoing)
    }

    /// All that goes to the contact, to be changed.
    fn all_mut(&mut self) -> impl Iterator<Item = &mut OutgoingMessage> {
        self.address.iter_mut().chain(&mut self.outgoing)
    }

    /// Chooses one of the contact's mailboxes that is up and may be written to: if possible one
    /// that is `preferred`, and not at the operator through whose relay this client enters, who
    /// would see both ends. Where the relays of all of them are gone, it is where the next one will
    /// be.
    fn mailbox<S: Suite>(
        &self,
        moment: &Moment<'_, S>,
        preferred: Option<&dyn Fn(&ContactMailbox) -> bool>,
        rng: &mut ChaCha20Rng,
    ) -> Option<usize> {
        let free = self.free_mailboxes(moment, preferred)?;
        Some(free[below(free.len(), rng)])
    }

    /// The contact's mailboxes of which one may be chosen; none if none may be written to.
    fn free_mailboxes<S: Suite>(
        &self,
        moment: &Moment<'_, S>,
        preferred: Option<&dyn Fn(&ContactMailbox) -> bool>,
    ) -> Option<Vec<usize>> {
        let Moment { now, view, entry, .. } = moment;
        let operator = |mailbox: &ContactMailbox| {
            view.roster().node(mailbox.relay).map(|node| node.operator.as_str())
        };
        let rank = |(at, mailbox): &(usize, &ContactMailbox)| {
            // Of the next mailboxes one is there, and nobody but their owner knows which.
            let next = *at >= self.contact.mailboxes.len();
            let own = entry.is_some() && operator(mailbox) == *entry && !next;
            let absent = self.registered[*at] > *now;
            (own, absent, preferred.is_some_and(|preferred| !preferred(mailbox)))
        };
        let up = |(_, mailbox): &(usize, &ContactMailbox)| view.key(mailbox.relay).is_some();
        let gone = |mailbox: &ContactMailbox| moment.absences.is_gone(*now, view, mailbox.relay);
        let places = match self.contact.mailboxes.iter().all(gone) {
            true => self.contact.places().count(),
            false => self.contact.mailboxes.len(),
        };
        let live: Vec<_> = self.contact.places().take(places).enumerate().filter(up).collect();
        let best = live.iter().map(rank).min()?;
        let best: Vec<_> = live.into_iter().filter(|mailbox| rank(mailbox) == best).collect();
        let ready = |at: usize| self.free[at].max(self.registered[at]) <= *now;
        let free = best.into_iter().map(|(at, _)| at).filter(|at| ready(*at));
        let free: Vec<_> = free.collect();
        (!free.is_empty()).then_some(free)
    }

    /// Notes that a fragment has gone into a mailbox, which gets one per `pace` from here. What was
    /// not used of that in the last [`BURST`] fragments' time may be made up for.
    pub(super) fn used(&mut self, mailbox: usize, now: Steady, pace: Duration) {
        if let Some(free) = self.free.get_mut(mailbox) {
            *free = (*free).max(now - pace * BURST) + pace;
        }
    }

    /// Has an acknowledgement leave after `delay`, unless one is due already.
    pub(super) fn acknowledge_later(&mut self, now: Steady, delay: Duration) {
        self.acknowledge.get_or_insert(now + delay);
    }

    /// Has an acknowledgement leave after `delay` for a letter that brought nothing new: its sender
    /// has not heard the one before. The sender waits for a first time-out before it sends again,
    /// and one acknowledgement says all that is there: so there is at most one in this time,
    /// however many letters come. Who serves the owner's mailbox can then not draw more of them by
    /// sending more.
    pub(super) fn acknowledge_again(
        &mut self,
        now: Steady,
        delay: Duration,
        timer: RetransmitTimer,
    ) {
        if self.acknowledgement_due().is_some() {
            return;
        }
        let from = if Weakness::KnownEnvelopesAreAcknowledged.is_active() {
            now
        } else {
            self.repeats.max(now)
        };
        self.repeats = from + timer.first;
        self.acknowledge_again = Some(from + delay);
    }

    /// Time at which the next acknowledgement is due; `None` if there is nothing to acknowledge.
    pub(super) fn acknowledgement_due(&self) -> Option<Steady> {
        self.acknowledge.into_iter().chain(self.acknowledge_again).min()
    }

    /// Lets the next acknowledgement leave, which says all that is there; gives the time at which it
    /// was due.
    pub(super) fn take_acknowledgement(&mut self) -> Option<Steady> {
        let due = self.acknowledgement_due();
        (self.acknowledge, self.acknowledge_again) = (None, None);
        due
    }

    /// Takes back that an acknowledgement has left, which was due at this time.
    pub(super) const fn put_back_acknowledgement(&mut self, due: Steady) {
        self.acknowledge = Some(due);
    }

    /// The outgoing message with this identifier.
    pub(super) fn message_mut(&mut self, message: MessageId) -> Option<&mut OutgoingMessage> {
        self.all_mut().find(|outgoing| outgoing.message().id == message)
    }

    /// Makes the acknowledgement of what has come.
    pub(super) fn acknowledgement(&self, room: usize, rng: &mut ChaCha20Rng) -> Fragment {
        Fragment {
            message: MessageId::random(rng),
            kind: Kind::Acknowledgement,
            sequence: 0,
            position: FragmentPosition::WHOLE,
            minutes: 0,
            standing: self.standing(),
            body: Zeroizing::new(self.reassembly.acknowledgement().encode(room)),
        }
    }

    /// Marks as lost, and lets leave again, what is lost with the memory of these nodes. A mailbox
    /// that was at one of them gets nothing before it can be there again.
    pub(super) fn mark_lost(
        &mut self,
        now: Steady,
        nodes: &BTreeSet<NodeNumber>,
        timer: RetransmitTimer,
    ) {
        for (mailbox, registered) in self.contact.places().zip(&mut self.registered) {
            if nodes.contains(&mailbox.relay) {
                *registered = now + timer.registration;
            }
        }
        for outgoing in self.all_mut() {
            outgoing.mark_lost(now, timer, |flight| flight.is_passing(now, nodes, timer.transit));
            outgoing.mark_lost(now + timer.registration, timer, |flight| flight.ends_at(nodes));
        }
    }

    /// Marks as lost all that is under way, so that it leaves again.
    pub(super) fn mark_all_lost(&mut self, now: Steady, timer: RetransmitTimer) {
        self.all_mut().for_each(|outgoing| outgoing.mark_lost(now, timer, |_| true));
    }

    /// Forgets a message that its sender takes back.
    pub(super) fn cancel(&mut self, now: Steady, message: MessageId) {
        self.outgoing.retain(|outgoing| outgoing.message().id != message);
        self.remind(now);
    }

    /// Gives up the messages that have expired.
    pub(super) fn expire(&mut self, now: Steady, document: Time) -> Vec<Event> {
        let mut events = Vec::new();
        self.outgoing.retain(|outgoing| {
            let over = outgoing.is_over(now, document);
            if over {
                events.push(Event::Expired { message: outgoing.message().id });
            }
            !over
        });
        if !events.is_empty() {
            self.remind(now);
        }
        events
    }
}

/// Fragments that may go into a mailbox in one burst. Payload slots come at random; with this the
/// pace is kept on average. Four fragments find room in a mailbox that is empty but for loops.
const BURST: u32 = 4;

#[cfg(test)]
mod tests;
