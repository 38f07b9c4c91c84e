//! Notices of the local API: what happens without being asked for.

use serde::{Deserialize, Serialize};

use super::response::{ContactEntry, IncomingMessage, OutgoingMessage, RequestEntry, Retention};

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
    /// Something has become of a contact.
    Contact {
        /// What has become of it.
        change: ContactChange,
        /// The contact as it is now, or was when it was removed.
        contact: ContactEntry,
    },
    /// Somebody whom the client does not know has written; there is news of it.
    Request(RequestEntry),
    /// The time for which messages stay was set.
    Retention(Retention),
    /// Messages were forgotten because their time to stay was over.
    Forgotten {
        /// Numbers of messages of the inbox.
        received: Vec<u64>,
        /// Ids of messages of the outbox, 32 hex digits.
        sent: Vec<String>,
    },
    /// A contact has taken all the room that it may have, and nothing more of it is taken, or no more
    /// files; or it has room again.
    Room {
        /// Id of the contact's identity, 64 hex digits.
        contact: String,
        /// The name by which the user calls the contact.
        name: String,
        /// Bytes that the contact's messages take.
        bytes: u64,
        /// Bytes that they may take.
        limit: u64,
        /// What is not taken, why and what to do; none if the contact has room again.
        trouble: Option<String>,
    },
    /// The store cannot be written, and why: the client is off the network until it can. Or it can
    /// again.
    Store {
        /// The reason why the store cannot be written; none if it can again.
        trouble: Option<String>,
    },
    /// Notices are gone, this many, because they were not read in time; none if they were those of
    /// another run of the daemon. Ask anew for what counts.
    Missed(Option<u64>),
}

/// Change of a contact.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContactChange {
    /// The contact was added.
    Added,
    /// The contact's words were compared.
    Verified,
    /// The contact has another name.
    Renamed,
    /// The contact has told a newer address.
    Address,
    /// The contact was blocked.
    Blocked,
    /// The contact was removed.
    Removed,
}
