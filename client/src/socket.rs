//! The local API over a Unix socket, which the client's own user alone can reach: it has mode 0600,
//! in the client's home of mode 0700. Both sides have deadlines: neither waits for one that was
//! stopped without saying so.

mod connection;
mod error;
mod line;
mod listener;
mod seats;

pub use connection::Connection;
pub use error::{SocketError, check_socket_path};
pub use listener::Listener;
