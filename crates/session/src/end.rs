//! Ends of a link.

use rohrpost_proto::time::agreement::Disagreement;
use rohrpost_transport::ConnectError;

/// Reason why there is no link, or none any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum End {
    /// The relay cannot be reached.
    #[error(transparent)]
    Connect(ConnectError),
    /// The link was lost.
    #[error("the link to the entry relay was lost")]
    Lost,
    /// The relay's clock agrees neither with this machine's nor with the network's document.
    #[error(transparent)]
    Clock(Disagreement),
    /// The application's deadline has come.
    #[error("the session is over")]
    Over,
}
