//! A whole network on this machine: four agencies, four relays, six mixes, each a process of its own,
//! and a first message from alice to bob.

pub mod capture;
mod child;
mod message;
mod observer;
mod plan;
mod report;
mod running;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use rohrpost_client::Segmentation;
use rohrpost_packet::envelope::letter_body_len;
use rohrpost_packet::{Classic, Hybrid};
use rohrpost_proto::roster::{SuiteName, Traffic};
use tokio::signal::unix::{SignalKind, signal};

use crate::duration;
use crate::output::{say, tell};
use capture::{CaptureError, Sniffer};
use child::Death;
pub use child::{die_with_parent, get};
use observer::Observer;
pub use plan::{NodePlan, Plan, PlanOptions};
pub use running::{LocalNetwork, NetworkDirectory, RunningNode};

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
    /// First UDP port; the metrics take the TCP ports of the same numbers [default: free ports].
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Stay up for so long after the first message (90s, 5m), then exit 0. alice and bob stay online;
    /// for ten seconds alice writes to bob whenever she can, for the next ten she does not, and so on.
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "once")]
    #[arg(value_parser = duration::parse)]
    pub lifetime: Option<Duration>,
    /// Write what an observer of this machine sees of the network to this pcap, and the meaning of
    /// its addresses to FILE.legend.toml; `rohrpost-loadgen wire FILE` tells what it shows. Needs
    /// the right CAP_NET_RAW, as root has it. Datagrams are handed to the system one by one then.
    #[arg(long, value_name = "FILE")]
    pub capture: Option<PathBuf>,
    /// One JSON object on standard output instead of text.
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
    fn traffic(&self) -> Traffic {
        let usual = Traffic::default();
        Traffic {
            slot: self.slot.map_or(usual.slot, Duration::from_millis),
            ack_delay: self.ack_delay.unwrap_or(usual.ack_delay),
            ..usual
        }
    }

    /// A capture shows datagrams as they were handed to the system.
    fn segmentation(&self) -> Segmentation {
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

    const fn letter_limit(self) -> usize {
        match self {
            Self::Hybrid => letter_body_len::<Hybrid>(),
            Self::Classic => letter_body_len::<Classic>(),
        }
    }
}

/// Runs the local network until it is done, fails, or is interrupted. Nothing is left behind.
///
/// # Errors
/// Why it failed.
pub fn run(options: &Options) -> Result<(), LocalnetError> {
    let message = read_message(options)?;
    let directory = match &options.dir {
        Some(directory) => NetworkDirectory::at(directory.clone())?,
        None => NetworkDirectory::temporary("localnet")?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(LocalnetError::System)?;
    runtime.block_on(start(options, directory, message))
}

async fn start(
    options: &Options,
    directory: NetworkDirectory,
    message: Vec<u8>,
) -> Result<(), LocalnetError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(LocalnetError::System)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(LocalnetError::System)?;
    let sniffer = options.capture.as_deref().map(Sniffer::open).transpose()?;
    let plan = PlanOptions {
        port: options.port,
        segmentation: options.segmentation(),
        traffic: options.traffic(),
        ..PlanOptions::new(options.suite.name())
    };
    let (mut local, mut observer) =
        LocalNetwork::start_after(directory, &plan, options.verbose, |network| {
            sniffer.map(|sniffer| Ok(Observer::start(sniffer, network)?)).transpose()
        })?;
    let result = tokio::select! {
        result = live(options, &mut local, message, observer.as_ref()) => result,
        _ = interrupt.recv() => Err(LocalnetError::Interrupted),
        _ = terminate.recv() => Err(LocalnetError::Interrupted),
    };
    if let Some(observer) = &mut observer {
        observer.note_links(local.plan()).await;
    }
    local.stop().await;
    observer.map_or(Ok(()), Observer::finish)?;
    match result {
        // Ctrl-C is the way to end a network that stays up.
        Err(LocalnetError::Interrupted) if !options.once && options.lifetime.is_none() => Ok(()),
        result => result,
    }
}

async fn live(
    options: &Options,
    local: &mut LocalNetwork,
    message: Vec<u8>,
    observer: Option<&Observer>,
) -> Result<(), LocalnetError> {
    let bar = progress(options, count(local.plan().nodes.len()));
    bar.set_message("nodes ready");
    local.until_ready(|ready| bar.set_position(count(ready))).await?;
    bar.set_message("first message on its way");
    let (network, children) = local.parts();
    let delivery = tokio::select! {
        delivery = message::deliver(network, message, options.segmentation()) => delivery?,
        death = children.next_death() => return Err(death.into()),
    };
    bar.finish_and_clear();
    if let Some(path) = &options.received {
        std::fs::write(path, &delivery.received)
            .map_err(|source| LocalnetError::File { path: path.clone(), source })?;
    }
    let parties = report::gather(local.plan()).await;
    if options.json {
        say(&report::json(local.network(), local.plan(), &delivery, &parties).to_string());
    } else {
        report::print(local.network(), local.plan(), &delivery, &parties);
    }
    if let Some(lifetime) = options.lifetime {
        observer.iter().for_each(|observer| observer.letters_begin());
        return tokio::select! {
            () = message::keep_online(delivery, lifetime) => Ok(()),
            error = local.next_death() => Err(error),
        };
    }
    drop(delivery.clients);
    if options.once {
        return Ok(());
    }
    stay(local).await
}

/// Up until Ctrl-C; a child that dies is reported, and the network goes on without it.
async fn stay(local: &mut LocalNetwork) -> Result<(), LocalnetError> {
    report::print_invitation(local.directory());
    local.show_lines();
    loop {
        let death = local.next_death().await;
        tell(&death.to_string());
    }
}

fn read_message(options: &Options) -> Result<Vec<u8>, LocalnetError> {
    let Some(path) = &options.message else {
        return Ok(FIRST_MESSAGE.as_bytes().to_vec());
    };
    let bytes =
        std::fs::read(path).map_err(|source| LocalnetError::File { path: path.clone(), source })?;
    let limit = options.suite.letter_limit();
    if bytes.len() > limit {
        let (path, len) = (path.clone(), bytes.len());
        return Err(LocalnetError::TooLong {
            path,
            len,
            limit,
            suite: options.suite.name().as_str(),
        });
    }
    Ok(bytes)
}

fn progress(options: &Options, nodes: u64) -> ProgressBar {
    if options.json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(nodes);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    if bar.is_hidden() {
        tell(&format!("starting {nodes} nodes and two clients; this takes about 20 s"));
    }
    bar
}

fn count(nodes: usize) -> u64 {
    u64::try_from(nodes).unwrap_or(u64::MAX)
}

/// Why the local network fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalnetError {
    /// The message does not fit.
    #[error("{path} has {len} bytes; one envelope of suite {suite} holds {limit}")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        len: usize,
        /// What fits.
        limit: usize,
        /// The suite.
        suite: &'static str,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
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

impl From<Death> for LocalnetError {
    fn from(death: Death) -> Self {
        Self::Child(death.in_plain_words())
    }
}

const FIRST_MESSAGE: &str = "Dear bob, this came through the tube. alice";
