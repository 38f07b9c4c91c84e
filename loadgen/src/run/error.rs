//! Failures of `rohrpost-loadgen run`, and its exit codes.

use rohrpost_localnet::LocalnetError;

/// Failures to measure a load, and losses under it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// The network's directory cannot be used.
    #[error("{0}")]
    NoNetwork(String),
    /// The local network failed.
    #[error(transparent)]
    Localnet(#[from] LocalnetError),
    /// A client cannot be made.
    #[error("{0}")]
    Clients(String),
    /// Not all clients came online.
    #[error(
        "only {ready} of {clients} clients were ready in time (connected, with keys, all mailboxes answered){}",
        trouble.as_ref().map(|what| format!(": {what}")).unwrap_or_default()
    )]
    NotReady {
        /// Clients that were.
        ready: u32,
        /// Clients there are.
        clients: u32,
        /// Trouble that a client told last.
        trouble: Option<String>,
    },
    /// The summary says which.
    #[error("{lost} messages were lost and {damaged} damaged")]
    Lost {
        /// Messages that did not arrive.
        lost: usize,
        /// Messages that arrived as others.
        damaged: u64,
    },
    /// The system refused something.
    #[error("{0}")]
    System(std::io::Error),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    /// 64 usage, 69 no network or no client online, 130 interrupted, else 1.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            Self::NoNetwork(_) | Self::NotReady { .. } => 69,
            Self::Localnet(LocalnetError::NotReady(_)) => 69,
            Self::Interrupted => 130,
            _ => 1,
        }
    }
}
