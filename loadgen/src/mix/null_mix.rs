//! The links of a mix without the mix, as processes of their own: one that only receives, one that
//! only sends, one that passes on.
//!
//! All can keep the core as busy as a mix does, by a ballast thread whose CPU nobody counts: links
//! whose process sleeps between any two packets wake for each, take them one by one, and cost up to
//! twice as much as those of a mix at work.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use rand::Rng;
use rohrpost_measure::output::say;
use rohrpost_measure::process::thread_time;
use rohrpost_node::{Duty, Log, NodeError, Prepared, Tasks, prepare, supervise};
use rohrpost_packet::{Buffer, BufferPool, Classic, Hybrid, Suite};
use rohrpost_proto::directory::roster::{RosterNode, SuiteName};
use rohrpost_proto::frame::frame_len;
use rohrpost_proto::time::agreement::TOLERANCE;
use rohrpost_transport::{
    Accepted, Buffers, EndpointConfig, FrameReceiver, NodeEndpoint, PacketOutbox, PeerAddress,
};
use serde_json::json;
use tokio::task::JoinSet;

use super::pacer::Pacer;
use super::peers::endpoint_config;

/// A process with the links of a mix.
#[derive(Args)]
pub(crate) struct NullMix {
    work: Work,
    /// Frames a second that are sent.
    #[arg(long, default_value_t = 0.0, required_if_eq("work", "send"))]
    rate: f64,
    /// Seconds of sending.
    #[arg(long, default_value_t = 0, required_if_eq("work", "send"))]
    seconds: u64,
    /// Microseconds of CPU that the ballast burns for each packet.
    #[arg(long, default_value_t = 0.0)]
    ballast: f64,
    /// A mix's configuration.
    file: PathBuf,
}

/// Work of the process with its links.
#[derive(Clone, Copy, ValueEnum)]
enum Work {
    /// Accept packet links and drop what comes.
    Receive,
    /// Accept packet links and send what comes to the mix's successors in turn; print each second
    /// what it has cost to hand frames over.
    Pass,
    /// Send ready frames to the mix's successors; print each second what it has cost to hand them
    /// over.
    Send,
}

impl NullMix {
    /// Runs until it is told to stop, in the runtime of a node.
    ///
    /// # Errors
    /// The configuration is wrong, or the system refuses a port or a thread.
    pub(crate) fn run(self) -> Result<(), NodeError> {
        let prepared = prepare(&self.file, Duty::Mix)?;
        let log = Log::new(prepared.node.name.clone());
        match prepared.roster.suite {
            SuiteName::Hybrid => {
                supervise(&log, TOLERANCE, || async { self.start::<Hybrid>(&prepared) })
            }
            SuiteName::Classic => {
                supervise(&log, TOLERANCE, || async { self.start::<Classic>(&prepared) })
            }
        }
    }

    /// Starts the tasks, within the runtime.
    fn start<S: Suite>(self, prepared: &Prepared) -> Result<Tasks, NodeError> {
        let bound = prepared.config.limits.queue_packets;
        let pool = BufferPool::new(4 * bound, S::PACKET_LEN);
        let config = EndpointConfig {
            buffers: Buffers::Pool(pool),
            ..endpoint_config::<S>(&prepared.roster, prepared.node.role)
        };
        let key = Arc::clone(&prepared.key);
        let endpoint = NodeEndpoint::bind(prepared.config.listen, key, config)?;
        let mut tasks = Tasks::new();
        let ballast = Duration::from_secs_f64(self.ballast / 1e6);
        let over = || Over::new(successors(&endpoint, prepared), ballast);
        let (sender, frames) = sync_channel(bound);
        match self.work {
            Work::Receive => spawn(move || drop_all(&frames, ballast))?,
            Work::Pass => {
                let over = over();
                spawn(move || over.pass(&frames))?;
            }
            Work::Send => {
                let (over, time) = (over(), Duration::from_secs(self.seconds));
                let mut frame = vec![0; frame_len::<S>()];
                rand::rng().fill_bytes(&mut frame);
                spawn(move || over.pace(&frame, self.rate, time))?;
            }
        }
        tasks.spawn(receive_all(endpoint, sender));
        Ok(tasks)
    }
}

fn successors(endpoint: &NodeEndpoint, prepared: &Prepared) -> Vec<PacketOutbox> {
    let bound = prepared.config.limits.queue_packets;
    let link =
        |node: &RosterNode| PacketOutbox::connect(endpoint, PeerAddress::from(node), bound, |_| {});
    prepared.roster.successors(prepared.node.role).map(link).collect()
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), NodeError> {
    let started = thread::Builder::new().name(BALLAST.into()).spawn(work);
    started.map(drop).map_err(|source| NodeError::System { what: "start a thread", source })
}

async fn receive_all(endpoint: NodeEndpoint, sender: SyncSender<Buffer>) -> &'static str {
    let mut links = JoinSet::new();
    while let Some(accepted) = endpoint.accept().await {
        if let Accepted::Packet { frames, .. } = accepted {
            links.spawn(hand_over(frames, sender.clone()));
        }
    }
    "endpoint"
}

/// Hands frames over as a mix does to its workers: the newest is shed when the queue is full.
async fn hand_over(mut frames: FrameReceiver, sender: SyncSender<Buffer>) {
    while let Ok(frame) = frames.recv().await {
        let _ = frame.map(|frame| sender.try_send(frame));
    }
}

fn drop_all(frames: &Receiver<Buffer>, ballast: Duration) {
    while frames.recv().is_ok() {
        burn(ballast);
    }
}

/// Hands frames over to the links to the successors, in turn.
struct Over {
    links: Vec<PacketOutbox>,
    ballast: Duration,
    sent: u64,
    /// CPU time of handing over.
    cost: Duration,
    told: Instant,
}

impl Over {
    fn new(links: Vec<PacketOutbox>, ballast: Duration) -> Self {
        Self { links, ballast, sent: 0, cost: Duration::ZERO, told: Instant::now() }
    }

    /// Passes on what comes, as a mix would that opens nothing and delays nothing.
    fn pass(mut self, frames: &Receiver<Buffer>) {
        for turn in 0.. {
            let Ok(frame) = frames.recv() else { return };
            self.send(turn, frame);
        }
    }

    /// The same frame at the times of a Poisson process, as packets leave a mix. The links live
    /// until the process is told to stop.
    fn pace(mut self, frame: &[u8], rate: f64, duration: Duration) {
        while !self.links.iter().all(PacketOutbox::is_up) {
            sleep(Duration::from_millis(10));
        }
        let mut pacer = Pacer::start(rate, duration);
        for turn in (0..).take_while(|_| pacer.wait()) {
            self.send(turn, frame.into());
        }
        loop {
            thread::park();
        }
    }

    fn send(&mut self, turn: usize, frame: Buffer) {
        burn(self.ballast);
        let before = thread_time();
        if self.links[turn % self.links.len()].try_send(frame).is_ok() {
            self.sent += 1;
        }
        self.cost += thread_time().saturating_sub(before);
        if self.told.elapsed() > Duration::from_secs(1) {
            self.told = Instant::now();
            self.tell();
        }
    }

    fn tell(&self) {
        let nanos = u64::try_from(self.cost.as_nanos()).unwrap_or(u64::MAX);
        say(&json!({ "sent": self.sent, "handing_over_ns": nanos }).to_string());
    }
}

/// Uses so much CPU time.
fn burn(time: Duration) {
    let before = thread_time();
    while !time.is_zero() && thread_time().saturating_sub(before) < time {
        std::hint::spin_loop();
    }
}

/// The thread whose CPU is not the links' cost: it waits for the next due time, and burns.
pub(super) const BALLAST: &str = "ballast";
