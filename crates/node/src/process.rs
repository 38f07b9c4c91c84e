//! A node as a process: its runtime, its tasks, its end.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rohrpost_network::Clock;
use rohrpost_packet::{Classic, Hybrid, Suite};
use rohrpost_proto::directory::roster::SuiteName;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::clock_check;
use crate::error::NodeError;
use crate::log::{Event, Log};
use crate::prepared::{Duty, Prepared, prepare};

/// The tasks of a node; each gives its name when it ends, which it must not.
pub type Tasks = JoinSet<&'static str>;

/// A program that runs nodes of one duty, of whichever suite the roster names.
pub trait Program {
    /// The duty of the nodes that the program runs.
    const DUTY: Duty;

    /// Starts a node of suite `S` whose role is the program's duty.
    fn start<S: Suite>(prepared: Prepared) -> impl Future<Output = Result<Tasks, NodeError>>;
}

/// Runs the node that a configuration describes, until SIGTERM or SIGINT.
///
/// # Errors
/// The node cannot start; the error says what to do. Or one of its tasks ended, or its clock is no
/// longer the machine's.
pub fn run<P: Program>(configuration: &Path) -> Result<(), NodeError> {
    let prepared = prepare(configuration, P::DUTY)?;
    let log = Log::new(prepared.node.name.clone());
    let clock = prepared.clock_tolerance();
    match prepared.roster.suite {
        SuiteName::Hybrid => supervise(&log, clock, || P::start::<Hybrid>(prepared)),
        SuiteName::Classic => supervise(&log, clock, || P::start::<Classic>(prepared)),
    }
}

/// Runs a node until it is told to stop (SIGTERM, SIGINT), one of its tasks ends or the machine's
/// clock has gone further off than `allowed`. SIGHUP is ignored: a running node reads no files.
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
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = parted => return Err(NodeError::Clock { seconds: allowed.as_secs() }),
            ended = tasks.join_next() => {
                return Err(match ended {
                    Some(Ok(name)) => NodeError::TaskEnded(name),
                    _ => NodeError::Panicked,
                });
            }
        }
        log.write(&Event::Stopping);
        tasks.shutdown().await;
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
