//! Why the store does not do what it is asked.

use std::path::PathBuf;

use rohrpost_vault::VaultError;

/// Why the store does not do what was asked; each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// There is no store.
    #[error("{0} holds no client; make one with: rohrpost --home {0} init")]
    Missing(PathBuf),
    /// Made for another network.
    #[error("the client in {0} is of another network; give the --network that it was made for")]
    Network(PathBuf),
    /// A record does not say what it must.
    #[error(
        "the store holds a record that this program does not understand; if a newer rohrpost wrote it, use that"
    )]
    Record,
    /// A directory.
    #[error("{path}: {source}")]
    Home {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not usable as a name.
    #[error("\"{0}\" cannot name a contact; use up to 64 bytes of letters, digits, - and _")]
    Name(String),
    /// In use.
    #[error("there is a contact {0} already; choose another name")]
    NameTaken(String),
    /// A contact already.
    #[error("this card is that of {0}, who is a contact already")]
    Known(String),
    /// Blocked.
    #[error("{0} is blocked; to write again, remove it and add its card")]
    Blocked(String),
    /// No such contact.
    #[error("there is no contact {0}; `rohrpost … contacts` lists them, `add` adds one")]
    Unknown(String),
    /// No such message.
    #[error("there is no message {0}; `rohrpost … inbox` lists them")]
    Number(u64),
    /// A message beyond the limit.
    #[error("{len} bytes are too long: a message holds {limit}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes that fit.
        limit: usize,
    },
}
