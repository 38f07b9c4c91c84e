//! Answers of the local API.

use serde::{Deserialize, Serialize};

use super::request::FileBody;
use crate::store::{DeliveryStatus, Unreadable};

/// Answer to a request.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Response {
    /// Response to `health`.
    Health(Health),
    /// Response to `entry`.
    Entry(EntryPlaces),
    /// Response to `status`.
    Status(Status),
    /// Response to `send`: the message that was accepted.
    Accepted(OutgoingMessage),
    /// Response to `message` and `cancel`: how the message stands.
    Outgoing(OutgoingMessage),
    /// Response to `inbox`.
    Inbox(Vec<IncomingMessage>),
    /// Response to `read`.
    Message(MessageBody),
    /// Response to `undelivered`: a page of the messages, oldest first.
    Undelivered(Vec<OutgoingMessage>),
    /// Response to `sent`.
    Sent(SentBody),
    /// Response to `contacts`.
    Contacts(Vec<ContactEntry>),
    /// Response to `requests`, the oldest first.
    Requests(Vec<RequestEntry>),
    /// Response to `card`: the text to hand to others.
    Card(String),
    /// Response to `fingerprint`: eight words.
    Fingerprint(String),
    /// Response to `retention`.
    Retention(Retention),
    /// Response to `acknowledge`: numbers of which there is no message, or none any more.
    Acknowledged {
        /// Numbers of which there is no message.
        gone: Vec<u64>,
    },
    /// Response to a request that asks for nothing more.
    Done {},
}

/// Time for which messages stay once they were read, or are over.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct Retention {
    /// The time in seconds; none if messages stay for ever.
    pub seconds: Option<u64>,
    /// Time at which the next message is forgotten, in Unix seconds; none if none is to be.
    pub next: Option<u64>,
    /// Messages that are forgotten within a day from now.
    pub within_a_day: u64,
    /// Messages that were forgotten so far.
    pub forgotten: u64,
    /// Time at which the last of them was, in Unix seconds; none if none was.
    pub last: Option<u64>,
}

/// The client's view of the network.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct Health {
    /// True if the link to the entry relay is up.
    pub online: bool,
    /// Name of the entry relay.
    pub entry: String,
    /// Nodes that the newest network document names.
    pub nodes_up: usize,
    /// Nodes in the roster.
    pub nodes: usize,
    /// Version of the roster that the client goes by.
    pub roster: u32,
    /// Age of the newest network document, in seconds.
    pub document_age: Option<u64>,
    /// Milliseconds by which the machine's clock is ahead of the network's.
    pub clock_ahead: Option<i64>,
    /// Bytes of the cells that the client sends and receives in a day online, whether anything is
    /// written or not.
    pub daily_bytes: u64,
    /// Own loops that left and are due back, since the start.
    pub loops_sent: u64,
    /// Own loops that were given up.
    pub loops_lost: u64,
    /// The client's own mailboxes.
    pub mailboxes: Vec<MailboxHealth>,
    /// Problems in words, each with what to do; empty if all is well.
    pub problems: Vec<String>,
}

/// Relays through which the client enters.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct EntryPlaces {
    /// Name of the client's entry.
    pub entry: String,
    /// Name of the relay that it enters through now: another one while it tries whether others serve.
    pub present: String,
    /// Names of the relays that it tries when the entry is gone, in this order.
    pub spares: Vec<String>,
}

/// A mailbox of the client.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct MailboxHealth {
    /// Name of the relay that holds the mailbox.
    pub relay: String,
    /// Seconds since the mailbox answered last.
    pub answered: Option<u64>,
}

/// Messages by their status.
#[derive(Serialize, Deserialize, Clone, Default)]
#[non_exhaustive]
pub struct Status {
    /// Messages that were accepted, and not all of which has left.
    pub queued: u64,
    /// Messages that have left, and which the other client has not acknowledged.
    pub sent: u64,
    /// Messages that the other client has.
    pub delivered: u64,
    /// Messages that were given up because their time was over.
    pub expired: u64,
    /// Messages that were given up: the contact was blocked or removed, or its keys are unusable.
    pub undeliverable: u64,
    /// Messages that were taken back.
    pub cancelled: u64,
    /// Messages that have come and were not acknowledged by their reader.
    pub unread: u64,
    /// Messages of the user that were given up and of which `undelivered` has not told yet.
    pub undelivered: u64,
    /// Contacts that do not know yet that letters of theirs have come: they are told while the client
    /// is online.
    pub owed: u64,
    /// People whom the client does not know, and who have written.
    pub requests: u64,
    /// Sentences on contacts of which nothing is heard though letters have left, each with what to
    /// do; of more than 20 contacts on the first.
    pub silent: Vec<String>,
    /// A page of the messages in the outbox, oldest first.
    pub messages: Vec<OutgoingMessage>,
}

/// A message that was accepted.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct OutgoingMessage {
    /// Number of the message among all that were accepted, for `status`.
    pub number: u64,
    /// Id that names the message, 32 hex digits.
    pub message: String,
    /// The contact's name; empty if the contact was removed.
    pub to: String,
    /// Id of the contact's identity, 64 hex digits, which it keeps whatever it is called.
    pub contact: String,
    /// Name of the file, if the message is one.
    pub file: Option<String>,
    /// Bytes of text or file.
    pub bytes: u64,
    /// Time of acceptance, in Unix seconds.
    pub accepted: u64,
    /// Time at which the message is given up, in Unix seconds.
    pub expires: u64,
    /// Status of the message.
    pub status: DeliveryStatus,
    /// Time since which the message has this status, in Unix seconds.
    pub since: u64,
    /// Fragments of the message that have left at least once since the client started.
    pub left: u32,
    /// Fragments that the message takes.
    pub fragments: u32,
    /// Seconds that the grid needs for the fragments that have not left, if nothing else waits and
    /// nothing is lost.
    pub estimate: u64,
    /// True if the message was accepted over the socket for programs.
    pub program: bool,
}

/// A message that has come.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct IncomingMessage {
    /// Number of the message for `read` and `acknowledge`.
    pub number: u64,
    /// Id that the sender gave to the message, 32 hex digits.
    pub message: String,
    /// The contact's name; that which it had when the message came, if it was removed.
    pub from: String,
    /// Id of the sender's identity, 64 hex digits, which it keeps whatever it is called.
    pub contact: String,
    /// Time of writing by the sender's word, in Unix seconds; to the minute.
    pub written: u64,
    /// Time at which the message was complete, in Unix seconds.
    pub arrived: u64,
    /// Name of the file, if the message is one.
    pub file: Option<String>,
    /// Bytes of text or file.
    pub bytes: u64,
    /// True if the reader has acknowledged the message.
    pub read: bool,
    /// True if the sender's words had been compared when the message came.
    pub verified: bool,
    /// The reason why the message cannot be shown, if it cannot: then it is neither text nor file.
    pub unreadable: Option<Unreadable>,
    /// The text, if the message is one and texts were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A message with its content.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct MessageBody {
    /// The message without its content.
    pub message: IncomingMessage,
    /// The text, if the message is one.
    pub text: Option<String>,
    /// The file, if the message is one and was not saved.
    pub file: Option<FileBody>,
    /// Path under which the file was saved, if that was asked for.
    pub saved: Option<String>,
}

/// A message that was sent, with its text.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct SentBody {
    /// The message without its content.
    pub message: OutgoingMessage,
    /// The text, if the message is one; bytes of a file that was sent are not kept.
    pub text: Option<String>,
}

/// A contact of the client.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct ContactEntry {
    /// Id of the contact's identity, 64 hex digits, which it keeps whatever it is called.
    pub contact: String,
    /// The name by which the user calls the contact.
    pub name: String,
    /// The words of the contact's fingerprint.
    pub fingerprint: String,
    /// True if the words were compared.
    pub verified: bool,
    /// True if the contact is blocked.
    pub blocked: bool,
    /// True if the contact has told its newest address, so that it has this client's card.
    pub answers: bool,
    /// Time of the last sign of life, in Unix seconds, to the hour; none if there was none yet.
    pub heard: Option<u64>,
    /// A sentence, with what to do, if nothing is heard of the contact though a letter left for it
    /// five days ago.
    pub silence: Option<String>,
}

/// Somebody whom the client does not know, and who has written.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct RequestEntry {
    /// Id of the identity, 64 hex digits.
    pub contact: String,
    /// The words of the identity's fingerprint.
    pub fingerprint: String,
    /// Time of the first letter, in Unix seconds.
    pub first: u64,
    /// Time of the newest, in Unix seconds.
    pub last: u64,
    /// Messages that were written; of more than 64 that.
    pub messages: usize,
    /// True if all has come that is needed to accept.
    pub ready: bool,
}
