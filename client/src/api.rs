//! The local API: requests of a program or the command line to a running client, as JSON lines over
//! a Unix socket (`docs/local-api.md`).
//!
//! A request is `{"id": 1, "request": {"KIND": {…}}}` on a line of its own; the answer bears the
//! same id and either `response` or `error`. Between answers come notices, once they were asked
//! for. The types here are that format; the command line uses them without a socket as well.

mod failure;
mod notice;
mod request;
mod response;

use serde::{Deserialize, Serialize};

pub use failure::{Failure, FailureCode};
pub use notice::{ContactChange, Notice};
pub use request::{FileBody, FilePath, Request, SendRequest, SubscribeRequest};
pub use response::{
    ContactEntry, EntryPlaces, Health, IncomingMessage, MailboxHealth, MessageBody,
    OutgoingMessage, RequestEntry, Response, Retention, SentBody, Status,
};

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
        /// Name of this run of the daemon, drawn at its start: numbers of notices are its own.
        run: String,
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
    Notice {
        /// The number from which a subscription goes on after this notice.
        next: u64,
        /// The notice itself.
        notice: Notice,
    },
}

/// Version of the local API. A newer one may add kinds and fields; programs pass over what they do
/// not know.
pub const VERSION: u32 = 2;
/// Messages of the longest page of a list.
pub const PAGE: usize = 1_000;
/// Bytes of texts after which a page of messages ends.
pub const PAGE_BYTES: u64 = 1 << 20;
/// Bytes of the longest line of a request: the largest message, in base64.
pub const LINE_LIMIT: usize = 24 << 20;
