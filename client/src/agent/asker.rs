//! Whoever asks a client, and what may be asked.

use crate::api::{Failure, FailureCode, Request};

/// Whoever asks a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asker {
    /// The client's user may ask for everything.
    User,
    /// A program may send and receive, and nothing else: neither learn or change the contacts, nor
    /// take back what others sent, nor have the client open files, which may not be the program's.
    Program,
}

impl Asker {
    /// Refuses what this one may not ask for.
    pub(super) fn check(self, request: &Request) -> Result<(), Failure> {
        let may = match request {
            Request::Health {}
            | Request::Message { .. }
            | Request::Cancel { .. }
            | Request::Undelivered { .. }
            | Request::Inbox { .. }
            | Request::Acknowledge { .. }
            | Request::Subscribe(_) => true,
            Request::Send(send) => send.path.is_none(),
            Request::Read { save, .. } => save.is_none(),
            _ => false,
        };
        if may || self == Self::User {
            return Ok(());
        }
        let why = "this socket is for sending and receiving alone, without paths of files; ask the \
                   client's own socket";
        Err(Failure::new(FailureCode::Denied, &why))
    }
}
