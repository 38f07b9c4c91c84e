//! The testbed: a roster with a mix of the middle layer in it as a process, all others played by
//! the tool, and what is read off while it is loaded.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use rohrpost_localnet::{
    ChildProcess, Interrupt, NetworkDirectory, NodePages, NodePlan, Plan, PlanOptions,
};
use rohrpost_measure::exposition::Exposition;
use rohrpost_measure::output::tell;
use rohrpost_measure::process::{CpuTimes, highest_memory};
use rohrpost_measure::progress::{self, BAR};
use rohrpost_measure::report::Report;
use rohrpost_measure::statistics::whole;
use rohrpost_network::Network;
use rohrpost_node::Limits;
use rohrpost_packet::{Generation, HopPublicKey, Suite};
use rohrpost_proto::directory::roster::{Role, Roster, RosterNode, SuiteName};
use rohrpost_transport::PacketOutbox;
use tokio::runtime::Runtime;

use super::cores::Cores;
use super::error::MixError;
use super::generator::{Fed, Supply};
use super::pacer::Pacer;
use super::packets::{Order, Packets, Target};
use super::peers::Peers;
use super::stages::{Stages, packets};

/// A mix that is ready, and everything around it.
pub(super) struct Testbed<S: Suite> {
    pub(super) cores: Cores,
    pub(super) peers: Peers<S>,
    pub(super) roster: Arc<Roster>,
    /// The other mix of the same layer, whose place receive-only and send-only processes take.
    pub(super) twin: (RosterNode, PathBuf),
    pub(super) links: Vec<PacketOutbox>,
    process: ChildProcess,
    config: PathBuf,
    pages: NodePages,
    target: Target<S>,
    next_mark: u64,
    quiet: bool,
    /// Dropped after everything with a task or a file in it.
    runtime: Runtime,
    files: NetworkDirectory,
}

/// View of the mix from outside at one moment.
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) cpu: CpuTimes,
    pub(super) stages: Option<Stages>,
    /// Packets that came into the mix, by its own count.
    pub(super) received: u64,
    /// Packets that have come out at the successors.
    pub(super) arrived: u64,
    pub(super) metrics: Exposition,
    /// Packets that were due, and those that links took.
    pub(super) offered: u64,
    pub(super) taken: u64,
}

impl<S: Suite> Testbed<S> {
    /// Makes keys and roster, starts the mix, and waits until it is ready.
    pub(super) fn start(suite: SuiteName, quiet: bool) -> Result<Self, MixError> {
        let cores = Cores::of_this_process();
        cores.use_tool();
        let start = |error: &dyn std::fmt::Display| MixError::Start(error.to_string());
        let files = NetworkDirectory::temporary("loadgen-mix").map_err(|error| start(&error))?;
        let directory = files.path();
        let plan = Plan::make(directory, &plan_options(suite)).map_err(|error| start(&error))?;
        let roster = Network::open(directory).map_err(|error| start(&error))?.roster;
        let (plan, twin) = twins(&plan)?;
        let (node, twin_node) = (entry(&roster, plan)?, entry(&roster, twin)?);
        let runtime = runtime(&files)?;
        let entered = runtime.enter();
        let peers = Peers::start(&roster, directory, &node)?;
        let mut process = start_mix(&cores, &files, &plan.config)?;
        let links = peers.links_to(&node);
        drop(entered);
        let pages = NodePages::at(plan.metrics).within(DEADLINE);
        if !quiet {
            tell(&format!("waiting for {} and its links", plan.name));
        }
        let ready = || runtime.block_on(pages.ready());
        let key = until_ready(&peers, &links, None, ready, &mut process)?;
        let successors = roster.successors(MIDDLE).map(|node| node.number).collect();
        Ok(Self {
            cores,
            peers,
            twin: (twin_node, twin.config.clone()),
            links,
            process,
            config: plan.config.clone(),
            pages,
            target: Target { key, layer: MIDDLE.position(), successors },
            next_mark: 1,
            quiet,
            runtime,
            files,
            roster,
        })
    }

    /// Ends the mix, starts it again with the same configuration, and waits until it is ready with
    /// another key, for which packets are built from now on.
    pub(super) fn restart(&mut self) -> Result<(), MixError> {
        self.process.stop();
        self.process = start_mix(&self.cores, &self.files, &self.config)?;
        self.note("waiting for the mix that was started again");
        let ready = || self.runtime.block_on(self.pages.ready());
        let former = Some(self.target.key.generation());
        self.target.key = until_ready(&self.peers, &self.links, former, ready, &mut self.process)?;
        Ok(())
    }

    /// A report that begins with what is measured.
    pub(super) fn report(&self) -> Report {
        let (suite, cores) = (self.roster.suite.as_str(), self.cores.describe());
        let mut report = Report::default();
        report.line(format!("one mix, suite {suite}, {cores}"));
        report.value("suite", suite);
        report.value("cores", cores);
        report
    }

    /// Generation of the key that packets are built for.
    pub(super) const fn generation(&self) -> Generation {
        self.target.key.generation()
    }

    /// Builds packets for the mix, with delays of this mean.
    pub(super) fn packets(&mut self, count: u64, mean: Duration) -> Result<Packets, MixError> {
        let bar = self.bar(count, "building packets");
        let order = Order { count, mean, first: self.next_mark };
        let packets = Packets::build(&self.target, order, &self.cores, &bar)?;
        bar.finish_and_clear();
        self.next_mark += count;
        Ok(packets)
    }

    /// Enough packets for a load of this rate and duration.
    pub(super) fn packets_for(&mut self, rate: f64, time: Duration) -> Result<Packets, MixError> {
        let wanted = rate * time.as_secs_f64();
        let count = whole(wanted + 5.0 * wanted.sqrt()) + 1;
        self.packets(count, self.roster.traffic.mix_delay)
    }

    /// Feeds packets at a rate in open loop while `observe` looks on.
    pub(super) fn load<T>(
        &self,
        packets: Packets,
        (rate, duration): (f64, Duration),
        observe: impl FnOnce(&Self, &Fed) -> T,
    ) -> T {
        self.peers.sink().follow(packets.journal());
        self.feed(&self.links, Supply::Packets(packets), (rate, duration), |fed| observe(self, fed))
    }

    /// Feeds any supply over any links in open loop, which does not ask how the mix is doing: at
    /// the times of a Poisson process, for `duration` or until the supply ends.
    pub(super) fn feed<T>(
        &self,
        links: &[PacketOutbox],
        supply: Supply,
        (rate, duration): (f64, Duration),
        observe: impl FnOnce(&Fed) -> T,
    ) -> T {
        let fed = Fed::default();
        thread::scope(|scope| {
            let feeder = scope.spawn(|| {
                let mut pacer = Pacer::start(rate, duration);
                fed.feed_all(links, supply, || pacer.wait());
            });
            let seen = observe(&fed);
            feeder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            seen
        })
    }

    /// Starts this program again in the place of the twin, with these arguments and its
    /// configuration.
    pub(super) fn start_twin(&self, arguments: &[&str]) -> Result<ChildProcess, MixError> {
        let config = self.twin.1.to_string_lossy();
        let arguments = [arguments, &[&*config]].concat();
        start_child(&self.cores, &self.files, "twin.log", &arguments)
    }

    /// Packet links from the predecessors to the twin.
    pub(super) fn links_to_twin(&self) -> Vec<PacketOutbox> {
        let _entered = self.runtime.enter();
        self.peers.links_to(&self.twin.0)
    }

    /// Reads everything that can be read now.
    pub(super) fn look(&self, fed: Option<&Fed>) -> io::Result<Moment> {
        let metrics = self.runtime.block_on(self.pages.metrics())?;
        let inspection = self.runtime.block_on(self.pages.inspection()).unwrap_or_default();
        Ok(Moment {
            at: Instant::now(),
            cpu: CpuTimes::read(self.process.pid())?,
            stages: Stages::parse(&inspection),
            received: packets(&inspection, "from")
                .unwrap_or_else(|| metrics.counter("rohrpost_packets_received_total")),
            arrived: self.peers.sink().arrived(),
            metrics,
            offered: fed.map_or(0, Fed::offered),
            taken: fed.map_or(0, Fed::taken),
        })
    }

    /// Most bytes that were resident in the mix since it began.
    pub(super) fn highest_memory(&self) -> Result<u64, MixError> {
        highest_memory(self.process.pid()).map_err(MixError::System)
    }

    /// Lets so many seconds of load pass.
    pub(super) fn pass(&self, seconds: u64, message: &'static str) {
        let bar = self.bar(seconds, message);
        for _ in 0..seconds {
            thread::sleep(Duration::from_secs(1));
            bar.inc(1);
        }
        bar.finish_and_clear();
    }

    /// The metrics after at least one whole tick.
    pub(super) fn settled_metrics(&self) -> Result<Exposition, MixError> {
        thread::sleep(TICK * 3 / 2);
        self.runtime.block_on(self.pages.metrics()).map_err(MixError::System)
    }

    /// An error if the mix has ended.
    pub(super) fn alive(&mut self) -> Result<(), MixError> {
        self.process.last_words().map_or(Ok(()), |words| Err(MixError::Ended(words)))
    }

    /// A bar for something long; silent without a terminal or with `--json`.
    pub(super) fn bar(&self, len: u64, message: &'static str) -> ProgressBar {
        progress::bar(self.quiet, len, BAR).with_message(message)
    }

    /// A line on what goes on, for people.
    pub(super) fn note(&self, line: &str) {
        if !self.quiet {
            tell(line);
        }
    }
}

/// Waits until the mix is ready, with another key than its former one.
fn until_ready<S: Suite>(
    peers: &Peers<S>,
    links: &[PacketOutbox],
    former: Option<Generation>,
    ready: impl Fn() -> Result<(), String>,
    process: &mut ChildProcess,
) -> Result<HopPublicKey<S>, MixError> {
    let started = Instant::now();
    loop {
        let up = links.iter().filter(|link| link.is_up()).count();
        let key = peers.key().filter(|key| Some(key.generation()) != former);
        let waiting = match (ready(), key) {
            (Ok(()), Some(key)) if up == links.len() => return Ok(key),
            (Ok(()), None) => "no new key is announced".to_owned(),
            (Ok(()), _) => format!("{up} of {} feeding links are up", links.len()),
            (Err(waiting), _) => waiting,
        };
        if let Some(words) = process.last_words() {
            return Err(MixError::Start(format!("the mix: {words}")));
        }
        if started.elapsed() > START_DEADLINE {
            return Err(MixError::Start(format!("the mix is not ready after a minute: {waiting}")));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A mix with this configuration.
fn start_mix(
    cores: &Cores,
    files: &NetworkDirectory,
    config: &Path,
) -> Result<ChildProcess, MixError> {
    start_child(cores, files, "mix.log", &["node", "mixnode", &*config.to_string_lossy()])
}

/// This program again, on the mix's core.
fn start_child(
    cores: &Cores,
    files: &NetworkDirectory,
    log: &str,
    arguments: &[&str],
) -> Result<ChildProcess, MixError> {
    let log = files.path().join(log);
    cores.on_mix(|| ChildProcess::start(&log, arguments)).map_err(MixError::System)
}

/// The mix that is measured, and the other one of its layer.
fn twins(plan: &Plan) -> Result<(&NodePlan, &NodePlan), MixError> {
    let mut mixes = plan.nodes.iter().filter(|node| node.role == MIDDLE);
    let twins = mixes.next().zip(mixes.next());
    twins.ok_or_else(|| MixError::Start("the plan has no two mixes in the middle layer".into()))
}

fn entry(roster: &Roster, plan: &NodePlan) -> Result<RosterNode, MixError> {
    let node = roster.nodes().find(|node| node.name == plan.name).cloned();
    node.ok_or_else(|| MixError::Start(format!("{} is not in the roster", plan.name)))
}

/// Runtime of the tool's links; on Ctrl-C the files go, and the children with their parent.
fn runtime(files: &NetworkDirectory) -> Result<Runtime, MixError> {
    let runtime = rohrpost_localnet::runtime().map_err(MixError::System)?;
    let directory = files.path().to_owned();
    let entered = runtime.enter();
    let mut interrupt = Interrupt::listen().map_err(MixError::System)?;
    drop(entered);
    runtime.spawn(async move {
        interrupt.asked().await;
        let _ = std::fs::remove_dir_all(&directory);
        std::process::exit(INTERRUPTED);
    });
    Ok(runtime)
}

/// A network whose nodes have the default limits, with one worker.
fn plan_options(suite: SuiteName) -> PlanOptions {
    let limits = Limits { workers: 1, replay_tags: REPLAY_TAGS, ..Limits::default() };
    PlanOptions::with_node_limits(suite, limits)
}

/// Layer 2 for people: mixes before it and mixes after it.
const MIDDLE: Role = Role::Mix { layer: 1 };
/// More than all packets of a measurement, so that the mix does not change its key meanwhile.
const REPLAY_TAGS: usize = 4_000_000;
/// The plan's configurations say one second.
pub(super) const TICK: Duration = Duration::from_secs(1);
const START_DEADLINE: Duration = Duration::from_secs(60);
/// A mix whose core is busy answers late.
const DEADLINE: Duration = Duration::from_secs(10);
const INTERRUPTED: i32 = 130;
