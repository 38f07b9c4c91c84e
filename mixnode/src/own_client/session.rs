//! A session of the mix's own client: it keeps the grid as everybody's client does. At a slot it
//! writes bytes; the next cell is built on another thread once they are written.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_network::Clock;
use rohrpost_node::Handle;
use rohrpost_packet::{Buffer, NodeNumber, SessionId, Suite};
use rohrpost_proto::courier::{Courier, Departure, Event};
use rohrpost_proto::directory::document::{STALE_AFTER, SignedDocument};
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::{ChunkAssembler, DownCell};
use rohrpost_proto::time::{Steady, Time};
use rohrpost_transport::{CellSender, ClientLink, FrameReceiver};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::job::CoverJob;

/// The client as long as it lives, over as many links as that takes.
pub(super) struct Session<S: Suite> {
    entry: NodeNumber,
    courier: Courier<S>,
    clock: Clock,
    /// Number of the newest document.
    document: u64,
    /// Time at which the newest document is too old.
    fresh_until: Option<Steady>,
    cover: Handle<CoverJob<S>>,
    /// A link that the courier has not gone over to yet.
    renamed: Option<Renamed>,
}

/// A new link's relay's time, name and phase.
struct Renamed {
    time: Time,
    session: SessionId,
    phase: Duration,
}

impl<S: Suite> Session<S> {
    /// The first session of a courier that counts by `clock`.
    pub(super) fn new(
        clock: Clock,
        entry: NodeNumber,
        courier: Courier<S>,
        cover: &Handle<CoverJob<S>>,
    ) -> Self {
        let cover = cover.clone();
        Self { entry, courier, clock, document: 0, fresh_until: None, cover, renamed: None }
    }

    /// Goes on under another name and with another phase, after the link was lost.
    pub(super) fn rejoin(mut self, time: Time, session: SessionId, phase: Duration) -> Self {
        self.renamed = Some(Renamed { time, session, phase });
        self
    }

    /// Tells whether there was a document to build packets with when the last link ended.
    pub(super) const fn has_view(&self) -> bool {
        self.fresh_until.is_some()
    }

    /// Sends and receives until the link is lost, the relay serves no document that is fresh for too
    /// long, or the life ends.
    pub(super) async fn keep_grid(
        mut self,
        link: ClientLink,
        end: Instant,
        roster: &Arc<Roster>,
    ) -> Self {
        if let Some(Renamed { time, session, phase }) = self.renamed.take() {
            self.courier.rejoin(self.clock.steady(), time, session, phase);
        }
        let ClientLink { mut sender, receiver } = link;
        let (cells_in, mut cells) = mpsc::channel(CELL_BOUND);
        let mut reader = JoinSet::new();
        reader.spawn(read(receiver, cells_in));
        let mut assembler = ChunkAssembler::default();
        let (mut heard, mut fresh) = (Instant::now(), Instant::now());
        self.fresh_until = None;
        self = self.prepare().await;
        loop {
            tokio::select! {
                () = sleep(self.clock.until(self.courier.poll_timeout().reading())) => {
                    if !self.send(&mut sender).await {
                        break;
                    }
                    self = self.prepare().await;
                }
                cell = cells.recv() => {
                    let Some(cell) = cell else { break };
                    heard = Instant::now();
                    self.take_cell(&cell, &mut assembler, roster);
                }
                () = sleep_until(end.min(heard + SILENCE).min(fresh + STALE_AFTER)) => break,
            }
            if self.has_view() {
                fresh = Instant::now();
            }
            self.tell();
        }
        sender.close();
        self
    }

    /// Writes the cell of the slot; false if the link does not take it.
    async fn send(&mut self, sender: &mut CellSender) -> bool {
        let Some(Departure::Cell(cell)) = self.courier.handle_timeout(self.clock.steady()) else {
            return true;
        };
        matches!(timeout(SILENCE, sender.send(&cell)).await, Ok(Ok(())))
    }

    /// Builds the next cell on a thread of its own.
    async fn prepare(mut self) -> Self {
        let now = self.clock.steady();
        if self.fresh_until.is_some_and(|until| until <= now) {
            self.fresh_until = None;
            self.courier.withdraw_view();
        }
        let built = spawn_blocking(move || {
            self.courier.prepare(now);
            self
        });
        match built.await {
            Ok(session) => session,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends, and this task with it.
                Err(_) => pending().await,
            },
        }
    }

    fn take_cell(&mut self, bytes: &[u8], assembler: &mut ChunkAssembler, roster: &Arc<Roster>) {
        let Ok(cell) = DownCell::<S>::decode(bytes) else {
            return;
        };
        if let Some((id, payload)) = cell.reply {
            self.courier.handle_reply(self.clock.steady(), id, payload);
        }
        if let Some(bytes) = cell.chunk.and_then(|chunk| assembler.take(chunk)) {
            self.take_document(&bytes, roster);
        }
    }

    fn take_document(&mut self, bytes: &[u8], roster: &Arc<Roster>) {
        let signed = SignedDocument::decode(bytes).ok();
        let Some(signed) = signed.filter(|signed| signed.number() > self.document) else {
            return;
        };
        let Ok(document) = signed.verify(roster, self.entry) else {
            return;
        };
        let now = self.clock.steady();
        let time = self.courier.document_time(now);
        if document.check_start(roster, time).is_err() {
            return;
        }
        self.document = document.number;
        self.fresh_until = Some(now + (document.start + STALE_AFTER).since(time));
        self.courier.handle_view(now, Arc::new(View::new(Arc::clone(roster), &document)));
    }

    /// Tells the cover what has become of loops; all else is nobody's business.
    fn tell(&mut self) {
        while let Some(event) = self.courier.poll_event() {
            if matches!(event, Event::LoopSent | Event::LoopReturned { .. } | Event::LoopLost) {
                // A cover that is behind misses an observation.
                let _ = self.cover.try_send(CoverJob::Loop(event));
            }
        }
    }
}

async fn read(mut receiver: FrameReceiver, cells: mpsc::Sender<Buffer>) {
    while let Ok(Some(cell)) = receiver.recv().await {
        if cells.send(cell).await.is_err() {
            return;
        }
    }
}

/// Cells that wait for the session; it takes them as they come.
const CELL_BOUND: usize = 8;
/// Time without a cell, or for the link to take one, after which the link is given up.
const SILENCE: Duration = Duration::from_secs(10);
