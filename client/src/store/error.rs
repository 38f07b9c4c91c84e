//! Errors of a store that does not do what it is asked.

use std::path::PathBuf;
use std::time::Duration;

use rohrpost_vault::VaultError;

use super::status::DeliveryStatus;
use crate::contact_name::NameError;

/// Reason why the store does not do what was asked; each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The vault does not open, or cannot be read or written.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// There is no store in the home.
    #[error("{0} holds no client; make one with: rohrpost --home {0} init")]
    Missing(PathBuf),
    /// The store was made for another network.
    #[error("the client in {0} is of another network; give the --network that it was made for")]
    Network(PathBuf),
    /// A record does not say what it must.
    #[error(
        "the store holds a record that this program does not understand; if a newer rohrpost wrote it, use that"
    )]
    Record,
    /// The home's directory cannot be made.
    #[error("{path}: {source}")]
    Home {
        /// The home's directory.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The text cannot be used as a name.
    #[error("\"{name}\" cannot name a contact: {why}; choose another")]
    Name {
        /// The text.
        name: String,
        /// The reason why it cannot.
        why: NameError,
    },
    /// Another contact has this name.
    #[error("there is a contact {0} already, whose name looks the same; choose another")]
    NameTaken(String),
    /// Somebody else was called by the name before.
    #[error(
        "somebody else was called {0} before, and is in old messages; choose another name, or take it \
         by --reuse-name (`reuse_name`)"
    )]
    NameUsed(String),
    /// The card is that of a contact.
    #[error(
        "this card is that of {0}, who is a contact already; to renew its address, add the card \
         under that name"
    )]
    Known(String),
    /// The card is older than what is known of its owner.
    #[error(
        "this card of {0} is older than what is known of {0} already, and would lead to where it is \
         not any more; ask for the newest card"
    )]
    OlderCard(String),
    /// The contact is blocked.
    #[error("{0} is blocked; to write again, remove it and add its card")]
    Blocked(String),
    /// There is no such contact.
    #[error("there is no contact {0}; `rohrpost contacts` lists them, `add` adds one")]
    Unknown(String),
    /// There is no such message.
    #[error("there is no message {0}; `rohrpost inbox` lists them")]
    Number(u64),
    /// There is no accepted message with such an id.
    #[error("there is no message {0} in the outbox; `rohrpost outbox` lists them")]
    Id(String),
    /// Another message was accepted under the id.
    #[error("another message was sent under the id {0}; draw a new one for each message")]
    IdTaken(String),
    /// The message cannot be taken back any more.
    #[error("the message {message} is {status} already")]
    Settled {
        /// The message's id.
        message: String,
        /// Status of the message.
        status: DeliveryStatus,
    },
    /// The message is longer than the limit.
    #[error("{len} bytes are too long: a message holds {limit}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// The message is to be tried for longer than any may be.
    #[error(
        "a message is given up after {} days at the latest; take a shorter time, and send it again if \
         it is over",
        limit.as_secs() / 86_400
    )]
    LongLife {
        /// The longest time.
        limit: Duration,
    },
    /// The disk has failed, and the store is not open again yet.
    #[error("the store cannot be used at present: {0}")]
    Unavailable(String),
}

impl StoreError {
    /// True if the disk has failed: nothing is read from or written to the store any more before it
    /// is opened again ([`Store::spare_key`](super::Store::spare_key)).
    #[must_use]
    pub const fn is_of_the_disk(&self) -> bool {
        let Self::Vault(error) = self else {
            return false;
        };
        matches!(
            error,
            VaultError::Io { .. }
                | VaultError::Missing(_)
                | VaultError::Denied(_)
                | VaultError::InUse(_)
        )
    }

    /// True if something in the store is not as it was written.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Record | Self::Vault(VaultError::Damaged { .. }))
    }
}
