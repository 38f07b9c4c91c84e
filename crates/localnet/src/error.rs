//! Failures of a local network, and the exit codes of `rohrpost-ops localnet`.

use std::path::PathBuf;

use crate::capture::CaptureError;

/// Failures of a local network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalnetError {
    /// The message does not fit.
    #[error("{path} has {len} bytes; one envelope of suite {suite} holds {limit}")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes of the message.
        len: usize,
        /// Most bytes that fit.
        limit: usize,
        /// The suite.
        suite: &'static str,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Answer of the system.
        source: std::io::Error,
    },
    /// The files that were made do not check.
    #[error("{0}")]
    Plan(String),
    /// The directory holds a network already.
    #[error("{0} holds a network already; choose an empty directory with --dir")]
    Occupied(PathBuf),
    /// A child has died.
    #[error("{0}")]
    Child(String),
    /// Not ready in time.
    #[error("the network is not ready after a minute:\n  {0}")]
    NotReady(String),
    /// There is no capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The first message did not arrive.
    #[error("{0}")]
    Message(String),
    /// The system refused something.
    #[error("{0}")]
    System(std::io::Error),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl LocalnetError {
    /// 64 usage, 77 no right to capture, 73 the capture cannot be written, 130 interrupted, else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::TooLong { .. } | Self::Occupied(_) => 64,
            Self::Interrupted => 130,
            Self::Capture(error) => error.exit_code(),
            _ => 1,
        }
    }
}
