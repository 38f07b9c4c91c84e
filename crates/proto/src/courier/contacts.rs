//! Contacts of a courier: who they are, what is posted for them, and what of theirs is stored.

use rohrpost_packet::Suite;
use rohrpost_packet::envelope::{EnvelopeMark, KeyId, fragment_body_len};

use super::Courier;
use super::account::Contact;
use super::config::PostError;
use super::correspondent::Correspondent;
use super::event::Event;
use super::outgoing::{MESSAGE_BYTES, Message, most_fragments};
use super::reassembly::{Committed, Part, Reassembly};
use super::receipt::Receipt;
use crate::delay::exponential;
use crate::time::Steady;

impl<S: Suite> Courier<S> {
    /// Adds a contact: this courier can write to it, and accepts what it sends. A newer card
    /// replaces an older. One's own card may be among the contacts, for notes to oneself.
    pub fn add_contact(&mut self, contact: Contact) {
        let key = contact.identity.key_id();
        match self.correspondents.get_mut(&key) {
            Some(other) => other.readdress(contact),
            None => {
                let other = Correspondent::new(contact, most_fragments::<S>());
                self.correspondents.insert(key, other);
            }
        }
    }

    /// Restores what a former run has stored of a contact's messages: all before `below` are over;
    /// of later ones these parts are there. To be called before anything arrives.
    pub fn resume(&mut self, sender: KeyId, below: u64, parts: &[Part]) {
        let Some(other) = self.correspondents.get_mut(&sender) else {
            return;
        };
        let (reassembly, messages) = Reassembly::resume(most_fragments::<S>(), below, parts);
        let before = below;
        let below = reassembly.below();
        other.reassembly = reassembly;
        if below > before || !messages.is_empty() {
            self.events.push_mail(Event::Complete { sender, messages, below });
        }
    }

    /// Restores the marks of letters that former runs have opened. To be called before anything
    /// arrives.
    pub fn resume_opened(&mut self, marks: &[EnvelopeMark]) {
        for mark in marks {
            self.opened.remember(mark);
        }
        self.opened.retain(&self.account.prekeys);
    }

    /// Removes a contact: nothing is sent to it any more, and nothing is taken from it.
    pub fn remove_contact(&mut self, key: KeyId) {
        self.discard_ready_if(|cargo| cargo.is_for(key));
        self.correspondents.remove(&key);
    }

    /// Sends again what has been under way to a contact for longer than a mailbox takes to hand it
    /// out: the contact was reached at an address that has changed since.
    pub fn mark_lost(&mut self, now: Steady, to: KeyId) {
        let reorder = self.timer.reorder();
        if let Some(other) = self.correspondents.get_mut(&to) {
            other.mark_older_lost(now, reorder);
        }
    }

    /// Takes a message for a contact. It leaves in payload slots, in the order of posting; several
    /// contacts are served in round robin.
    ///
    /// # Errors
    /// The contact is unknown, the message too long, or too much waits.
    pub fn post(&mut self, to: KeyId, message: Message) -> Result<(), PostError> {
        let len = message.body.len();
        let held = || self.correspondents.values().flat_map(|other| &other.outgoing);
        let bytes: usize = held().map(|outgoing| outgoing.message().body.len()).sum();
        let full = held().count() >= POSTED || bytes + len > POSTED_BYTES;
        let Some(other) = self.correspondents.get_mut(&to) else {
            return Err(PostError::Contact);
        };
        if len > MESSAGE_BYTES {
            return Err(PostError::TooLong { len, limit: MESSAGE_BYTES });
        }
        if full {
            return Err(PostError::Full);
        }
        if message.sequence < other.next_sequence() {
            return Err(PostError::Order);
        }
        other.post(message, fragment_body_len::<S>(), self.timer);
        Ok(())
    }

    /// The number after that of the last message that was posted for a contact.
    #[must_use]
    pub fn next_sequence(&self, to: KeyId) -> u64 {
        self.correspondents.get(&to).map_or(0, Correspondent::next_sequence)
    }

    /// Commits a letter whose mark, and fragment if it is new, the application has stored: its
    /// sender may hear that it has come. A letter that is committed already changes nothing.
    pub fn commit(&mut self, now: Steady, receipt: &Receipt) {
        let Receipt { sender, sequence, fragment, mark } = receipt;
        let Some(other) = self.correspondents.get_mut(sender) else {
            return;
        };
        let known = self.opened.knows(mark);
        let remembered = self.opened.remember(mark);
        let before = other.reassembly.below();
        let Committed { new, complete: messages } = other.reassembly.commit(*sequence, *fragment);
        let below = other.reassembly.below();
        if below > before || !messages.is_empty() {
            self.events.push_mail(Event::Complete { sender: *sender, messages, below });
        }
        let delay = exponential(self.roster.traffic.ack_delay, &mut self.rng).duration();
        if new {
            other.acknowledge_later(now, delay);
        } else if remembered && !known {
            other.acknowledge_again(now, delay, self.timer);
        }
    }

    /// Number of messages that are neither acknowledged nor given up.
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.correspondents.values().map(|other| other.outgoing.len()).sum()
    }
}

/// Messages that a courier holds for all contacts together.
const POSTED: usize = 4096;
/// Bytes of text in the messages of all contacts together: two of the largest messages.
const POSTED_BYTES: usize = 2 * MESSAGE_BYTES;
