//! Client links: cells up into the entry, cells down at the ticks. No address is kept or logged.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rohrpost_packet::Suite;
use rohrpost_proto::entry::SessionHandle;
use rohrpost_proto::frame::UpCell;
use rohrpost_proto::hop::Refusal;
use rohrpost_transport::{CellSender, ClientLink, FrameReceiver};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Shared;

/// Ways down to the clients that are here.
#[derive(Default)]
pub(crate) struct Sessions {
    /// At most as many as the entry admits; each queue holds [`DOWN_BOUND`] cells.
    down: Mutex<HashMap<SessionHandle, mpsc::Sender<Box<[u8]>>>>,
    cells_up: AtomicU64,
    cells_down: AtomicU64,
}

impl Sessions {
    /// Queues a cell; one for a client that does not read is shed, and told so.
    pub(crate) fn send(&self, handle: SessionHandle, cell: Box<[u8]>) -> Result<(), Refusal> {
        let down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = down.get(&handle).ok_or(Refusal::Session)?;
        sender.try_send(cell).map_err(|_| Refusal::Overload)?;
        self.cells_down.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.down.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn cells_up(&self) -> u64 {
        self.cells_up.load(Ordering::Relaxed)
    }

    pub(crate) fn cells_down(&self) -> u64 {
        self.cells_down.load(Ordering::Relaxed)
    }
}

/// Serves a client until its link is gone.
pub(crate) async fn serve<S: Suite>(link: ClientLink, shared: Arc<Shared<S>>) {
    let joined = {
        let mut entry = shared.entry.lock().unwrap_or_else(PoisonError::into_inner);
        entry.join(&mut rand::rng())
    };
    let handle = match joined {
        Ok(handle) => handle,
        Err(reason) => return shared.metrics.drop_packet(reason),
    };
    let (sender, queue) = mpsc::channel(DOWN_BOUND);
    shared.sessions.down.lock().unwrap_or_else(PoisonError::into_inner).insert(handle, sender);
    let ClientLink { sender, receiver } = link;
    tokio::select! {
        () = write(sender, queue) => {}
        () = read(receiver, handle, &shared) => {}
    }
    shared.sessions.down.lock().unwrap_or_else(PoisonError::into_inner).remove(&handle);
    shared.entry.lock().unwrap_or_else(PoisonError::into_inner).leave(handle);
}

async fn write(mut sender: CellSender, mut queue: mpsc::Receiver<Box<[u8]>>) {
    while let Some(cell) = queue.recv().await {
        if sender.send(&cell).await.is_err() {
            return;
        }
    }
}

async fn read<S: Suite>(mut receiver: FrameReceiver, handle: SessionHandle, shared: &Shared<S>) {
    while let Ok(Ok(bytes)) = timeout(SILENCE, receiver.recv()).await {
        shared.sessions.cells_up.fetch_add(1, Ordering::Relaxed);
        let taken = UpCell::<S>::decode(&bytes).map_err(|_| Refusal::Frame).and_then(|cell| {
            let mut entry = shared.entry.lock().unwrap_or_else(PoisonError::into_inner);
            entry.handle_cell(handle, cell)
        });
        if let Err(reason) = taken {
            shared.metrics.drop_packet(reason);
        }
    }
}

/// A client that sends nothing for so long has left, or never meant to come: it must not hold a
/// session.
const SILENCE: Duration = Duration::from_secs(30);
/// Cells on their way to one client: a second's worth at the default rates.
const DOWN_BOUND: usize = 4;
