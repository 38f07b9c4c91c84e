//! Receiving: answers, envelopes, own loops, acknowledgements.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use rohrpost_packet::Suite;
use rohrpost_packet::envelope::{Envelope, Fragment, KeyId, Letter, MessageId, NetworkId};

use super::account::{Account, Contact};
use super::event::{Event, Trip};
use super::pending::PendingReply;
use crate::instruction::{Answer, EnvelopeId, MAX_ACKS};
use crate::time::Time;

pub(super) struct Inbox {
    /// Envelopes to acknowledge, newest last, per mailbox; at most [`ACK_BOUND`], the oldest leaves.
    /// Each goes with several pulls, for a pull may be lost and an envelope served again.
    acks: Vec<VecDeque<EnvelopeId>>,
    /// Letters seen, oldest first; at most [`SEEN_BOUND`].
    seen: VecDeque<(KeyId, MessageId, u32)>,
    seen_set: HashSet<(KeyId, MessageId, u32)>,
    /// Loops on their way, oldest first; at most [`LOOP_BOUND`], the oldest leaves.
    loops: VecDeque<(MessageId, Time)>,
}

impl Inbox {
    pub(super) fn new(mailboxes: usize) -> Self {
        Self {
            acks: vec![VecDeque::new(); mailboxes],
            seen: VecDeque::new(),
            seen_set: HashSet::new(),
            loops: VecDeque::new(),
        }
    }

    /// The newest acknowledgements for a mailbox.
    pub(super) fn acks(&self, mailbox: usize) -> Vec<EnvelopeId> {
        self.acks
            .get(mailbox)
            .map_or_else(Vec::new, |acks| acks.iter().rev().take(MAX_ACKS).copied().collect())
    }

    pub(super) fn loop_sent(&mut self, message: MessageId, at: Time) {
        if self.loops.len() == LOOP_BOUND {
            self.loops.pop_front();
        }
        self.loops.push_back((message, at));
    }

    pub(super) fn expire_loops(&mut self, now: Time, events: &mut VecDeque<Event>) {
        while self.loops.front().is_some_and(|(_, sent)| now.since(*sent) > LOOP_LOST) {
            self.loops.pop_front();
            events.push_back(Event::LoopLost);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a courier that receiving touches")]
    pub(super) fn open<S: Suite>(
        &mut self,
        now: Time,
        reply: PendingReply<S>,
        mut payload: Box<[u8]>,
        account: &Account,
        contacts: &HashMap<KeyId, Contact>,
        network: &NetworkId,
        events: &mut VecDeque<Event>,
    ) {
        let PendingReply { opener, mailbox, relay, path } = reply;
        let answer = opener.open(&mut payload).ok();
        let Some(answer) = answer.and_then(|body| Answer::<S>::decode(&body).ok()) else {
            return;
        };
        let trip = Trip { path, at: now };
        events.push_back(Event::PullAnswered { relay, trip: trip.clone() });
        let Answer::Envelope(id, envelope) = answer else {
            return;
        };
        self.acknowledge(mailbox, id);
        let event = match read(&envelope, account, contacts, network) {
            Some((sender, letter)) if sender == account.identity.public().key_id() => {
                self.loop_returned(now, letter.message)
            }
            Some((sender, letter)) => self
                .is_new(sender, letter.message, letter.fragment)
                .then(|| Event::Arrived { letter: Box::new(letter), sender, relay, trip }),
            None => Some(Event::Dropped),
        };
        events.extend(event);
    }

    fn acknowledge(&mut self, mailbox: usize, id: EnvelopeId) {
        if let Some(acks) = self.acks.get_mut(mailbox) {
            acks.retain(|held| *held != id);
            if acks.len() == ACK_BOUND {
                acks.pop_front();
            }
            acks.push_back(id);
        }
    }

    fn loop_returned(&mut self, now: Time, message: MessageId) -> Option<Event> {
        let index = self.loops.iter().position(|(held, _)| *held == message)?;
        let (_, sent) = self.loops.remove(index)?;
        Some(Event::LoopReturned { after: now.since(sent) })
    }

    fn is_new(&mut self, sender: KeyId, message: MessageId, fragment: Fragment) -> bool {
        let key = (sender, message, fragment.index);
        if !self.seen_set.insert(key) {
            return false;
        }
        if self.seen.len() == SEEN_BOUND
            && let Some(oldest) = self.seen.pop_front()
        {
            self.seen_set.remove(&oldest);
        }
        self.seen.push_back(key);
        true
    }
}

/// Opens an envelope from oneself or a contact.
fn read<S: Suite>(
    envelope: &Envelope<S>,
    account: &Account,
    contacts: &HashMap<KeyId, Contact>,
    network: &NetworkId,
) -> Option<(KeyId, Letter)> {
    let prekeys: Vec<_> = account.prekeys.iter().collect();
    let opened = envelope.open(&prekeys, network).ok()?;
    let (sender, own) = (opened.sender(), account.identity.public());
    let identity = if sender == own.key_id() { own } else { &contacts.get(&sender)?.identity };
    Some((sender, opened.letter(own, identity).ok()?))
}

const ACK_BOUND: usize = 32;
const SEEN_BOUND: usize = 4096;
const LOOP_BOUND: usize = 256;
/// Twenty times the usual way of a loop.
const LOOP_LOST: Duration = Duration::from_secs(60);
