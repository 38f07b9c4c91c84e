//! A node as a process: its runtime, its tasks, its end.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_network::Clock;
use rohrpost_packet::{Classic, Hybrid, Suite};
use rohrpost_proto::directory::roster::SuiteName;
use rohrpost_transport::NodeEndpoint;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::clock_check;
use crate::error::NodeError;
use crate::log::{Event, Log};
use crate::planned_stop::PlannedStop;
use crate::prepared::{Duty, Prepared, prepare};

/// The tasks of a node; each gives its name when it ends, which it must not.
#[derive(Default)]
pub struct Tasks {
    set: JoinSet<&'static str>,
    stop: Option<PlannedStop>,
    endpoint: Option<Arc<NodeEndpoint>>,
}

impl Tasks {
    /// A set without tasks, to which a node adds its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task, within a runtime.
    pub fn spawn(&mut self, task: impl Future<Output = &'static str> + Send + 'static) {
        self.set.spawn(task);
    }

    /// Has the node's planned stop done before the tasks end, and its peers told of the end.
    pub(crate) fn end_by(&mut self, stop: PlannedStop, endpoint: Arc<NodeEndpoint>) {
        self.stop = Some(stop);
        self.endpoint = Some(endpoint);
    }

    /// The first end of a task, which must not come.
    pub(crate) async fn fault(&mut self) -> NodeError {
        match self.set.join_next().await {
            Some(Ok(name)) => NodeError::TaskEnded(name),
            _ => NodeError::Panicked,
        }
    }

    /// Ends all tasks, and tells the peers so.
    async fn end(mut self) {
        self.set.shutdown().await;
        if let Some(endpoint) = self.endpoint {
            endpoint.close().await;
        }
    }
}

/// A program that runs nodes of one duty, of whichever suite the roster names.
pub trait Program {
    /// The duty of the nodes that the program runs.
    const DUTY: Duty;

    /// Starts a node of suite `S` whose role is the program's duty.
    fn start<S: Suite>(prepared: Prepared) -> impl Future<Output = Result<Tasks, NodeError>>;
}

/// Runs the node that a configuration describes, until SIGTERM or SIGINT; [`supervise`] tells what they do.
///
/// # Errors
/// The node cannot start; the error says what to do. Or one of its tasks ended, or its clock is no
/// longer the machine's.
pub fn run<P: Program>(configuration: &Path) -> Result<(), NodeError> {
    let prepared = prepare(configuration, P::DUTY)?;
    let log = Log::new(prepared.node.name.clone());
    #[cfg(feature = "danger-reveal")]
    crate::reveal::start(&log)?;
    let clock = prepared.clock_tolerance();
    match prepared.roster.suite {
        SuiteName::Hybrid => supervise(&log, clock, || P::start::<Hybrid>(prepared)),
        SuiteName::Classic => supervise(&log, clock, || P::start::<Classic>(prepared)),
    }
}

/// Runs a node until it is told to stop, one of its tasks ends or the machine's clock has gone further off
/// than `allowed`. After SIGTERM it leaves the documents first and ends when nothing is on its way to it;
/// SIGINT or a second SIGTERM end it at once. SIGHUP is ignored: a running node reads no files.
///
/// # Errors
/// The node could not start, a task ended, or the node's clock is no longer the machine's.
pub fn supervise<F>(
    log: &Log,
    allowed: Duration,
    start: impl FnOnce() -> F,
) -> Result<(), NodeError>
where
    F: Future<Output = Result<Tasks, NodeError>>,
{
    let system = |what| move |source| NodeError::System { what, source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(system("watch signals"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system("watch signals"))?;
        let _ignored = signal(SignalKind::hangup()).map_err(system("watch signals"))?;
        let parted = clock_check::parted(Clock::start(), allowed);
        let mut tasks = start().await?;
        let stop = tasks.stop.take();
        let planned = async {
            terminate.recv().await;
            let Some(stop) = stop else { return };
            log.write(&Event::Leaving { within: stop.longest() });
            tokio::select! {
                () = stop.run() => {}
                _ = terminate.recv() => {}
            }
        };
        tokio::select! {
            () = planned => {}
            _ = interrupt.recv() => {}
            () = parted => return Err(NodeError::Clock { seconds: allowed.as_secs() }),
            fault = tasks.fault() => return Err(fault),
        }
        log.write(&Event::Stopping);
        tasks.end().await;
        Ok(())
    })
}

/// Ends a program: its error goes to standard error, the error's code to the shell.
#[must_use]
pub fn main(result: Result<(), NodeError>) -> ExitCode {
    use std::io::Write;
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Version, revision and wire versions, for `--version`.
#[must_use]
pub const fn version() -> &'static str {
    rohrpost_transport::VERSION
}
