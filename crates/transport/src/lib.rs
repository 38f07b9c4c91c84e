//! Links of Rohrpost: QUIC by quinn, TLS 1.3 by rustls. No other crate uses either directly.
//!
//! Nodes authenticate each other by raw public keys (RFC 7250) from the roster; clients
//! authenticate the relay and not themselves. Key exchange is X25519MLKEM768 and nothing else, so a
//! handshake that succeeds was post-quantum. Off: early data, session tickets, address tokens, key
//! log, spin bit, server name, MTU discovery. On: padding of every datagram to 1200 bytes.
//!
//! No decisions of the protocol are made here: frames and cells are bytes of a fixed length,
//! control messages bytes of a bounded one.

mod client;
mod control;
mod endpoint;
mod lasting;
mod outbox;
mod race;
mod served;
mod shape;
mod stream;
mod tls;

pub use client::{ConnectError, connect, reach};
pub use control::{ControlChannels, ControlDialer, Pace, exchange};
pub use endpoint::{
    Accepted, BindError, ControlLink, EndpointConfig, NodeEndpoint, PeerAddress, Peers,
    SOCKET_BUFFER,
};
pub use outbox::{LinkChange, PacketOutbox, Shed};
pub use served::{Arrival, ServedLink};
pub use shape::Segmentation;
pub use stream::{Buffers, CellSender, ClientLink, FrameReceiver, LinkError};
pub use tls::LINK_WINDOW;

/// Revision that this program was built from.
pub const REVISION: &str = env!("ROHRPOST_REVISION");

/// Version, revision and wire versions, as every program prints them for `--version`.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("ROHRPOST_REVISION"),
    "; packet 1, client link 1, control link 1, document 1)"
);
