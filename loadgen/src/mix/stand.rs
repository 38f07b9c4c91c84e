//! The test stand: a roster with a mix of the middle layer in it as a process, all others played by
//! the tool, and what is read off while it is loaded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rohrpost_localnet::output::tell;
use rohrpost_localnet::{NodePlan, Plan, PlanOptions};
use rohrpost_network::Network;
use rohrpost_packet::Suite;
use rohrpost_proto::roster::{Role, Roster, RosterNode, SuiteName};
use rohrpost_transport::PacketOutbox;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::MixError;
use super::cores::Cores;
use super::feed::{Fed, Supply, open_loop};
use super::neighbours::{Neighbours, within};
use super::process::CpuTimes;
use super::scrape::{Scrape, Stages, packets};
use super::stock::{Stock, Target};
use super::subject::{Pages, Subject};

/// A mix that is ready, and everything around it.
pub(super) struct Stand<S: Suite> {
    pub(super) cores: Cores,
    pub(super) neighbours: Neighbours<S>,
    pub(super) roster: Arc<Roster>,
    /// The other mix of the same layer, whose place receive-only and send-only processes take.
    pub(super) twin: (RosterNode, PathBuf),
    pub(super) links: Vec<PacketOutbox>,
    subject: Subject,
    pages: Pages,
    target: Target<S>,
    next_mark: u64,
    quiet: bool,
    /// After everything with a task or a file in them.
    _runtime: Runtime,
    scratch: Scratch,
}

/// What a moment looks like from outside the mix.
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) cpu: CpuTimes,
    pub(super) stages: Option<Stages>,
    /// Packets that came into the mix, by its own count.
    pub(super) received: u64,
    /// Packets that have come out at the successors.
    pub(super) arrived: u64,
    pub(super) metrics: Scrape,
    /// Packets that were due, and those that links took.
    pub(super) offered: u64,
    pub(super) taken: u64,
}

impl<S: Suite> Stand<S> {
    /// Makes keys and roster, starts the mix, and waits until it is ready.
    pub(super) fn start(suite: SuiteName, quiet: bool) -> Result<Self, MixError> {
        let scratch = Scratch::new()?;
        let cores = Cores::of_this_process();
        cores.use_tool();
        let start = |error: &dyn std::fmt::Display| MixError::Start(error.to_string());
        let plan =
            Plan::make(&scratch.0, &PlanOptions::new(suite)).map_err(|error| start(&error))?;
        let network = Network::open(&scratch.0).map_err(|error| start(&error))?;
        let roster = network.roster;
        let mut mixes = plan.nodes.iter().filter(|node| node.role == MIDDLE);
        let (Some(plan), Some(twin)) = (mixes.next(), mixes.next()) else {
            return Err(MixError::Start("the plan has no two mixes in the middle layer".into()));
        };
        let (subject_node, twin_node) = (entry(&roster, plan)?, entry(&roster, twin)?);
        let runtime = runtime(&scratch.0)?;
        let neighbours =
            within(runtime.handle(), || Neighbours::start(&roster, &scratch.0, &subject_node))?;
        let config = configuration(&plan.config).map_err(MixError::System)?;
        let arguments = ["node", "mixnode", &*config.to_string_lossy()];
        let mut subject = Subject::start(&cores, &scratch.0.join("mix.log"), &arguments)
            .map_err(MixError::System)?;
        let links = within(runtime.handle(), || neighbours.links_to(&subject_node));
        let pages = Pages(plan.metrics);
        if !quiet {
            tell(&format!("waiting for {} and its links", plan.name));
        }
        let key = until_ready(&neighbours, &links, pages, &mut subject)?;
        let successors = roster.successors(MIDDLE).map(|node| node.number).collect();
        let target = Target { key, layer: MIDDLE.position(), successors };
        Ok(Self {
            cores,
            neighbours,
            twin: (twin_node, twin.config.clone()),
            links,
            subject,
            pages,
            target,
            next_mark: 1,
            quiet,
            _runtime: runtime,
            scratch,
            roster,
        })
    }

    /// Builds packets for the mix, with delays of this mean.
    pub(super) fn stock(&mut self, count: u64, mean: Duration) -> Result<Stock, MixError> {
        let bar = self.bar(count, "building packets");
        let stock = Stock::build(&self.target, count, mean, self.next_mark, &self.cores, &bar)?;
        bar.finish_and_clear();
        self.next_mark += count;
        Ok(stock)
    }

    /// Enough packets for a load of this rate and duration.
    pub(super) fn stock_for(&mut self, rate: f64, duration: Duration) -> Result<Stock, MixError> {
        let mean = self.roster.traffic.mix_delay;
        let wanted = rate * duration.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of packets, and a cast from float saturates"
        )]
        let count = (wanted + 5.0 * wanted.sqrt()) as u64 + 1;
        self.stock(count, mean)
    }

    /// Feeds packets at a rate in open loop while `observe` looks on.
    pub(super) fn load<T>(
        &self,
        stock: Stock,
        (rate, duration): (f64, Duration),
        observe: impl FnOnce(&Self, &Fed) -> T,
    ) -> T {
        self.neighbours.sink().follow(stock.journal());
        self.feed(&self.links, Supply::Packets(stock), (rate, duration), |fed| observe(self, fed))
    }

    /// Feeds any supply over any links in open loop.
    pub(super) fn feed<T>(
        &self,
        links: &[PacketOutbox],
        supply: Supply,
        (rate, duration): (f64, Duration),
        observe: impl FnOnce(&Fed) -> T,
    ) -> T {
        let fed = Fed::default();
        thread::scope(|scope| {
            let feeder = scope.spawn(|| open_loop(links, supply, rate, duration, &fed));
            let seen = observe(&fed);
            feeder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            seen
        })
    }

    /// Starts this program again in the place of the twin, with these arguments and its
    /// configuration.
    pub(super) fn start_twin(&self, arguments: &[&str]) -> Result<Subject, MixError> {
        let config = self.twin.1.to_string_lossy();
        let arguments = [arguments, &[&*config]].concat();
        Subject::start(&self.cores, &self.scratch.0.join("twin.log"), &arguments)
            .map_err(MixError::System)
    }

    /// Packet links from the predecessors to the twin.
    pub(super) fn links_to_twin(&self) -> Vec<PacketOutbox> {
        within(self._runtime.handle(), || self.neighbours.links_to(&self.twin.0))
    }

    /// What can be read now.
    pub(super) fn look(&self, fed: Option<&Fed>) -> io::Result<Moment> {
        let metrics = self.pages.metrics()?;
        let inspection = self.pages.inspect();
        Ok(Moment {
            at: Instant::now(),
            cpu: self.subject.cpu()?,
            stages: Stages::parse(&inspection),
            received: packets(&inspection, "from")
                .unwrap_or_else(|| metrics.counter("rohrpost_packets_received_total")),
            arrived: self.neighbours.sink().arrived(),
            metrics,
            offered: fed.map_or(0, Fed::offered),
            taken: fed.map_or(0, Fed::taken),
        })
    }

    /// The mix's resident memory, in bytes.
    pub(super) fn memory(&self) -> io::Result<super::process::Memory> {
        self.subject.memory()
    }

    /// The metrics after at least one whole tick.
    pub(super) fn settled_metrics(&self) -> Result<Scrape, MixError> {
        thread::sleep(TICK * 3 / 2);
        self.pages.metrics().map_err(MixError::System)
    }

    /// An error if the mix has ended.
    pub(super) fn alive(&mut self) -> Result<(), MixError> {
        self.subject.last_words().map_or(Ok(()), |words| Err(MixError::Ended(words)))
    }

    /// A bar for something long; silent without a terminal or with `--json`.
    pub(super) fn bar(&self, len: u64, message: &'static str) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(len).with_message(message);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({eta})") {
            bar.set_style(style);
        }
        bar
    }

    /// A line on what goes on, for people.
    pub(super) fn note(&self, line: &str) {
        if !self.quiet {
            tell(line);
        }
    }
}

fn until_ready<S: Suite>(
    neighbours: &Neighbours<S>,
    links: &[PacketOutbox],
    pages: Pages,
    subject: &mut Subject,
) -> Result<rohrpost_packet::HopPublicKey<S>, MixError> {
    let started = Instant::now();
    loop {
        let up = links.iter().filter(|link| link.is_up()).count();
        let waiting = match (pages.ready(), neighbours.key()) {
            (Ok(()), Some(key)) if up == links.len() => return Ok(key),
            (Ok(()), _) => format!("{up} of {} feeding links are up", links.len()),
            (Err(waiting), _) => waiting,
        };
        if let Some(words) = subject.last_words() {
            return Err(MixError::Start(format!("the mix: {words}")));
        }
        if started.elapsed() > START_PATIENCE {
            return Err(MixError::Start(format!("the mix is not ready after a minute: {waiting}")));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn entry(roster: &Roster, plan: &NodePlan) -> Result<RosterNode, MixError> {
    let node = roster.nodes().find(|node| node.name == plan.name).cloned();
    node.ok_or_else(|| MixError::Start(format!("{} is not in the roster", plan.name)))
}

/// Links and files of the tool; on Ctrl-C the files go, and the children with their parent.
fn runtime(scratch: &Path) -> Result<Runtime, MixError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(MixError::System)?;
    let scratch = scratch.to_owned();
    let signals = within(runtime.handle(), || {
        Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    });
    let (mut interrupt, mut terminate) = signals.map_err(MixError::System)?;
    runtime.spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let _ = fs::remove_dir_all(&scratch);
        std::process::exit(INTERRUPTED);
    });
    Ok(runtime)
}

/// The mix's own configuration, but with the limits of this measurement.
fn configuration(planned: &Path) -> io::Result<PathBuf> {
    let text = fs::read_to_string(planned)?;
    let kept = text.split("[limits]").next().unwrap_or_default();
    let path = planned.with_file_name("measured.toml");
    fs::write(&path, format!("{kept}[limits]\nworkers = 1\nreplay_tags = {REPLAY_TAGS}\n"))?;
    Ok(path)
}

/// A directory that goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, MixError> {
        let name = format!("rohrpost-loadgen-mix-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).map_err(MixError::System)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Layer 2 for people: mixes before it and mixes after it.
const MIDDLE: Role = Role::Mix { layer: 1 };
/// More than all packets of a measurement, so that the mix does not change its key meanwhile.
const REPLAY_TAGS: usize = 4_000_000;
/// The plan's configurations say one second.
pub(super) const TICK: Duration = Duration::from_secs(1);
const START_PATIENCE: Duration = Duration::from_secs(60);
const INTERRUPTED: i32 = 130;
