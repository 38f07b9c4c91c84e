//! Reasons why a node does not start or go on, each with its exit code.

use std::path::PathBuf;

use rohrpost_network::NetworkError;
use rohrpost_secret_file::SecretFileError;
use rohrpost_transport::BindError;

/// Reason why a node does not start or go on; the message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// A file cannot be read.
    #[error("cannot read {what} {path}: {source}")]
    Read {
        /// The purpose of the file.
        what: &'static str,
        /// The file's path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The configuration is wrong.
    #[error("{path}: {message}")]
    Config {
        /// The file's path.
        path: PathBuf,
        /// The line, the fault and what to do.
        message: String,
    },
    /// Trust root, roster or signatures are wrong.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Others can use the file of a secret.
    #[error(transparent)]
    Secret(SecretFileError),
    /// The key file holds no key.
    #[error("{0}: not an Ed25519 key in PKCS#8 PEM; make one with: rohrpost-ops keygen {0}")]
    KeyFile(PathBuf),
    /// The key is not the node's.
    #[error("{0}")]
    WrongKey(String),
    /// The endpoint cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The metrics address cannot be bound.
    #[error(
        "cannot serve metrics on {address}: {source}; stop the program that has the port (`ss -ltnp` names it) or choose another in `metrics`"
    )]
    Metrics {
        /// The address from the configuration.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The system refused something that every node needs.
    #[error("cannot {what}: {source}")]
    System {
        /// The operation that failed.
        what: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The machine's clock has been set, or the machine has stood still.
    #[error(
        "this process's clock has been more than {seconds} s off the machine's for a minute, so others refuse the node; check the machine's time service and start the node again"
    )]
    Clock {
        /// Seconds by which a node of this role may be off.
        seconds: u64,
    },
    /// A task that must run has ended.
    #[error("the task {0} has ended; this is a bug")]
    TaskEnded(&'static str),
    /// A task has panicked; the panic's own message stands above.
    #[error("a task has panicked; this is a bug")]
    Panicked,
}

impl NodeError {
    /// Exit code after sysexits.h: 78 configuration, 69 an address in use, 71 the system, 70 a bug, 75
    /// what another start mends.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Read { .. }
            | Self::Config { .. }
            | Self::Network(_)
            | Self::Secret(_)
            | Self::KeyFile(_)
            | Self::WrongKey(_) => 78,
            Self::Bind(_) | Self::Metrics { .. } => 69,
            Self::System { .. } => 71,
            Self::Clock { .. } => 75,
            Self::TaskEnded(_) | Self::Panicked => 70,
        }
    }
}
