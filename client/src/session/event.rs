//! What a session tells.

use rohrpost_proto::courier::Event;

use super::error::SessionError;

/// What a session tells its owner.
pub enum SessionEvent {
    /// The link to the entry relay is up and its clock is set.
    Connected {
        /// How far the machine's clock is ahead of the relay's, in milliseconds.
        clock_ahead: i64,
    },
    /// The link was lost, or could not be made; it is tried again.
    Disconnected(SessionError),
    /// Keys have arrived: so many nodes are up.
    View(usize),
    /// The newest document is too old to build packets with; cells go on.
    Stale,
    /// Something happened in the courier.
    Courier(Event),
}
