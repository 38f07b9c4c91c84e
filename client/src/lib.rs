//! The client: everything that a person's or a program's machine does.
//!
//! [`Network`] is the directory with trust root and roster, [`Profile`] the keys of one client,
//! [`Card`] what it hands to others, and [`Session`] the link that keeps the constant grid.
//! [`Store`] keeps what must not be lost, in an encrypted file (`rohrpost_vault`). [`Agent`] joins
//! store and session to a client that runs, and answers the requests of [`api`], which a [`Listener`]
//! takes from a socket and a [`Connection`] asks there.

/// The name of this crate in its tests' world.
#[cfg(test)]
extern crate self as rohrpost_client;

mod address;
mod agent;
pub mod api;
mod card;
mod contact_name;
mod content;
mod fingerprint;
mod printable;
mod profile;
mod randomness;
mod session;
#[cfg(unix)]
mod socket;
mod store;
mod volume;

pub use address::{Address, AddressError};
pub use agent::{Agent, AgentError, Asker, SimulatedClocks, SteppedAgent};
pub use card::{CARD_LIFETIME, Card, CardError, card_code, card_text};
pub use contact_name::{ContactName, NAME_BYTES, NameError, look};
pub use content::{Content, MESSAGE_LIMIT, NAME_LIMIT, shorten_file_name};
pub use fingerprint::Fingerprint;
pub use printable::{harmless, steers};
pub use profile::{Profile, ProfileError, Replacement, SPARE_ENTRIES};
pub use randomness::danger_draw_from;
pub use rohrpost_network::{FilePaths, Network, NetworkError, unix_now};
pub use rohrpost_transport::{Segmentation, VERSION};
pub use rohrpost_vault::{Cost, SimulatedDisk, Unlock, VaultError};
pub use session::{Correspondent, PostError, Resumption, Session, SessionError, SessionEvent};
#[cfg(unix)]
pub use socket::{Connection, Listener, SocketError, check_socket_path};
pub use store::{
    Accepted, Added, AddressKnown, BodyId, Bounds, Completed, ContactRequest, DeliveryStatus,
    Draft, Forgetting, Forgotten, Incoming, KnownContact, LONGEST_ABSENCE, Lack, NoRoom, Outgoing,
    Refused, Silence, SpareStoreKey, Store, StoreError, Tally, Terms, Unreadable,
};
pub use volume::daily_volume;
