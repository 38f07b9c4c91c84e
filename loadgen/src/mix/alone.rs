//! The links without a mix: processes that only receive, or only send, in the place of the mix's twin
//! on the same core, at the same rate over as many links; and opening packets without links.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Subcommand;
use rand::{Rng, RngExt};
use rohrpost_node::{Log, NodeError, Prepared, Tasks, prepare, supervise};
use rohrpost_packet::{
    Buffer, Classic, Delay, Generation, HopSecretKey, Hybrid, NodeNumber, Suite, open_header,
};
use rohrpost_proto::frame::frame_len;
use rohrpost_proto::roster::SuiteName;
use rohrpost_transport::{Accepted, NodeEndpoint, PacketOutbox, PeerAddress};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use super::MixError;
use super::cores::Cores;
use super::feed::Supply;
use super::neighbours::endpoint_config;
use super::process::CpuTimes;
use super::stand::Stand;
use super::stock::{Target, packet};
use super::window::micros_per;

/// Half a mix, run as a process of its own.
#[derive(Subcommand)]
pub(crate) enum Part {
    /// Accept packet links and drop what comes.
    Receive {
        /// A mix's configuration.
        file: PathBuf,
    },
    /// Send prepared frames to the mix's successors, then print what it cost to hand them over.
    Send {
        /// Frames a second.
        rate: f64,
        /// For how many seconds.
        seconds: u64,
        /// A mix's configuration.
        file: PathBuf,
    },
}

impl Part {
    /// Runs until it is told to stop, in the runtime of a node.
    ///
    /// # Errors
    /// It cannot start.
    pub(crate) fn run(self) -> Result<(), NodeError> {
        let (Self::Receive { file } | Self::Send { file, .. }) = &self;
        let prepared = prepare(file, false)?;
        let log = Log::new(prepared.node.name.clone());
        match prepared.roster.suite {
            SuiteName::Hybrid => supervise(&log, || async { self.start::<Hybrid>(&prepared) }),
            SuiteName::Classic => supervise(&log, || async { self.start::<Classic>(&prepared) }),
        }
    }

    /// To be called within the runtime.
    fn start<S: Suite>(self, prepared: &Prepared) -> Result<Tasks, NodeError> {
        let config = endpoint_config::<S>(&prepared.roster, prepared.node.role);
        let key = std::sync::Arc::clone(&prepared.key);
        let endpoint = NodeEndpoint::bind(prepared.config.listen, key, config)?;
        let mut tasks = Tasks::new();
        match self {
            Self::Receive { .. } => drop(tasks.spawn(receive_all(endpoint))),
            Self::Send { rate, seconds, .. } => {
                let bound = prepared.config.limits.queue_packets;
                let successors = prepared.roster.successors(prepared.node.role);
                let link = |node: &rohrpost_proto::roster::RosterNode| {
                    let peer = PeerAddress {
                        number: node.number,
                        identity: node.identity,
                        addresses: node.addresses.clone(),
                    };
                    PacketOutbox::connect(&endpoint, peer, bound, |_| {})
                };
                let links: Vec<_> = successors.map(link).collect();
                let mut frame = vec![0; frame_len::<S>()];
                rand::rng().fill_bytes(&mut frame);
                let duration = Duration::from_secs(seconds);
                std::thread::Builder::new()
                    .name(PACER.into())
                    .spawn(move || pace(&links, &frame, rate, duration))
                    .map_err(|source| NodeError::System { what: "start a thread", source })?;
                tasks.spawn(async move {
                    let _endpoint = endpoint;
                    std::future::pending().await
                });
            }
        }
        Ok(tasks)
    }
}

async fn receive_all(endpoint: NodeEndpoint) -> &'static str {
    let mut links = tokio::task::JoinSet::new();
    while let Some(accepted) = endpoint.accept().await {
        if let Accepted::Packet { mut frames, .. } = accepted {
            links.spawn(async move { while frames.recv().await.is_ok() {} });
        }
    }
    "endpoint"
}

/// Sends at the times of a Poisson process, as packets leave a mix; prints how many and the CPU time
/// of handing them over. The links live until the process is told to stop.
fn pace(links: &[PacketOutbox], frame: &[u8], rate: f64, duration: Duration) {
    while !links.iter().all(PacketOutbox::is_up) {
        sleep(Duration::from_millis(10));
    }
    let (started, mut due) = (Instant::now(), Duration::ZERO);
    let (mut sent, mut handing_over) = (0_u64, Duration::ZERO);
    for link in links.iter().cycle() {
        due += Duration::from_secs_f64(-rand::rng().random_range(f64::EPSILON..1.0).ln() / rate);
        if due > duration {
            break;
        }
        let now = started.elapsed();
        if due > now {
            sleep(due - now);
        }
        let frame = Buffer::from(frame);
        let before = thread_time();
        sent += u64::from(link.try_send(frame).is_ok());
        handing_over += thread_time().saturating_sub(before);
    }
    let line = json!({ "sent": sent, "handing_over_ns": nanos(handing_over) });
    let _ = writeln!(std::io::stdout(), "{line}");
    loop {
        std::thread::park();
    }
}

/// What the links cost alone.
pub(super) struct Alone {
    /// Microseconds of CPU per packet.
    pub(super) per_packet: f64,
    /// Packets a second that went through.
    pub(super) rate: f64,
}

/// Receiving at this rate.
pub(super) fn receive<S: Suite>(
    stand: &Stand<S>,
    rate: f64,
    length: Duration,
) -> Result<Alone, MixError> {
    let process = stand.start_twin(&["mix-part", "receive"])?;
    let links = stand.links_to_twin();
    wait(|| links.iter().all(PacketOutbox::is_up))?;
    let mut frame = vec![0; frame_len::<S>()];
    rand::rng().fill_bytes(&mut frame);
    let supply = Supply::Blank(frame.into());
    let seen = stand.feed(&links, supply, (rate, SETTLE + length), |fed| {
        sleep(SETTLE);
        let before = (process.cpu()?, fed.taken(), Instant::now());
        sleep(length.saturating_sub(Duration::from_millis(100)));
        Ok((before, (process.cpu()?, fed.taken(), Instant::now())))
    });
    let (before, after) = seen.map_err(MixError::System)?;
    let packets = after.1 - before.1;
    let cpu = after.0.since(&before.0).total();
    Ok(Alone {
        per_packet: micros_per(cpu, packets),
        rate: per_second(packets, after.2.duration_since(before.2)),
    })
}

/// Sending at this rate.
pub(super) fn send<S: Suite>(
    stand: &Stand<S>,
    rate: f64,
    length: Duration,
) -> Result<Alone, MixError> {
    let seconds = (SETTLE + length).as_secs() + 1;
    let (rate, sink) = (rate.to_string(), stand.neighbours.sink());
    let before = sink.arrived();
    let mut process = stand.start_twin(&["mix-part", "send", &rate, &seconds.to_string()])?;
    wait(|| sink.arrived() > before)?;
    sleep(SETTLE);
    let look = || Ok((process.cpu()?, sink.arrived(), Instant::now()));
    let before: (CpuTimes, u64, Instant) = look().map_err(MixError::System)?;
    sleep(length);
    let after: (CpuTimes, u64, Instant) = look().map_err(MixError::System)?;
    let (packets, cpu) = (after.1 - before.1, after.0.since(&before.0));
    let mut line = String::new();
    if let Some(stdout) = process.stdout() {
        BufReader::new(stdout).read_line(&mut line).map_err(MixError::System)?;
    }
    let told: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
    let (Some(sent), Some(handing_over)) =
        (told["sent"].as_u64(), told["handing_over_ns"].as_u64())
    else {
        return Err(MixError::Ended("the send-only process told nothing".into()));
    };
    let links = cpu.total().saturating_sub(cpu.of(PACER));
    Ok(Alone {
        per_packet: micros_per(links, packets)
            + micros_per(Duration::from_nanos(handing_over), sent),
        rate: per_second(packets, after.2.duration_since(before.2)),
    })
}

/// Microseconds that opening one packet and its payload takes on the mix's core: the median of
/// rounds. Building the packets is not counted.
pub(super) fn unwrap<S: Suite>(cores: &Cores) -> Result<f64, MixError> {
    let mut rng = rand::rng();
    let key = HopSecretKey::<S>::generate(Generation::new(1), &mut rng);
    let target =
        Target { key: key.public().clone(), layer: 1, successors: vec![NodeNumber::new(1)] };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let packets = (0..ROUND)
            .map(|mark| Ok(packet(&target, mark, Delay::ZERO, &mut rng)?.packet))
            .collect::<Result<Vec<_>, _>>()
            .map_err(MixError::Build)?;
        let time = cores.on_mix(|| {
            let before = thread_time();
            for packet in packets {
                let opened = open_header(packet, 1, &key);
                std::hint::black_box(opened.map(rohrpost_packet::Opened::forward).is_ok());
            }
            thread_time().saturating_sub(before)
        });
        rounds.push(micros_per(time, ROUND));
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[rounds.len() / 2])
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn wait(done: impl Fn() -> bool) -> Result<(), MixError> {
    let started = Instant::now();
    while !done() {
        if started.elapsed() > PATIENCE {
            return Err(MixError::Start("the links of the twin do not come up".into()));
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts of packets are far below 2^53")]
fn per_second(packets: u64, time: Duration) -> f64 {
    packets as f64 / time.as_secs_f64()
}

/// The thread whose waiting is not the links' cost.
const PACER: &str = "pacer";
const SETTLE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);
const ROUNDS: usize = 21;
const ROUND: u64 = 200;
