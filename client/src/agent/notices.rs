//! Notices with numbers, and the newest of them, so that a program that was away goes on where it
//! was.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use rand::Rng;
use tokio::sync::{broadcast, watch};

use crate::api::{Notice, SubscribeRequest};
use crate::randomness;

/// All notices of a client since its start: the newest are kept.
#[derive(Clone)]
pub(crate) struct NoticeLog {
    /// Name of this run of the client, drawn at its start: numbers of another run mean nothing.
    run: Arc<str>,
    history: Arc<Mutex<History>>,
    /// The number of the next notice, for those who wait for it.
    told: Arc<watch::Sender<u64>>,
    now: broadcast::Sender<Notice>,
}

#[derive(Default)]
struct History {
    /// Notices that are kept, by rising numbers; at most [`KEPT`].
    kept: VecDeque<(u64, Notice)>,
    next: u64,
    /// Number before which notices are not kept any more.
    lost: u64,
}

/// Notices one after the other, for one reader.
pub(crate) struct NoticeReader {
    history: Arc<Mutex<History>>,
    told: watch::Receiver<u64>,
    /// Number of the next notice to read; none if the reader asks for those of another run.
    next: Option<u64>,
}

impl NoticeLog {
    pub(super) fn new() -> Self {
        let mut run = [0; 8];
        randomness::rng().fill_bytes(&mut run);
        let (now, _) = broadcast::channel(BEHIND);
        Self {
            run: HEXLOWER.encode(&run).into(),
            history: Arc::default(),
            told: Arc::new(watch::Sender::new(0)),
            now,
        }
    }

    /// Name of this run of the client.
    #[must_use]
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// Notices as they happen from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.now.subscribe()
    }

    /// Notices from where the reader was, or from now on. If some of them are gone, or were those of
    /// another run, the first says so.
    #[must_use]
    pub(crate) fn read(&self, from: &SubscribeRequest) -> NoticeReader {
        let newest = lock(&self.history).next;
        let next = match (&from.run, from.from) {
            (Some(run), Some(from)) if **run == *self.run && from <= newest => Some(from),
            (None, None) => Some(newest),
            _ => None,
        };
        NoticeReader { history: Arc::clone(&self.history), told: self.told.subscribe(), next }
    }

    /// True if somebody hears of each step; what lasts is to be told in any case.
    pub(super) fn is_heard(&self) -> bool {
        self.now.receiver_count() > 0 || self.told.receiver_count() > 0
    }

    /// Tells all readers.
    pub(super) fn tell(&self, notice: Notice) {
        let next = lock(&self.history).push(notice.clone());
        self.told.send_replace(next);
        let _ = self.now.send(notice);
    }
}

impl History {
    /// Adds a notice, and returns the number of the next.
    fn push(&mut self, notice: Notice) -> u64 {
        // Of a message on its way, its newest state says all that the others said.
        if let Notice::Outgoing(new) = &notice {
            self.kept.retain(|(_, old)| match old {
                Notice::Outgoing(old) => old.message != new.message,
                _ => true,
            });
        }
        self.kept.push_back((self.next, notice));
        self.next += 1;
        while self.kept.len() > KEPT {
            if let Some((number, _)) = self.kept.pop_front() {
                self.lost = number + 1;
            }
        }
        self.next
    }

    /// The first notice from a number on, and the number to go on from after it.
    fn from(&self, next: Option<u64>) -> Option<(u64, Notice)> {
        match next {
            None => Some((self.lost, Notice::Missed(None))),
            Some(next) if next < self.lost => {
                Some((self.lost, Notice::Missed(Some(self.lost - next))))
            }
            Some(next) => {
                let (number, notice) = self.kept.iter().find(|(number, _)| *number >= next)?;
                Some((number + 1, notice.clone()))
            }
        }
    }
}

impl NoticeReader {
    /// Waits for the next notice, and gives it with the number to go on from after it; none once the
    /// client has ended. No notice is lost if the wait is broken off.
    pub(crate) async fn next(&mut self) -> Option<(u64, Notice)> {
        loop {
            self.told.mark_unchanged();
            let found = lock(&self.history).from(self.next);
            if let Some((next, notice)) = found {
                self.next = Some(next);
                return Some((next, notice));
            }
            self.told.changed().await.ok()?;
        }
    }
}

fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notices that are kept: those of a day, for most clients, and at most a megabyte.
const KEPT: usize = 1024;
/// Notices by which a slow reader within the process can be behind.
const BEHIND: usize = 256;

#[cfg(test)]
mod tests;
