//! A session of the mix's own client: it keeps the grid as everybody's client does. At a slot it
//! writes bytes; the next cell is built on another thread once they are written.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_network::{Clock, machine_time};
use rohrpost_node::Handle;
use rohrpost_packet::{Buffer, NodeNumber, SessionId, Suite};
use rohrpost_proto::courier::{Account, Courier, Departure, Event};
use rohrpost_proto::directory::document::{STALE_AFTER, SignedDocument};
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::{ChunkAssembler, DownCell};
use rohrpost_proto::mix::watch::PullFate;
use rohrpost_proto::time::agreement::Witness;
use rohrpost_proto::time::{Steady, Time};
use rohrpost_transport::{CellSender, ClientLink, FrameReceiver};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use crate::job::CoverJob;

/// The client in a stay at an entry, over as many links as that takes.
pub(super) struct Session<S: Suite> {
    entry: NodeNumber,
    courier: Courier<S>,
    clock: Clock,
    roster: Arc<Roster>,
    /// Number of the newest document.
    document: u64,
    /// Time at which the newest document is too old.
    fresh_until: Option<Steady>,
    /// Time at which the last document came by the link, or since when one is waited for.
    fresh: Steady,
    /// True once a document has come by the link.
    served: bool,
    cover: Handle<CoverJob<S>>,
}

impl<S: Suite> Session<S> {
    /// The first session of a courier that counts by `clock`.
    pub(super) fn new(
        clock: Clock,
        entry: NodeNumber,
        courier: Courier<S>,
        roster: &Arc<Roster>,
        cover: &Handle<CoverJob<S>>,
    ) -> Self {
        let (roster, cover) = (Arc::clone(roster), cover.clone());
        let fresh = clock.steady();
        let (document, fresh_until, served) = (0, None, false);
        Self { entry, courier, clock, roster, document, fresh_until, fresh, served, cover }
    }

    /// Goes on under another name and with another phase, after the link was lost.
    pub(super) fn rejoin(mut self, time: Time, session: SessionId, phase: Duration) -> Self {
        let now = self.clock.steady();
        self.courier.rejoin(now, time, session, phase);
        (self.fresh, self.served) = (now, false);
        self
    }

    /// Tells whether the last link brought a document to build packets with.
    pub(super) const fn was_served(&self) -> bool {
        self.served
    }

    /// Ends the client, and gives its keys back.
    pub(super) fn into_account(self) -> Account {
        self.courier.into_account()
    }

    /// Sends and receives until the link is lost, the relay serves no document that is fresh for too
    /// long or its clock is refused, or the stay is over.
    pub(super) async fn keep_grid(
        mut self,
        link: ClientLink,
        until: Steady,
        witness: &mut Witness,
    ) -> Self {
        let ClientLink { mut sender, receiver } = link;
        let (cells_in, mut cells) = mpsc::channel(CELL_BOUND);
        let mut reader = JoinSet::new();
        reader.spawn(read(receiver, cells_in));
        let mut assembler = ChunkAssembler::default();
        let mut heard = self.clock.steady();
        if !witness.is_borne_out() {
            self.withdraw_view();
        }
        self = self.prepare().await;
        loop {
            let end = until.min(heard + SILENCE).min(self.fresh + STALE_AFTER);
            tokio::select! {
                () = sleep(self.clock.until(self.courier.poll_timeout().reading())) => {
                    if !self.send(&mut sender).await {
                        break;
                    }
                    self = self.prepare().await;
                }
                cell = cells.recv() => {
                    let Some(cell) = cell else { break };
                    heard = self.clock.steady();
                    if self.take_cell(&cell, &mut assembler, witness).is_err() {
                        break;
                    }
                }
                () = sleep(self.clock.until(end.reading())) => break,
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
            self.withdraw_view();
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

    /// Builds no packets until a document is taken.
    fn withdraw_view(&mut self) {
        self.fresh_until = None;
        self.courier.withdraw_view();
    }

    fn take_cell(
        &mut self,
        bytes: &[u8],
        assembler: &mut ChunkAssembler,
        witness: &mut Witness,
    ) -> Result<(), LinkOver> {
        let Ok(cell) = DownCell::<S>::decode(bytes) else {
            return Ok(());
        };
        let now = self.clock.steady();
        // A machine that was stopped, or a clock that drifts: the grid is laid anew.
        let time = self.courier.document_time(now);
        if cell.time.since(time).max(time.since(cell.time)) > DRIFT {
            return Err(LinkOver);
        }
        if let Some((id, payload)) = cell.reply {
            self.courier.handle_reply(now, id, payload);
        }
        match cell.chunk.and_then(|chunk| assembler.take(chunk)) {
            Some(bytes) => self.take_document(machine_time(), &bytes, witness),
            None => Ok(()),
        }
    }

    /// Takes a document over, unless the relay's clock agrees neither with it nor with the machine's.
    fn take_document(
        &mut self,
        machine: Time,
        bytes: &[u8],
        witness: &mut Witness,
    ) -> Result<(), LinkOver> {
        let Ok(signed) = SignedDocument::decode(bytes) else {
            return Ok(());
        };
        let newer = signed.number() > self.document;
        if !newer && witness.is_borne_out() {
            return Ok(());
        }
        let Ok(document) = signed.verify(&self.roster, self.entry) else {
            return Ok(());
        };
        let now = self.clock.steady();
        let time = self.courier.document_time(now);
        if document.check_start(&self.roster, time).is_err() {
            return Ok(());
        }
        let attested = document.attested(&self.roster, self.entry);
        if witness.handle_document(now, time, machine, attested).is_err() {
            self.withdraw_view();
            return Err(LinkOver);
        }
        if !newer {
            return Ok(());
        }
        let fresh_for = (document.start + STALE_AFTER).since(time);
        if !fresh_for.is_zero() {
            (self.fresh, self.served) = (now, true);
        }
        self.document = document.number;
        self.fresh_until = Some(now + fresh_for);
        let view = View::new(Arc::clone(&self.roster), &document);
        self.courier.handle_view(now, Arc::new(view));
        Ok(())
    }

    /// Tells the cover what has become of loops and pulls; all else is nobody's business.
    fn tell(&mut self) {
        while let Some(event) = self.courier.poll_event() {
            let tells = match event {
                Event::LoopSent | Event::LoopReturned { .. } | Event::LoopLost => true,
                _ => PullFate::of(&event).is_some(),
            };
            if tells {
                // A cover that is behind misses an observation.
                let _ = self.cover.try_send(CoverJob::Own(event));
            }
        }
    }
}

/// The link is of no use any more.
#[derive(PartialEq, Eq, Debug)]
struct LinkOver;

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
/// Difference between the relay's time and the grid's from which on the grid is laid anew.
const DRIFT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
