//! A node as a process: its runtime, its tasks, its end.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::error::NodeError;
use crate::log::{Event, Log};

/// The tasks of a node; each gives its name when it ends, which it must not.
pub type Tasks = JoinSet<&'static str>;

/// Runs a node until it is told to stop (SIGTERM, SIGINT) or one of its tasks ends. SIGHUP is
/// ignored: a running node reads no files.
///
/// # Errors
/// It could not start, or a task ended.
pub fn supervise<F>(log: &Log, start: impl FnOnce() -> F) -> Result<(), NodeError>
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
        let mut tasks = start().await?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
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

/// Ends a program: an error goes to standard error, its code to the shell.
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
