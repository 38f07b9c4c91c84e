//! The local API over Unix sockets, which the client's own user alone can reach: they have mode 0600.
//! One is in the client's home of mode 0700; another may be made for programs that send and receive
//! alone. Both sides have deadlines: neither waits for one that was
//! stopped without saying so.

mod connection;
mod error;
mod line;
mod listener;
mod seats;

pub use connection::Connection;
pub use error::{SocketError, check_socket_path};
pub use listener::Listener;
