//! Commands to a session, and the states of a client on which they act.

use rohrpost_packet::Suite;
use rohrpost_packet::envelope::{EnvelopeMark, KeyId};
use rohrpost_proto::courier::{Account, Contact, Courier, Event, Message, Part, Receipt};
use rohrpost_proto::time::Steady;
use tokio::sync::oneshot;

use super::error::PostError;

/// A contact, and what a former session has left of its messages.
pub struct Correspondent {
    /// Keys and mailboxes by which the contact is reached.
    pub contact: Contact,
    /// Number before which all messages of the contact are over.
    pub below: u64,
    /// Fragments of later messages that are in the store.
    pub parts: Vec<Part>,
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

    /// True if nothing of the contact's messages is in the store.
    pub(super) fn is_new(&self) -> bool {
        self.below == 0 && self.parts.is_empty()
    }
}

impl From<Contact> for Correspondent {
    /// A contact of whose messages nothing is in the store.
    fn from(contact: Contact) -> Self {
        Self { contact, below: 0, parts: Vec::new() }
    }
}

pub(super) enum Command {
    Post(KeyId, Box<Message>, oneshot::Sender<Result<(), PostError>>),
    Commit(Receipt),
    Contact(Box<Correspondent>),
    Remove(KeyId),
    Renew(Box<Account>),
}

impl Command {
    /// Executes the command on `client`, and answers.
    pub(super) fn execute(self, client: &mut impl Client, now: Steady) {
        match self {
            Self::Post(to, message, answer) => {
                let _ = answer.send(client.post(to, *message));
            }
            Self::Commit(receipt) => client.commit(now, &receipt),
            Self::Contact(contact) => client.add_contact(now, *contact),
            Self::Remove(key) => client.remove_contact(key),
            Self::Renew(account) => client.renew(*account),
        }
    }
}

/// The state of a client that commands act on: a courier, and before the first link what the
/// courier will be made from.
pub(super) trait Client {
    fn post(&mut self, to: KeyId, message: Message) -> Result<(), PostError>;
    fn commit(&mut self, now: Steady, receipt: &Receipt);
    fn add_contact(&mut self, now: Steady, contact: Correspondent);
    fn remove_contact(&mut self, key: KeyId);
    fn renew(&mut self, account: Account);
    fn poll_event(&mut self) -> Option<Event>;
}

impl<S: Suite> Client for Courier<S> {
    fn post(&mut self, to: KeyId, message: Message) -> Result<(), PostError> {
        Ok(Self::post(self, to, message)?)
    }

    fn commit(&mut self, now: Steady, receipt: &Receipt) {
        Self::commit(self, now, receipt);
    }

    fn add_contact(&mut self, now: Steady, contact: Correspondent) {
        let key = contact.key();
        introduce(self, contact);
        self.mark_lost(now, key);
    }

    fn remove_contact(&mut self, key: KeyId) {
        Self::remove_contact(self, key);
    }

    fn renew(&mut self, account: Account) {
        self.renew_account(account);
    }

    fn poll_event(&mut self) -> Option<Event> {
        Self::poll_event(self)
    }
}

/// Adds a contact to a courier, with what is in the store of its messages.
pub(super) fn introduce<S: Suite>(courier: &mut Courier<S>, contact: Correspondent) {
    let (key, new) = (contact.key(), contact.is_new());
    let Correspondent { contact, below, parts } = contact;
    courier.add_contact(contact);
    if !new {
        courier.resume(key, below, &parts);
    }
}
