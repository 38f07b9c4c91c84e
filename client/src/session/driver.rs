//! The session's task: it keeps the grid, and waits for nobody.
//!
//! At a slot it writes bytes and nothing else. The next cell is built, and what has come is read, on
//! another thread once they are written: on this one the link's own work, which the write has woken, would wait behind it,
//! and the datagrams of one cell would leave when the next is built, sooner or later by what that
//! one carries.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_network::machine_time;
use rohrpost_packet::{Buffer, Suite};
use rohrpost_proto::courier::{Courier, Departure};
use rohrpost_proto::directory::document::{STALE_AFTER, SignedDocument};
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::{ChunkAssembler, DownCell};
use rohrpost_proto::time::agreement::Witness;
use rohrpost_proto::time::{Steady, Time};
use rohrpost_transport::{CellSender, FrameReceiver};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::error::SessionError;
use super::event::SessionEvent;
use super::founding::Founding;
use super::link::{Link, Linker, random_session};

/// Runs a session as long as there is an application: the courier is founded on the first link, and
/// goes on over those after it.
pub(super) async fn run<S: Suite>(mut linker: Linker, mut founding: Founding) {
    let Some(link) = linker.link::<S>(&mut founding).await else { return };
    let moment = (linker.clock.steady(), link.time);
    let courier = founding.found(&linker.roster, random_session(), moment);
    Driver::<S> { linker, courier, document: 0, arrived: None, fresh_until: None }.run(link).await;
}

/// A session that has had a link.
struct Driver<S: Suite> {
    linker: Linker,
    courier: Courier<S>,
    /// Number of the newest document.
    document: u64,
    /// A document that has come whole and is to be read.
    arrived: Option<Vec<u8>>,
    /// Time at which the newest document is too old: by the client's own clock, and by document
    /// time, which goes on while the machine sleeps.
    fresh_until: Option<(Steady, Time)>,
}

impl<S: Suite> Driver<S> {
    async fn run(mut self, mut link: Link) {
        loop {
            self.linker.connected(link.time).await;
            let error;
            (self, error) = self.keep_grid(link.sender, link.receiver).await;
            if self.linker.pause(&mut self.courier, error).await.is_none() {
                return;
            }
            let Some(next) = self.linker.link::<S>(&mut self.courier).await else { return };
            link = next;
            if !self.linker.witness.is_borne_out() {
                self.withdraw_view();
            }
            let phase = self.linker.roster.traffic.client_phase(&mut rand::rng());
            let now = self.linker.clock.steady();
            self.courier.rejoin(now, link.time, random_session(), phase);
            self.arrived = None;
        }
    }

    /// Sends and receives until the link is lost.
    async fn keep_grid(
        mut self,
        mut sender: CellSender,
        receiver: FrameReceiver,
    ) -> (Self, SessionError) {
        let (cells_in, mut cells) = mpsc::channel(CELL_BOUND);
        let _reader = AbortOnDropHandle::new(tokio::spawn(read(receiver, cells_in)));
        let mut assembler = ChunkAssembler::default();
        let mut heard = Instant::now();
        let mut prepared;
        (self, prepared) = self.prepare().await;
        loop {
            if let Err(error) = prepared {
                return (self, error);
            }
            let due = self.courier.poll_timeout();
            tokio::select! {
                () = sleep(self.linker.clock.until(due.reading())) => {
                    let woken = Instant::now();
                    if let Some(Departure::Cell(cell)) =
                        self.courier.handle_timeout(self.linker.clock.steady())
                        && !matches!(timeout(SILENCE, sender.send(&cell)).await, Ok(Ok(())))
                    {
                        return (self, SessionError::Lost);
                    }
                    let took = woken.elapsed();
                    (self, prepared) = self.prepare().await;
                    // Told late, so that nobody is woken before the link's own work.
                    let _ = self.linker.events.try_send(SessionEvent::Written(took));
                }
                cell = cells.recv() => match cell {
                    Some(cell) => {
                        heard = Instant::now();
                        if let Err(error) = self.take_cell(&cell, &mut assembler) {
                            return (self, error);
                        }
                    }
                    None => return (self, SessionError::Lost),
                },
                () = sleep_until(heard + SILENCE) => return (self, SessionError::Lost),
                Some(command) = self.linker.commands.recv() => {
                    command.execute(&mut self.courier, self.linker.clock.steady());
                    if !self.courier.is_ready() {
                        (self, prepared) = self.prepare().await;
                    }
                }
            }
            self.linker.notify(&mut self.courier);
        }
    }

    /// Builds the next cell on a thread of its own, and before that reads the document that has come
    /// and opens replies. What comes in meanwhile, for a few milliseconds, waits in the channels.
    async fn prepare(mut self) -> (Self, Result<(), SessionError>) {
        let built = spawn_blocking(move || {
            let read = self.arrived.take().map_or(Ok(()), |bytes| self.take_document(&bytes));
            self.end_stale_view();
            self.courier.prepare(self.linker.clock.steady());
            (self, read)
        });
        match built.await {
            Ok(prepared) => prepared,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends, and this task with it.
                Err(_) => pending().await,
            },
        }
    }

    fn end_stale_view(&mut self) {
        let now = self.linker.clock.steady();
        let time = self.courier.document_time(now);
        if self.fresh_until.is_some_and(|(until, stale)| until <= now || stale <= time) {
            self.withdraw_view();
            let _ = self.linker.events.try_send(SessionEvent::Stale);
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
    ) -> Result<(), SessionError> {
        let Ok(cell) = DownCell::<S>::decode(bytes) else {
            return Ok(());
        };
        // A machine that was stopped, or a clock that drifts: the grid is laid anew.
        let time = self.courier.document_time(self.linker.clock.steady());
        if cell.time.since(time).max(time.since(cell.time)) > DRIFT {
            return Err(SessionError::Lost);
        }
        if let Some((id, payload)) = cell.reply {
            self.courier.handle_reply(self.linker.clock.steady(), id, payload);
        }
        if let Some(document) = cell.chunk.and_then(|chunk| assembler.take(chunk)) {
            self.arrived = Some(document);
        }
        Ok(())
    }

    /// Reads a document, which takes as many signatures as it has nodes.
    fn take_document(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let (roster, relay) = (&self.linker.roster, self.linker.peer.number);
        let Ok(signed) = SignedDocument::decode(bytes) else {
            return Ok(());
        };
        let newer = signed.number() > self.document;
        if !newer && self.linker.witness.is_borne_out() {
            return Ok(());
        }
        let Ok(document) = signed.verify(roster, relay) else {
            return Ok(());
        };
        let now = self.linker.clock.steady();
        let (time, attested) = (self.courier.document_time(now), document.attested(roster, relay));
        if document.check_start(roster, time).is_err() {
            return Ok(());
        }
        let machine = machine_time();
        self.linker.witness.handle_document(now, time, machine, attested)?;
        let lag = Witness::lag(now, time, machine);
        self.linker.clock.go_forward(lag);
        self.courier.go_forward(lag);
        let now = now + lag;
        if !newer {
            return Ok(());
        }
        self.document = document.number;
        let stale = document.start + STALE_AFTER;
        self.fresh_until = Some((now + stale.since(time), stale));
        let view = Arc::new(View::<S>::new(Arc::clone(roster), &document));
        let (up, shortage) = (view.len(), view.shortage());
        let _ = self.linker.events.try_send(SessionEvent::View { up, shortage, time });
        self.courier.handle_view(now, view);
        Ok(())
    }
}

async fn read(mut receiver: FrameReceiver, cells: mpsc::Sender<Buffer>) {
    while let Ok(Some(cell)) = receiver.recv().await {
        if cells.send(cell).await.is_err() {
            return;
        }
    }
}

/// Time without a cell, or for the link to take one, after which the link is given up.
const SILENCE: Duration = Duration::from_secs(10);
/// Difference between the relay's time and the grid's from which on the grid is laid anew.
const DRIFT: Duration = Duration::from_secs(2);
/// Cells that wait for the driver; it takes them as they come.
const CELL_BOUND: usize = 8;
