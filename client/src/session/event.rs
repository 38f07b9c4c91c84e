//! What a session tells.

use rohrpost_proto::courier::Event;
use rohrpost_transport::ConnectError;

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

/// Why there is no link. It is tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The relay cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The link was lost.
    #[error("the link to the entry relay was lost")]
    Lost,
    /// The profile's entry relay is not in the roster.
    #[error("the entry relay is not in the roster any more; make a new client with init")]
    NoEntry,
}
