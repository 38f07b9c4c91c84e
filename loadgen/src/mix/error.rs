//! Failures of `rohrpost-loadgen mix`, and its exit codes.

use rohrpost_packet::WrapError;

/// Failures to measure.
#[derive(Debug, thiserror::Error)]
pub(super) enum MixError {
    /// The mix or its surroundings do not come up.
    #[error("{0}")]
    Start(String),
    /// The mix, or a process in its place, has ended meanwhile.
    #[error("the measured process is gone: {0}")]
    Ended(String),
    /// No packet comes through.
    #[error(
        "no packet comes out of the mix; is loopback filtered? `mix delays` tells what it drops"
    )]
    Nothing,
    /// The packets of a load do not fit into memory.
    #[error(
        "the packets of this load take {} MiB, and {} MiB can be had; use fewer --seconds or \
         --packets, or --suite classic",
        bytes >> 20, available >> 20
    )]
    Memory { bytes: u64, available: u64 },
    /// A packet cannot be built.
    #[error("packets cannot be built: {0}")]
    Build(WrapError),
    /// The system refused something.
    #[error("{0}")]
    System(std::io::Error),
}

impl MixError {
    /// Exit code after sysexits.h: 64 usage, 69 could not start, 70 ended meanwhile, 71 the system
    /// refused.
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Memory { .. } => 64,
            Self::Start(_) | Self::Nothing => 69,
            Self::Ended(_) | Self::Build(_) => 70,
            Self::System(_) => 71,
        }
    }
}
