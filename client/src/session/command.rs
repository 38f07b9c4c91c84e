//! Commands to a session, and the states of a client on which they act.

use rohrpost_packet::Suite;
use rohrpost_packet::envelope::{EnvelopeMark, KeyId, MessageId};
use rohrpost_proto::courier::{Account, Contact, Courier, Event, Memory, Message, Receipt};
use rohrpost_proto::time::Steady;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::error::PostError;
use crate::address::Address;

/// A contact, and what a former session has left of its messages.
pub struct Correspondent {
    /// Keys and mailboxes by which the contact is reached.
    pub contact: Contact,
    /// Number of the first message to the contact that is not over.
    pub open: u64,
    /// Number of the next message to the contact.
    pub next: u64,
    /// Memory of what has come from the contact.
    pub memory: Memory,
    /// The own newest address, if the contact is to be told of it.
    pub announcement: Option<Message>,
}

/// Memory of former sessions, by which a session goes on where they ended.
#[derive(Default)]
pub struct Resumption {
    /// The contacts.
    pub contacts: Vec<Correspondent>,
    /// Marks of letters that were opened.
    pub opened: Vec<EnvelopeMark>,
}

impl From<Vec<Correspondent>> for Resumption {
    /// A client that has opened nothing yet.
    fn from(contacts: Vec<Correspondent>) -> Self {
        Self { contacts, opened: Vec::new() }
    }
}

impl Correspondent {
    pub(super) fn key(&self) -> KeyId {
        self.contact.identity.key_id()
    }
}

impl From<Contact> for Correspondent {
    /// A contact with whom nothing was exchanged yet.
    fn from(contact: Contact) -> Self {
        Self { contact, open: 0, next: 0, memory: Memory::default(), announcement: None }
    }
}

pub(super) enum Command {
    Post(KeyId, Box<Message>, oneshot::Sender<Result<(), PostError>>),
    Supply(MessageId, usize, Zeroizing<Vec<u8>>),
    Cancel(KeyId, MessageId),
    Commit(Receipt),
    Contact(Box<Correspondent>),
    Readdress(Box<Contact>),
    Announce(KeyId, Box<Message>),
    Remove(KeyId),
    Renew(Box<Account>, Box<Address>),
}

impl Command {
    /// Executes the command on `client`, and answers.
    pub(super) fn execute(self, client: &mut impl Client, now: Steady) {
        match self {
            Self::Post(to, message, answer) => {
                let _ = answer.send(client.post(to, *message));
            }
            Self::Supply(message, offset, piece) => client.supply(message, offset, piece),
            Self::Cancel(to, message) => client.cancel(now, to, message),
            Self::Commit(receipt) => client.commit(now, &receipt),
            Self::Contact(contact) => client.add_contact(*contact),
            Self::Readdress(contact) => client.readdress(now, *contact),
            Self::Announce(to, address) => client.announce(to, *address),
            Self::Remove(key) => client.remove_contact(key),
            Self::Renew(account, address) => client.renew(*account, &address),
        }
    }
}

/// The state of a client that commands act on: a courier, and before the first link what the
/// courier will be made from.
pub(super) trait Client {
    fn post(&mut self, to: KeyId, message: Message) -> Result<(), PostError>;
    fn supply(&mut self, message: MessageId, offset: usize, piece: Zeroizing<Vec<u8>>);
    fn cancel(&mut self, now: Steady, to: KeyId, message: MessageId);
    fn commit(&mut self, now: Steady, receipt: &Receipt);
    fn add_contact(&mut self, contact: Correspondent);
    fn readdress(&mut self, now: Steady, contact: Contact);
    fn announce(&mut self, to: KeyId, address: Message);
    fn remove_contact(&mut self, key: KeyId);
    fn renew(&mut self, account: Account, address: &Address);
    fn poll_event(&mut self) -> Option<Event>;
}

impl<S: Suite> Client for Courier<S> {
    fn post(&mut self, to: KeyId, message: Message) -> Result<(), PostError> {
        Ok(Self::post(self, to, message)?)
    }

    fn supply(&mut self, message: MessageId, offset: usize, piece: Zeroizing<Vec<u8>>) {
        Self::supply(self, message, offset, piece);
    }

    fn cancel(&mut self, now: Steady, to: KeyId, message: MessageId) {
        Self::cancel(self, now, to, message);
    }

    fn commit(&mut self, now: Steady, receipt: &Receipt) {
        Self::commit(self, now, receipt);
    }

    fn add_contact(&mut self, contact: Correspondent) {
        introduce(self, contact);
    }

    fn readdress(&mut self, now: Steady, contact: Contact) {
        Self::readdress(self, now, contact);
    }

    fn announce(&mut self, to: KeyId, address: Message) {
        Self::announce(self, to, address);
    }

    fn remove_contact(&mut self, key: KeyId) {
        Self::remove_contact(self, key);
    }

    fn renew(&mut self, account: Account, address: &Address) {
        self.renew_account(account);
        self.tell_newest(address.version, &address.encode());
    }

    fn poll_event(&mut self) -> Option<Event> {
        Self::poll_event(self)
    }
}

/// Adds a contact to a courier, with what is in the store of its messages.
pub(super) fn introduce<S: Suite>(courier: &mut Courier<S>, contact: Correspondent) {
    let key = contact.key();
    let Correspondent { contact, open, next, memory, announcement } = contact;
    courier.add_contact(contact);
    courier.resume(key, open, next, &memory);
    if let Some(address) = announcement {
        courier.announce(key, address);
    }
}
