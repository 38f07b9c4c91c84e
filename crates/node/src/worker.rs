//! Worker threads: each owns its state, takes jobs from a bounded queue, and wakes by itself when
//! something is due. No async, so cryptography never holds up a network task.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use rohrpost_proto::time::Time;

use crate::{Clock, NodeError};

/// What a worker does.
pub trait Work: Send + 'static {
    /// What it is given.
    type Job: Send + 'static;

    /// Does a job.
    fn handle(&mut self, now: Time, job: Self::Job);

    /// When [`Self::run_due`] is to be called next.
    fn due(&self) -> Option<Time>;

    /// Does what is due.
    fn run_due(&mut self, now: Time);
}

/// Gives jobs to one worker; the worker ends when all its handles are dropped.
pub struct Handle<J>(SyncSender<J>);

impl<J> Clone for Handle<J> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<J> Handle<J> {
    /// Queues a job; gives it back if the queue is full or the worker gone.
    ///
    /// # Errors
    /// The job was not taken; the newest is shed.
    pub fn try_send(&self, job: J) -> Result<(), J> {
        self.0.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
        })
    }
}

/// Jobs that wait for a worker.
pub struct Queue<J>(Receiver<J>);

/// Makes a queue of `bound` jobs, for a worker that [`serve`] starts later.
#[must_use]
pub fn queue<J>(bound: usize) -> (Handle<J>, Queue<J>) {
    let (sender, jobs) = sync_channel(bound);
    (Handle(sender), Queue(jobs))
}

/// Starts a worker thread on a queue.
///
/// # Errors
/// The system gives no thread.
pub fn serve<W: Work>(
    name: String,
    clock: Clock,
    queue: Queue<W::Job>,
    work: W,
) -> Result<(), NodeError> {
    std::thread::Builder::new()
        .name(name)
        .spawn(move || run(clock, &queue.0, work))
        .map_err(|source| NodeError::System { what: "start a worker thread", source })?;
    Ok(())
}

/// Starts a worker thread with a queue of `bound` jobs.
///
/// # Errors
/// The system gives no thread.
pub fn spawn<W: Work>(
    name: String,
    clock: Clock,
    bound: usize,
    work: W,
) -> Result<Handle<W::Job>, NodeError> {
    let (handle, jobs) = queue(bound);
    serve(name, clock, jobs, work)?;
    Ok(handle)
}

fn run<W: Work>(clock: Clock, jobs: &Receiver<W::Job>, mut work: W) {
    loop {
        let wait = work.due().map_or(IDLE, |due| clock.until(due).min(IDLE));
        match jobs.recv_timeout(wait) {
            Ok(job) => work.handle(clock.now(), job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = clock.now();
        if work.due().is_some_and(|due| due <= now) {
            work.run_due(now);
        }
    }
}

/// Longest sleep of a worker with nothing to do.
const IDLE: Duration = Duration::from_secs(1);
