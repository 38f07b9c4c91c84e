//! Worker threads: each owns its state, takes jobs from a bounded queue, and wakes by itself when
//! something is due. No async, so cryptography never holds up a network task. A worker that ends or
//! panics ends the process: a task among the node's [`Tasks`] stands for each.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use rohrpost_network::Clock;
use rohrpost_proto::time::Time;
use tokio::sync::oneshot;

use crate::error::NodeError;
use crate::process::Tasks;

/// Work of one thread, with all its state.
pub trait Work: Send + 'static {
    /// A job for the worker.
    type Job: Send + 'static;

    /// Does one job, taken from the queue at `now`.
    fn handle(&mut self, now: Time, job: Self::Job);

    /// Time at which [`Self::run_due`] is to be called next.
    fn due(&self) -> Option<Time>;

    /// Does all that is due at `now`.
    fn run_due(&mut self, now: Time);
}

/// Sender of jobs to one worker; the worker ends when all its handles are dropped.
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

/// Queue of jobs that wait for a worker.
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
    name: &'static str,
    clock: Clock,
    queue: Queue<W::Job>,
    work: W,
    tasks: &mut Tasks,
) -> Result<(), NodeError> {
    let (alive, ended) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            // Dropped when the thread ends, by whatever cause; the queue before it.
            let _alive = alive;
            let queue = queue;
            run(clock, &queue.0, work);
        })
        .map_err(|source| NodeError::System { what: "start a worker thread", source })?;
    tasks.spawn(async move {
        let _ = ended.await;
        name
    });
    Ok(())
}

/// Starts a worker thread with a queue of `bound` jobs.
///
/// # Errors
/// The system gives no thread.
pub fn spawn<W: Work>(
    name: &'static str,
    clock: Clock,
    bound: usize,
    work: W,
    tasks: &mut Tasks,
) -> Result<Handle<W::Job>, NodeError> {
    let (handle, jobs) = queue(bound);
    serve(name, clock, jobs, work, tasks)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts its jobs into a channel; panics at job 3.
    struct Counter(SyncSender<u32>);

    impl Work for Counter {
        type Job = u32;

        fn handle(&mut self, _: Time, job: u32) {
            assert_ne!(job, 3, "a bug");
            self.0.send(job).unwrap();
        }

        fn due(&self) -> Option<Time> {
            None
        }

        fn run_due(&mut self, _: Time) {}
    }

    #[tokio::test]
    async fn a_worker_that_panics_ends_a_task_with_its_name() {
        let (done, seen) = sync_channel(8);
        let mut tasks = Tasks::new();
        let worker = spawn("counter", Clock::start(), 8, Counter(done), &mut tasks).unwrap();
        worker.try_send(1).unwrap();
        assert_eq!(seen.recv(), Ok(1));
        tokio::select! {
            biased;
            fault = tasks.fault() => panic!("{fault}"),
            () = std::future::ready(()) => {}
        }
        worker.try_send(3).unwrap();
        assert!(matches!(tasks.fault().await, NodeError::TaskEnded("counter")));
        assert_eq!(worker.try_send(4), Err(4));
    }

    #[test]
    fn a_full_queue_gives_the_newest_back() {
        let (handle, _queue) = queue(2);
        assert_eq!(handle.try_send(1), Ok(()));
        assert_eq!(handle.try_send(2), Ok(()));
        assert_eq!(handle.try_send(3), Err(3));
    }
}
