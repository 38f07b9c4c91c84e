//! The local API: what a program or the command line asks of a running client, as JSON lines over a
//! Unix socket (`docs/local-api.md`).
//!
//! A request is `{"id": 1, "request": {"KIND": {…}}}` on a line of its own; the answer bears the same
//! id and either `response` or `error`. Between answers come notices, once they were asked for. The
//! types here are that format; the command line uses them without a socket, too.

use serde::{Deserialize, Serialize};

use crate::store::Fate;

/// What can be asked.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// How the network and the link are.
    Health {},
    /// What waits, and what has become of what was sent.
    Status {},
    /// Takes a message; with the answer, it is on the disk.
    Send(SendRequest),
    /// Lists messages that have come.
    Inbox {
        /// From this number on.
        #[serde(default)]
        from: u64,
        /// Only those that were not acknowledged.
        #[serde(default)]
        unread: bool,
    },
    /// What a message says.
    Read {
        /// Its number.
        number: u64,
    },
    /// The reader has these messages.
    Acknowledge {
        /// Their numbers.
        numbers: Vec<u64>,
    },
    /// Lists contacts.
    Contacts {},
    /// The own card, or words.
    Card {},
    /// Words to compare by voice.
    Fingerprint {
        /// Of this contact; of the client itself if none is named.
        #[serde(default)]
        contact: Option<String>,
    },
    /// Adds a contact.
    Add {
        /// What the user calls it.
        name: String,
        /// Its card, as text.
        card: String,
    },
    /// A contact has read its words by voice; they are compared.
    Verify {
        /// The contact.
        name: String,
        /// What it said.
        words: String,
    },
    /// Nothing goes to a contact any more, and nothing is taken from it.
    Block {
        /// The contact.
        name: String,
    },
    /// Forgets a contact.
    Remove {
        /// The contact.
        name: String,
    },
    /// How long messages are kept.
    Keep {
        /// In seconds, from now on; as before if not given.
        #[serde(default)]
        seconds: Option<u64>,
    },
    /// Copies the store to a new file.
    Backup {
        /// An absolute path on the client's machine.
        path: String,
    },
    /// Tells what happens from now on.
    Subscribe {},
}

/// A message to be sent: a text or a file.
#[derive(Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// The contact's name.
    pub to: String,
    /// A text.
    #[serde(default)]
    pub text: Option<String>,
    /// A file.
    #[serde(default)]
    pub file: Option<FileBody>,
    /// It is given up after so many seconds; a week if not given.
    #[serde(default)]
    pub expires_after: Option<u64>,
}

/// A file in a request or response.
#[derive(Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct FileBody {
    /// Without directories.
    pub name: String,
    /// All of it, in base64.
    pub base64: String,
}

/// What is answered.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Response {
    /// To `health`.
    Health(Health),
    /// To `status`.
    Status(Status),
    /// To `send`.
    Accepted(OutgoingMessage),
    /// To `inbox`.
    Inbox(Vec<IncomingMessage>),
    /// To `read`.
    Message(MessageBody),
    /// To `contacts`.
    Contacts(Vec<ContactEntry>),
    /// To `card`: the text to hand to others.
    Card(String),
    /// To `fingerprint`: eight words.
    Fingerprint(String),
    /// To `keep`: seconds.
    Keep(u64),
    /// To what has nothing more to say.
    Done {},
}

/// The client's view of the network.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct Health {
    /// Whether the link to the entry relay is up.
    pub online: bool,
    /// Name of the entry relay.
    pub entry: String,
    /// Nodes that the newest document names.
    pub nodes_up: usize,
    /// Nodes in the roster.
    pub nodes: usize,
    /// Age of the newest document, in seconds.
    pub document_age: Option<u64>,
    /// How far the machine's clock is ahead of the network's, in milliseconds.
    pub clock_ahead: Option<i64>,
    /// Own loops that left and are due back, since the start.
    pub loops_sent: u64,
    /// Own loops that were given up.
    pub loops_lost: u64,
    /// Own mailboxes.
    pub mailboxes: Vec<MailboxHealth>,
    /// What is wrong, and what to do, in words; empty if all is well.
    pub problems: Vec<String>,
}

/// An own mailbox.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct MailboxHealth {
    /// Name of the relay that holds it.
    pub relay: String,
    /// When it answered last, seconds ago.
    pub answered: Option<u64>,
}

/// Messages by what has become of them.
#[derive(Serialize, Deserialize, Clone, Default)]
#[non_exhaustive]
pub struct Status {
    /// Accepted, and not all of it has left.
    pub queued: u64,
    /// All of it has left, and the other client has not said that it came.
    pub sent: u64,
    /// The other client has it.
    pub delivered: u64,
    /// Given up.
    pub expired: u64,
    /// Given up: the contact was blocked or removed, or its keys are unusable.
    pub undeliverable: u64,
    /// Have come and were not acknowledged by their reader.
    pub unread: u64,
    /// The messages in the outbox, oldest first.
    pub messages: Vec<OutgoingMessage>,
}

/// A message that was accepted.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct OutgoingMessage {
    /// Names it, 32 hex digits.
    pub message: String,
    /// The contact's name; empty if it was removed.
    pub to: String,
    /// A file's name.
    pub file: Option<String>,
    /// Of text or file.
    pub bytes: u64,
    /// Unix seconds.
    pub accepted: u64,
    /// Unix seconds.
    pub expires: u64,
    /// What has become of it.
    pub fate: Fate,
    /// Unix seconds; since when that is so.
    pub since: u64,
    /// Letters of it that have left at least once since the client started.
    pub left: u32,
    /// Letters that it needs.
    pub letters: u32,
    /// Seconds that the grid needs for the letters of it that have not left, if nothing else waits
    /// and nothing is lost.
    pub estimate: u64,
}

/// A message that has come.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct IncomingMessage {
    /// What `read` and `acknowledge` call it.
    pub number: u64,
    /// Named so by its sender, 32 hex digits.
    pub message: String,
    /// The contact's name when it came.
    pub from: String,
    /// Unix seconds, by its sender's word; to the minute.
    pub written: u64,
    /// Unix seconds.
    pub arrived: u64,
    /// A file's name.
    pub file: Option<String>,
    /// Of text or file.
    pub bytes: u64,
    /// Whether it was acknowledged by its reader.
    pub read: bool,
}

/// A message and what it says.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct MessageBody {
    /// The message.
    pub message: IncomingMessage,
    /// Its text, if it is one.
    pub text: Option<String>,
    /// Its file, if it is one.
    pub file: Option<FileBody>,
}

/// A contact.
#[derive(Serialize, Deserialize, Clone)]
#[non_exhaustive]
pub struct ContactEntry {
    /// What the user calls it.
    pub name: String,
    /// Its words.
    pub fingerprint: String,
    /// Whether they were compared.
    pub verified: bool,
    /// Whether it is blocked.
    pub blocked: bool,
    /// Whether it has told its newest address, so that it has this client's card.
    pub answers: bool,
}

/// What happens, for those who have asked to be told.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Notice {
    /// A message has come.
    Arrived(IncomingMessage),
    /// Something has become of a message that was sent, or more of it has left.
    Outgoing(OutgoingMessage),
    /// The link came up, or went down; then why.
    Link {
        /// Whether it is up.
        online: bool,
        /// Why not.
        trouble: Option<String>,
    },
    /// So many notices were lost because they were not read in time; ask anew for what counts.
    Missed(u64),
}

/// Why something was not done.
#[derive(Serialize, Deserialize, Clone, Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// For people: what is wrong and what to do.
    pub message: String,
}

/// Kinds of failures, for programs.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureCode {
    /// Not a request of this version.
    Request,
    /// There is no such contact or message.
    Unknown,
    /// What was given cannot be taken: a name, a card, a message that is too long.
    Refused,
    /// The client's store cannot be read or written.
    Store,
    /// The client is ending.
    Ending,
}

impl Failure {
    /// A failure of this kind, with the words of an error.
    #[must_use]
    pub fn new(code: FailureCode, why: &dyn std::fmt::Display) -> Self {
        Self { code, message: why.to_string() }
    }
}

/// A line from a program.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLine {
    /// Comes back with the answer.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// A line to a program.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Line {
    /// The first line: the version of this format.
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// An answer.
    Response {
        /// Of the request.
        id: u64,
        /// What is answered.
        response: Response,
    },
    /// A refusal.
    Error {
        /// Of the request; zero if it could not be read.
        id: u64,
        /// Why.
        error: Failure,
    },
    /// Something that has happened.
    Notice(Notice),
}

/// Of the local API. A newer one may add kinds and fields; programs pass over what they do not know.
pub const VERSION: u32 = 1;
/// Bytes of a request's line: the largest message, in base64.
pub const LINE_LIMIT: usize = 24 << 20;
