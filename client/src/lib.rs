//! The client: everything that a person's or a program's machine does.
//!
//! [`Network`] is the directory with trust root and roster, [`Profile`] the keys of one client,
//! [`Card`] what it hands to others, and [`Session`] the link that keeps the constant grid.
//! [`Vault`] is the encrypted file for everything that must outlast the process.
//! Outbox and inbox live in memory until the durable store comes: what a process has not sent
//! when it ends is lost.

mod card;
mod clock;
mod network;
mod profile;
mod session;
mod vault;

pub use card::{Card, CardError};
pub use network::{Network, NetworkError};
pub use profile::{Profile, ProfileError};
pub use rohrpost_transport::Segmentation;
pub use session::{Correspondent, Session, SessionError, SessionEvent};
pub use vault::{
    Cost, Entries, Iter, KEY_LIMIT, KeyedTable, OrderedTable, ReadTx, Table, Unlock, VALUE_LIMIT,
    Vault, VaultError, WriteTx,
};
