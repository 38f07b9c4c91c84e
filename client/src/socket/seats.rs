//! Seats of the programs that converse with a daemon. When all are taken, a new program gets the
//! seat of the one that was idle for longest: programs that have nothing to say keep nobody out.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::{AbortHandle, Id, JoinSet};

/// A program's seat. It is held while a request is being answered, and from a subscription on:
/// whoever waits for notices is idle of right.
#[derive(Clone)]
pub(super) struct Seat {
    /// Number of the last use among all seats' uses, [`HELD`] while the seat is held.
    used: Arc<AtomicU64>,
    uses: Arc<AtomicU64>,
}

impl Seat {
    pub(super) fn hold(&self) {
        self.used.store(HELD, Ordering::Relaxed);
    }

    /// Lets the seat go to others, once all that are idle for longer have lost theirs.
    pub(super) fn release(&self) {
        self.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn idle_since(&self) -> Option<u64> {
        Some(self.used.load(Ordering::Relaxed)).filter(|used| *used != HELD)
    }
}

/// All seats, with the conversations in them. At most [`CONNECTIONS`].
pub(super) struct Seats {
    conversations: JoinSet<()>,
    taken: HashMap<Id, (Seat, AbortHandle)>,
    uses: Arc<AtomicU64>,
}

impl Seats {
    pub(super) fn new() -> Self {
        let (conversations, taken) = (JoinSet::new(), HashMap::new());
        Self { conversations, taken, uses: Arc::default() }
    }

    /// A seat for a new program; none if all are held.
    pub(super) fn take(&mut self) -> Option<Seat> {
        if self.taken.len() >= CONNECTIONS && !self.vacate() {
            return None;
        }
        let seat = Seat { used: Arc::default(), uses: Arc::clone(&self.uses) };
        seat.release();
        Some(seat)
    }

    pub(super) fn seat(
        &mut self,
        seat: Seat,
        conversation: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.conversations.spawn(conversation);
        self.taken.insert(task.id(), (seat, task));
    }

    /// Ends the conversation that was idle for longest; false if none is idle.
    pub(super) fn vacate(&mut self) -> bool {
        let idle = self.taken.iter().filter_map(|(id, (seat, _))| Some((seat.idle_since()?, *id)));
        let Some((_, id)) = idle.min_by_key(|(since, _)| *since) else {
            return false;
        };
        if let Some((_, task)) = self.taken.remove(&id) {
            task.abort();
        }
        true
    }

    /// Waits for a conversation to end, and takes its seat back.
    pub(super) async fn ended(&mut self) {
        match self.conversations.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.taken.remove(&id)),
            Some(Err(error)) => drop(self.taken.remove(&error.id())),
            None => std::future::pending().await,
        }
    }
}

const HELD: u64 = u64::MAX;
/// Programs that converse at once.
const CONNECTIONS: usize = 32;
