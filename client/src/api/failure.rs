//! Refusals of the local API, and their codes, which are a closed set.

use serde::{Deserialize, Serialize};

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
    /// The request is not for this socket.
    Denied,
    /// There is no such contact.
    UnknownContact,
    /// There is no such request.
    UnknownRequest,
    /// The roster names no such relay.
    UnknownRelay,
    /// Not all has come yet that is needed to accept a request.
    Unready,
    /// There is no such message, or none any more.
    UnknownMessage,
    /// The contact is blocked.
    Blocked,
    /// The card is that of a contact.
    Known,
    /// The text cannot name a contact.
    Name,
    /// Another contact has the name.
    NameTaken,
    /// Somebody else was called by the name before.
    NameUsed,
    /// The text is no card, or one of another network.
    Card,
    /// The card's time is over.
    CardExpired,
    /// The words are not those of the contact.
    Words,
    /// The message is longer than messages may be.
    TooLong,
    /// The message is to be tried for longer than any may be.
    Lifetime,
    /// Another message was accepted under the id.
    IdTaken,
    /// The message is over, and cannot be taken back.
    Settled,
    /// The client's store is damaged.
    Store,
    /// The disk is full.
    Full,
    /// The system refuses to read or write the client's store.
    System,
    /// A file that the request names cannot be read or written; it may be there already.
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
