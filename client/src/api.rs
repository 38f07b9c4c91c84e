//! The local API: requests of a program or the command line to a running client, as JSON lines over
//! a Unix socket (`docs/local-api.md`).
//!
//! A request is `{"id": 1, "request": {"KIND": {…}}}` on a line of its own; the answer bears the
//! same id and either `response` or `error`. Between answers come notices, once they were asked
//! for. The types here are that format; the command line uses them without a socket as well.

use serde::{Deserialize, Serialize};

use crate::store::{DeliveryStatus, Unreadable};

/// Something that can be asked of a client.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// Asks how the network and the link are.
    Health {},
    /// Asks for the messages that wait, and the status of those that were sent.
    Status {},
    /// Sends a message; with the answer, the message is on the disk.
    Send(SendRequest),
    /// Asks how a message that was sent stands.
    Message {
        /// The message's id, or its first digits, at least eight.
        message: String,
    },
    /// Takes a message back, as far as it has not arrived.
    Cancel {
        /// The message's id, or its first digits, at least eight.
        message: String,
    },
    /// Lists messages that have come.
    Inbox {
        /// Number of the first message to list.
        #[serde(default)]
        from: u64,
        /// True to list only messages that were not acknowledged.
        #[serde(default)]
        unread: bool,
    },
    /// Reads a message.
    Read {
        /// The message's number.
        number: u64,
    },
    /// Reads a message that was sent.
    Sent {
        /// Id of the message, 32 hex digits.
        message: String,
    },
    /// Says that the reader has messages.
    Acknowledge {
        /// The messages' numbers.
        numbers: Vec<u64>,
    },
    /// Lists contacts.
    Contacts {},
    /// Asks for the own contact card.
    Card {},
    /// Asks for the words of a fingerprint, to compare by voice.
    Fingerprint {
        /// The contact; the client itself if none is named.
        #[serde(default)]
        contact: Option<String>,
    },
    /// Adds a contact.
    Add {
        /// The name by which the user calls the contact.
        name: String,
        /// The contact's card, as text.
        card: String,
    },
    /// Compares the words that a contact has read by voice.
    Verify {
        /// Name of the contact that is meant.
        name: String,
        /// The words that the contact said.
        words: String,
    },
    /// Blocks a contact: nothing goes to it any more, and nothing is taken from it.
    Block {
        /// Name of the contact that is meant.
        name: String,
    },
    /// Calls a contact by another name.
    Rename {
        /// Name of the contact that is meant.
        name: String,
        /// The name from now on.
        to: String,
    },
    /// Removes a contact.
    Remove {
        /// Name of the contact that is meant.
        name: String,
    },
    /// Sets or asks for the time for which messages stay.
    Retention {
        /// Seconds, from now on; as before if not given.
        #[serde(default)]
        seconds: Option<u64>,
    },
    /// Copies the store to a new file.
    Backup {
        /// An absolute path on the client's machine.
        path: String,
    },
    /// Asks for notices from now on.
    Subscribe {},
}

/// A message to be sent: a text or a file.
#[derive(Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// Name of the contact that gets the message.
    pub to: String,
    /// The text, if the message is one.
    #[serde(default)]
    pub text: Option<String>,
    /// The file, if the message is one.
    #[serde(default)]
    pub file: Option<FileBody>,
    /// Seconds after which the message is given up; a week if not given.
    #[serde(default)]
    pub expires_after: Option<u64>,
}

/// A file in a request or response.
#[derive(Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct FileBody {
    /// The file's name, without directories.
    pub name: String,
    /// All bytes of the file, in base64.
    pub base64: String,
}

/// Answer to a request.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Response {
    /// Response to `health`.
    Health(Health),
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
    /// Response to `sent`.
    Sent(SentBody),
    /// Response to `contacts`.
    Contacts(Vec<ContactEntry>),
    /// Response to `card`: the text to hand to others.
    Card(String),
    /// Response to `fingerprint`: eight words.
    Fingerprint(String),
    /// Response to `retention`: seconds; none if messages stay for ever.
    Retention(Option<u64>),
    /// Response to a request that asks for nothing more.
    Done {},
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
    /// The messages in the outbox, oldest first.
    pub messages: Vec<OutgoingMessage>,
}

/// A message that was accepted.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct OutgoingMessage {
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
    /// The reason why the message cannot be shown, if it cannot: then it is neither text nor file.
    pub unreadable: Option<Unreadable>,
}

/// A message with its content.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct MessageBody {
    /// The message without its content.
    pub message: IncomingMessage,
    /// The text, if the message is one.
    pub text: Option<String>,
    /// The file, if the message is one.
    pub file: Option<FileBody>,
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
}

/// Something that happens, for those who have subscribed.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Notice {
    /// A message has come, and is complete.
    Arrived(IncomingMessage),
    /// A message that was sent has another status, or more of it has left.
    Outgoing(OutgoingMessage),
    /// The link came up, or went down; then why.
    Link {
        /// True if the link is up.
        online: bool,
        /// The reason why the link is not up.
        trouble: Option<String>,
    },
    /// The store cannot be written, and why: the client is off the network until it can. Or it can
    /// again.
    Store {
        /// The reason why the store cannot be written; none if it can again.
        trouble: Option<String>,
    },
    /// Notices were lost, this many, because they were not read in time; ask anew for what counts.
    Missed(u64),
}

/// Reason why a request was not done.
#[derive(Serialize, Deserialize, Clone, Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Failure {
    /// The kind of failure, for programs.
    pub code: FailureCode,
    /// Text for people: what is wrong and what to do.
    pub message: String,
}

/// Kinds of failures, for programs.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureCode {
    /// The line is not a request of this version.
    Request,
    /// There is no such contact or message.
    Unknown,
    /// A name, a card or a message that was given cannot be taken.
    Refused,
    /// The client's store is damaged.
    Store,
    /// The system refuses to read or write the client's store: the disk is full, for one.
    System,
    /// A file that the request names cannot be written; it may be there already.
    File,
    /// The daemon converses with as many programs as it can.
    Busy,
    /// The client is ending.
    Ending,
}

impl Failure {
    /// Makes a failure of this kind, with the words of an error.
    #[must_use]
    pub fn new(code: FailureCode, why: &dyn std::fmt::Display) -> Self {
        Self { code, message: why.to_string() }
    }
}

/// A line from a program.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLine {
    /// Id that comes back with the answer.
    pub id: u64,
    /// The request that the line makes.
    pub request: Request,
}

/// A line to a program.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Line {
    /// The first line, which names the version of this format.
    Hello {
        /// The daemon's [`VERSION`].
        version: u32,
    },
    /// The answer to a request.
    Response {
        /// Id of the request.
        id: u64,
        /// The answer itself.
        response: Response,
    },
    /// A request that was not done.
    Error {
        /// Id of the request; zero if the line could not be read.
        id: u64,
        /// The reason why the request was not done.
        error: Failure,
    },
    /// Something that has happened.
    Notice(Notice),
}

/// Version of the local API. A newer one may add kinds and fields; programs pass over what they do
/// not know.
pub const VERSION: u32 = 1;
/// Bytes of the longest line of a request: the largest message, in base64.
pub const LINE_LIMIT: usize = 24 << 20;
