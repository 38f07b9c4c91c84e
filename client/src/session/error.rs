//! Errors of a session that has no link, or does not take a message.

use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier;
use rohrpost_proto::time::agreement::Disagreement;
use rohrpost_session::End;
use rohrpost_transport::ConnectError;

/// Reason why there is no link, which is tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The relay cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The link was lost.
    #[error("the link to the entry relay was lost")]
    Lost,
    /// The relay's clock agrees neither with this machine's nor with the network's document.
    #[error(transparent)]
    Clock(#[from] Disagreement),
    /// The profile's entry relay is not in the roster.
    #[error(
        "roster {version} names no relay with the number {entry}, through which this client is to enter"
    )]
    NoEntry {
        /// The relay.
        entry: NodeNumber,
        /// Version of the roster.
        version: u32,
    },
}

impl From<End> for SessionError {
    /// A client's link has no deadline: what is over was lost.
    fn from(end: End) -> Self {
        match end {
            End::Connect(error) => Self::Connect(error),
            End::Clock(refused) => Self::Clock(refused),
            _ => Self::Lost,
        }
    }
}

/// Reason why a session does not take a message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// There has been no link yet, or there will be none.
    #[error("the client has not been online yet; hand the message over once it is connected")]
    NotConnected,
    /// The courier refuses.
    #[error(transparent)]
    Refused(#[from] courier::PostError),
}
