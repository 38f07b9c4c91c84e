//! Options of `rohrpost-ops localnet`.

use std::path::PathBuf;
use std::time::Duration;

use crate::duration;
use clap::{Args, ValueEnum};
use rohrpost_client::Segmentation;
use rohrpost_packet::envelope::fragment_body_len;
use rohrpost_packet::{Classic, Hybrid};
use rohrpost_proto::directory::roster::{SuiteName, Traffic};

/// Options of `rohrpost-ops localnet`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Stop after the first message: exit 0 if it arrived byte for byte.
    #[arg(long)]
    pub once: bool,
    /// Suite of the network.
    #[arg(long, value_enum, default_value_t = SuiteChoice::Hybrid)]
    pub suite: SuiteChoice,
    /// Send this file as the first message; it must fit one envelope.
    #[arg(long, value_name = "FILE")]
    pub message: Option<PathBuf>,
    /// Write what bob received to this file.
    #[arg(long, value_name = "FILE")]
    pub received: Option<PathBuf>,
    /// Keep the network's files here [default: a new directory, removed at the end].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Slot length of the grid in milliseconds [default: 250].
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(4..=60_000))]
    pub slot: Option<u64>,
    /// Mean delay of acknowledgements (2s, 500ms) [default: 120s]. A short one is for trying things
    /// out: it tells mailbox relays who answers whom.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub ack_delay: Option<Duration>,
    /// Slot of the directory in milliseconds [default: 2000, or 8 slots of the grid if that is longer].
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub document_slot: Option<u64>,
    /// Time after which each node changes its packet key (2m, 90s) [default: 1h].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub epoch: Option<Duration>,
    /// First UDP port; the metrics take the TCP ports of the same numbers [default: free ports].
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Stay up for so long after the first message (90s, 5m), then exit 0. alice and bob stay
    /// online; for ten seconds they write to each other whenever they can, for the next ten they do
    /// not, and so on.
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "once")]
    #[arg(value_parser = duration::parse)]
    pub lifetime: Option<Duration>,
    /// Write what an observer of this machine sees of the network to this pcap, and the meaning of
    /// its addresses to FILE.manifest.toml; `rohrpost-adversary wire FILE` tells what it shows.
    /// Needs the right CAP_NET_RAW, as root has it. Datagrams are handed to the system one by one
    /// then.
    #[arg(long, value_name = "FILE")]
    pub capture: Option<PathBuf>,
    /// Print one JSON object on standard output instead of text.
    #[arg(long)]
    pub json: bool,
    /// Show what the nodes say while they start.
    #[arg(long)]
    pub verbose: bool,
}

/// The suites that a network can have.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum SuiteChoice {
    /// X25519 and ML-KEM-768.
    Hybrid,
    /// X25519 alone.
    Classic,
}

impl Options {
    pub(crate) fn traffic(&self) -> Traffic {
        let usual = Traffic::default();
        Traffic {
            slot: self.slot.map_or(usual.slot, Duration::from_millis),
            ack_delay: self.ack_delay.unwrap_or(usual.ack_delay),
            ..usual
        }
    }

    /// A capture shows datagrams as they were handed to the system.
    pub(crate) fn segmentation(&self) -> Segmentation {
        match self.capture {
            Some(_) => Segmentation::Single,
            None => Segmentation::Offload,
        }
    }
}

impl SuiteChoice {
    /// The suite in a roster.
    #[must_use]
    pub const fn name(self) -> SuiteName {
        match self {
            Self::Hybrid => SuiteName::Hybrid,
            Self::Classic => SuiteName::Classic,
        }
    }

    pub(crate) const fn fragment_limit(self) -> usize {
        match self {
            Self::Hybrid => fragment_body_len::<Hybrid>(),
            Self::Classic => fragment_body_len::<Classic>(),
        }
    }
}
