//! What a session is told.

use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::{Account, Contact, Message, Part, PostError};
use tokio::sync::oneshot;

/// A contact, and what a former session has kept of its messages.
pub struct Correspondent {
    /// How it is reached.
    pub contact: Contact,
    /// All of its messages before this number are over.
    pub below: u64,
    /// What is kept of those after it.
    pub parts: Vec<Part>,
}

impl From<Contact> for Correspondent {
    /// One of whom nothing is kept.
    fn from(contact: Contact) -> Self {
        Self { contact, below: 0, parts: Vec::new() }
    }
}

pub(super) enum Command {
    Post(KeyId, Box<Message>, oneshot::Sender<Result<(), PostError>>),
    Keep { sender: KeyId, sequence: u64, fragment: u32 },
    Contact(Box<Correspondent>),
    Remove(KeyId),
    Renew(Box<Account>),
}
