//! Store of a client, in memory: what it holds outlives the courier.
//!
//! As the store of a real client does, it takes a message before the courier does, retains it until
//! it is delivered or has expired, commits each fragment before it is acknowledged, and takes note
//! of a complete message and of all that is over by it in one step.

use std::collections::BTreeMap;

use rohrpost_packet::Suite;
use rohrpost_packet::envelope::{EnvelopeMark, Fragment, KeyId, Kind, MessageId};
use rohrpost_proto::courier::{Body, Complete, Courier, Event, Memory, Message, Part};
use rohrpost_proto::time::Time;

/// Outbox, unfinished messages and inbox of one client.
#[derive(Default)]
pub(crate) struct Shelf {
    outbox: BTreeMap<(KeyId, u64), Posted>,
    /// The number after that of the last message to a contact.
    next: BTreeMap<KeyId, u64>,
    parts: BTreeMap<(KeyId, u64, u32), Kept>,
    /// Per sender: the number below which all is over, and what was told of that the sender may not
    /// know to have come.
    told: BTreeMap<KeyId, (u64, Vec<Complete>)>,
    /// Marks of letters that were opened.
    opened: Vec<EnvelopeMark>,
    /// Complete messages and their senders, in the order in which they were complete.
    pub(crate) inbox: Vec<(KeyId, Vec<u8>)>,
    /// Messages that were given up.
    pub(crate) expired: Vec<MessageId>,
}

struct Posted {
    id: MessageId,
    expires: Time,
    body: Vec<u8>,
}

struct Kept {
    part: Part,
    body: Vec<u8>,
}

impl Shelf {
    /// Takes a message, and gives what the courier gets of it.
    pub(crate) fn post(&mut self, to: KeyId, id: MessageId, expires: Time, body: &[u8]) -> Message {
        let next = self.next.entry(to).or_default();
        let sequence = *next;
        *next += 1;
        let posted = Posted { id, expires, body: body.to_vec() };
        let message = posted.message(sequence);
        self.outbox.insert((to, sequence), posted);
        message
    }

    /// A piece of a message that is neither delivered nor given up.
    pub(crate) fn piece(&self, id: MessageId, offset: usize, len: usize) -> Option<Vec<u8>> {
        let posted = self.outbox.values().find(|posted| posted.id == id)?;
        posted.body.get(offset..offset + len).map(<[u8]>::to_vec)
    }

    /// Number of messages that are neither delivered nor given up.
    pub(crate) fn outbox_len(&self) -> usize {
        self.outbox.len()
    }

    /// Tells a new courier, which knows the contacts, all that is stored.
    pub(crate) fn resume<S: Suite>(&self, courier: &mut Courier<S>, contacts: &[KeyId]) {
        for sender in contacts {
            let of_sender = self.parts.range((*sender, 0, 0)..=(*sender, u64::MAX, u32::MAX));
            let parts = of_sender.map(|(_, kept)| kept.part).collect();
            let (below, told) = self.told.get(sender).cloned().unwrap_or_default();
            let memory = Memory { below, told, parts, ..Memory::default() };
            let next = self.next.get(sender).copied().unwrap_or(0);
            let mut open = self.outbox.range((*sender, 0)..=(*sender, u64::MAX));
            let open = open.next().map_or(next, |((_, sequence), _)| *sequence);
            courier.resume(*sender, open, next, &memory);
        }
        courier.resume_opened(&self.opened);
        for ((to, sequence), posted) in &self.outbox {
            courier.post(*to, posted.message(*sequence)).expect("it was accepted before");
        }
    }

    /// Takes note of an event; the courier may then commit its receipt, if there is one.
    pub(crate) fn handle_event(&mut self, event: &Event) {
        if let Some(receipt) = event.receipt() {
            self.opened.push(receipt.mark);
        }
        match event {
            Event::Arrived { fragment, receipt, .. } => self.keep(receipt.sender, fragment),
            Event::Complete { sender, messages, below, floor, .. } => {
                self.complete(*sender, messages, *below, *floor);
            }
            Event::Delivered { message } => {
                self.outbox.retain(|_, posted| posted.id != *message);
            }
            Event::Expired { message } => {
                self.outbox.retain(|_, posted| posted.id != *message);
                self.expired.push(*message);
            }
            _ => {}
        }
    }

    fn keep(&mut self, sender: KeyId, fragment: &Fragment) {
        let place = (sender, fragment.sequence, fragment.position.index);
        let kept = Kept { part: Part::of(fragment), body: fragment.body.to_vec() };
        self.parts.insert(place, kept);
    }

    fn complete(&mut self, sender: KeyId, messages: &[Complete], below: u64, floor: u64) {
        for complete in messages.iter().filter(|complete| complete.kind == Kind::Content) {
            let sequence = complete.sequence;
            let parts = self.parts.range((sender, sequence, 0)..=(sender, sequence, u32::MAX));
            let body: Vec<_> = parts.flat_map(|(_, kept)| kept.body.iter().copied()).collect();
            self.inbox.push((sender, body));
            self.parts.retain(|(of, number, _), _| (*of, *number) != (sender, sequence));
        }
        let (bound, told) = self.told.entry(sender).or_default();
        *bound = below;
        told.extend(messages.iter().filter(|complete| complete.kind == Kind::Content));
        told.retain(|complete| complete.sequence >= floor);
        self.parts.retain(|(of, sequence, _), _| *of != sender || *sequence >= below);
    }
}

impl Posted {
    fn message(&self, sequence: u64) -> Message {
        Message {
            id: self.id,
            kind: Kind::Content,
            sequence,
            minutes: 0,
            expires: self.expires,
            left: None,
            body: match self.body.len() {
                ..=SHORT => self.body.clone().into(),
                len => Body::Stored(len),
            },
        }
    }
}

/// Bytes of a body that the courier gets with its message, as in a real client.
const SHORT: usize = 1 << 10;
