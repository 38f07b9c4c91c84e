//! Contacts of a courier: who they are, what is posted for them, and what of theirs is stored.

use rohrpost_packet::Suite;
use rohrpost_packet::envelope::{EnvelopeMark, KeyId, MessageId, fragment_body_len};
use zeroize::Zeroizing;

use super::Courier;
use super::account::{Account, Contact};
use super::config::PostError;
use super::correspondent::Correspondent;
use super::event::Event;
use super::message::{Lane, Message, most_fragments};
use super::reassembly::{Committed, Complete, Memory, Reassembly};
use super::receipt::Receipt;
use crate::delay::exponential;
use crate::time::Steady;

impl<S: Suite> Courier<S> {
    /// Adds a contact: this courier can write to it, and accepts what it sends. A newer card
    /// replaces an older. One's own card may be among the contacts, for notes to oneself.
    pub fn add_contact(&mut self, contact: Contact) {
        let key = contact.identity.key_id();
        match self.correspondents.get_mut(&key) {
            Some(other) => drop(other.readdress(contact)),
            None => {
                let other = Correspondent::new(contact, most_fragments::<S>());
                self.correspondents.insert(key, other);
            }
        }
    }

    /// Takes a newer address of a contact. If that reaches it in another way, all that is under way
    /// leaves again, for it may be unreadable or lost; by the newer address of who keeps mailboxes
    /// and keys nothing does.
    pub fn readdress(&mut self, now: Steady, contact: Contact) {
        let timer = self.timer;
        if let Some(other) = self.correspondents.get_mut(&contact.identity.key_id())
            && other.readdress(contact)
        {
            other.mark_all_lost(now, timer);
        }
    }

    /// Restores what a former run has stored of a contact: the messages to it before number `open`
    /// are over, and those before `next` have been accepted; what has come from it is in `memory`.
    /// To be called before anything is posted or arrives.
    pub fn resume(&mut self, contact: KeyId, open: u64, next: u64, memory: &Memory) {
        let Some(other) = self.correspondents.get_mut(&contact) else {
            return;
        };
        let (reassembly, complete) = Reassembly::resume(most_fragments::<S>(), memory);
        other.resume(reassembly, open, next, memory);
        other.repeat_from(&mut self.rng);
        if memory.owes {
            let delay = exponential(self.roster.traffic.ack_delay, &mut self.rng).duration();
            other.acknowledge_later(self.grid.poll_timeout(), delay);
        }
        self.tell(contact, memory.below, complete);
    }

    /// Tells the application of messages whose turn has come, or of others that are over.
    pub(super) fn tell(&mut self, sender: KeyId, before: u64, messages: Vec<Complete>) {
        let Some(other) = self.correspondents.get(&sender) else {
            return;
        };
        let (below, floor) = (other.reassembly.below(), other.reassembly.floor());
        if below > before || !messages.is_empty() {
            let short = Lane::longest_short(most_fragments::<S>());
            self.events.push_mail(Event::Complete { sender, messages, below, floor, short });
        }
    }

    /// Tells a contact an address of this client, in the place of any older one: it leaves in the
    /// next payload slots, before what waits for the contact, until the contact has acknowledged
    /// it ([`Event::Told`]).
    pub fn announce(&mut self, to: KeyId, address: Message) {
        if let Some(other) = self.correspondents.get_mut(&to) {
            other.announce(address, fragment_body_len::<S>());
        }
    }

    /// Has whoever is being told an older address of this client told this one instead: what leaves
    /// anyway is to name keys that last. Nobody else hears of it by that.
    pub fn tell_newest(&mut self, version: u64, body: &[u8]) {
        let room = fragment_body_len::<S>();
        for other in self.correspondents.values_mut().filter(|other| other.is_being_told()) {
            other.announce(Message::address(version, body), room);
        }
    }

    /// Restores the marks of letters that former runs have opened. To be called before anything
    /// arrives.
    pub fn resume_opened(&mut self, marks: &[EnvelopeMark]) {
        for mark in marks {
            self.opened.remember(mark);
        }
        let Account { prekeys, last_resort, .. } = &self.account;
        self.opened.retain(prekeys.iter().chain(last_resort));
    }

    /// Removes a contact: nothing is sent to it any more, and nothing is taken from it.
    pub fn remove_contact(&mut self, key: KeyId) {
        self.discard_ready_if(|cargo| cargo.is_for(key));
        self.correspondents.remove(&key);
    }

    /// Takes a message for a contact. It leaves in payload slots, in the order of posting; several
    /// contacts are served in round robin.
    ///
    /// # Errors
    /// The contact is unknown, the message too long, or too much waits.
    pub fn post(&mut self, to: KeyId, message: Message) -> Result<(), PostError> {
        let Some(other) = self.correspondents.get_mut(&to) else {
            return Err(PostError::Contact);
        };
        let (len, limit) = (message.body.len(), message.body.limit());
        if len > limit {
            return Err(PostError::TooLong { len, limit });
        }
        if other.outgoing.len() >= POSTED {
            return Err(PostError::Full);
        }
        if message.sequence < other.next_sequence() {
            return Err(PostError::Order);
        }
        other.post(message, fragment_body_len::<S>());
        Ok(())
    }

    /// Takes a message back that was posted: nothing of it leaves any more, and later letters tell
    /// the contact not to wait for it. It may have arrived.
    pub fn cancel(&mut self, now: Steady, to: KeyId, message: MessageId) {
        self.discard_ready_if(|cargo| cargo.carries(message));
        if let Some(other) = self.correspondents.get_mut(&to) {
            other.cancel(now, message);
        }
    }

    /// Takes a piece of a stored body, as an [`Event::Wanted`] has asked for it. What was not asked for
    /// is not taken.
    pub fn supply(&mut self, message: MessageId, offset: usize, bytes: Zeroizing<Vec<u8>>) {
        self.pieces.supply(message, offset, bytes);
    }

    /// The number after that of the last message that was posted for a contact.
    #[must_use]
    pub fn next_sequence(&self, to: KeyId) -> u64 {
        self.correspondents.get(&to).map_or(0, Correspondent::next_sequence)
    }

    /// Commits a letter whose mark, and fragment if it is new, the application has stored: its
    /// sender may hear that it has come. A letter that is committed already changes nothing.
    pub fn commit(&mut self, now: Steady, receipt: &Receipt) {
        let Receipt { sender, kind, sequence, fragment, new, mark } = receipt;
        let Some(other) = self.correspondents.get_mut(sender) else {
            return;
        };
        let known = self.opened.knows(mark);
        let remembered = self.opened.remember(mark);
        let before = other.reassembly.below();
        // What brings nothing may be of another message than the fragment of this place.
        let Committed { new, complete } = match new {
            true => other.reassembly.commit(*kind, *sequence, *fragment),
            false => other.reassembly.commit_nothing(),
        };
        let delay = exponential(self.roster.traffic.ack_delay, &mut self.rng).duration();
        if new {
            other.acknowledge_later(now, delay);
        } else if remembered && !known {
            other.acknowledge_again(now, delay, self.timer);
        }
        self.tell(*sender, before, complete);
    }

    /// Number of messages that are neither acknowledged nor given up.
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.correspondents.values().map(|other| other.outgoing.len()).sum()
    }
}

/// Messages that a courier holds for one contact: twice the window, so that there is always one to
/// begin with when another is over. Their bodies have 2 MiB at most, where none is stored.
const POSTED: usize = 2 * 128;
