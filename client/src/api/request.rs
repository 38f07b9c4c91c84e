//! Requests of the local API.

use serde::{Deserialize, Serialize};

/// Something that can be asked of a client.
#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// Asks how the network and the link are.
    Health {},
    /// Asks through which relays the client enters; with a name, has it enter through that one.
    Entry {
        /// Name of the relay.
        #[serde(default)]
        relay: Option<String>,
    },
    /// Asks for the counts of messages, and for a page of those that were sent.
    Status {
        /// Number of the first message to list.
        #[serde(default)]
        from: u64,
        /// Messages to list at most; [`PAGE`](super::PAGE) if not given, which is the most. Zero gives the counts
        /// alone.
        #[serde(default)]
        limit: Option<usize>,
        /// True to list only messages that are on their way.
        #[serde(default)]
        open: bool,
    },
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
    /// Lists messages that were given up, until whoever sent them was told: a program asks for those
    /// of programs, the user for others.
    Undelivered {
        /// Ids of messages of which whoever asks knows: they are not listed again.
        #[serde(default)]
        told: Vec<String>,
        /// Messages to list at most; [`PAGE`](super::PAGE) if not given, which is the most.
        #[serde(default)]
        limit: Option<usize>,
    },
    /// Lists messages that have come.
    Inbox {
        /// Number of the first message to list.
        #[serde(default)]
        from: u64,
        /// True to list only messages that were not acknowledged.
        #[serde(default)]
        unread: bool,
        /// Messages to list at most; [`PAGE`](super::PAGE) if not given, which is the most.
        #[serde(default)]
        limit: Option<usize>,
        /// True to list texts with their messages. A page then ends early where its texts have more
        /// than [`PAGE_BYTES`](super::PAGE_BYTES).
        #[serde(default)]
        with_text: bool,
    },
    /// Reads a message.
    Read {
        /// The message's number.
        number: u64,
        /// Absolute path under which a file is saved, instead of being given in base64. Nothing may
        /// be there.
        #[serde(default)]
        save: Option<String>,
    },
    /// Reads a message that was sent.
    Sent {
        /// Id of the message, 32 hex digits.
        message: String,
    },
    /// Says that the reader has messages. Those that are forgotten already are passed over.
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
        /// True to use a name by which somebody else was called before.
        #[serde(default)]
        reuse_name: bool,
    },
    /// Lists people whom the client does not know, and who have written.
    Requests {},
    /// Makes a contact of somebody who has written.
    Accept {
        /// The id of the identity, or its first digits, at least eight.
        request: String,
        /// The name by which the user calls the contact.
        name: String,
        /// True to use a name by which somebody else was called before.
        #[serde(default)]
        reuse_name: bool,
    },
    /// Refuses somebody who has written: nothing of that identity is looked at any more.
    Refuse {
        /// The id of the identity, or its first digits, at least eight.
        request: String,
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
        /// True to use a name by which somebody else was called before.
        #[serde(default)]
        reuse_name: bool,
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
    /// Asks for notices.
    Subscribe(SubscribeRequest),
}

/// The notices that are asked for: those from now on if neither field is given.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(deny_unknown_fields)]
pub struct SubscribeRequest {
    /// The run of the daemon, as its greeting names it.
    #[serde(default)]
    pub run: Option<String>,
    /// The number that came with the last notice of that run that was dealt with.
    #[serde(default)]
    pub from: Option<u64>,
}

/// A message to be sent: a text or a file.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// Name or id of the contact that gets the message.
    pub to: String,
    /// Id for the message, 32 hex digits that no other message has; drawn if not given. A message that
    /// was accepted under this id before is not accepted once more, and answered as then.
    #[serde(default)]
    pub message: Option<String>,
    /// The text, if the message is one.
    #[serde(default)]
    pub text: Option<String>,
    /// The file, if the message is one.
    #[serde(default)]
    pub file: Option<FileBody>,
    /// The place of the file, if the message is one and the client is to read it.
    #[serde(default)]
    pub path: Option<FilePath>,
    /// Seconds after which the message is given up; a week if not given.
    #[serde(default)]
    pub expires_after: Option<u64>,
}

/// A file on the client's machine.
#[derive(Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct FilePath {
    /// Absolute path of a file; the last part of it must not be a symbolic link.
    pub path: String,
    /// The file's name as the recipient sees it; the last part of the path if not given.
    #[serde(default)]
    pub name: Option<String>,
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
