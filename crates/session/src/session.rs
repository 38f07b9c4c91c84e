//! The session: it keeps the grid, and waits for nobody.
//!
//! At a slot it writes bytes and nothing else. The next cell is built, and what has come is read, on
//! another thread once they are written: on this one the link's own work, which the write has woken,
//! would wait behind it, and the datagrams of one cell would leave when the next is built, sooner or
//! later by what that one carries.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_network::{Clock, machine_time};
use rohrpost_packet::{Buffer, Suite};
use rohrpost_proto::courier::{Courier, Departure};
use rohrpost_proto::directory::document::{DocumentRefusal, STALE_AFTER, SignedDocument};
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::{ChunkAssembler, DownCell};
use rohrpost_proto::time::agreement::Witness;
use rohrpost_proto::time::{Steady, Time};
use rohrpost_transport::{CellSender, FrameReceiver};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::application::{Application, News};
use crate::end::End;
use crate::station::{Link, Station, random_session};

/// A client that has had a link. The order of calls: [`Self::keep_grid`] on the link that the
/// courier was founded on, and [`Self::rejoin`] before it on each link after that.
pub struct Session<S: Suite> {
    /// Place and clocks of the client.
    pub station: Station,
    /// Sender and receiver of the client.
    pub courier: Courier<S>,
    /// Number of the newest document.
    document: u64,
    /// A document that has come whole and is to be read.
    arrived: Option<Vec<u8>>,
    /// Time at which the newest document is too old: by the client's own clock, and by document
    /// time, which goes on while the machine sleeps.
    fresh_until: Option<(Steady, Time)>,
    /// Time at which the last document came by this link that is young enough, or since when one is
    /// waited for.
    fresh: Steady,
    /// True once such a document has come by this link.
    served: bool,
    /// What the application is to hear; at most a view and its end between two slots.
    news: Vec<News>,
}

impl<S: Suite> Session<S> {
    /// The session of a courier that was founded on a first link.
    #[must_use]
    pub fn new(station: Station, courier: Courier<S>) -> Self {
        let fresh = station.clock.steady();
        Self {
            station,
            courier,
            document: 0,
            arrived: None,
            fresh_until: None,
            fresh,
            served: false,
            news: Vec::new(),
        }
    }

    /// Goes on under another name and with another phase, after the link before was lost.
    pub fn rejoin(&mut self, link: &Link) {
        if !self.station.witness.is_borne_out() {
            self.withdraw_view();
        }
        let phase = self.station.roster.traffic.client_phase(&mut rand::rng());
        let now = self.station.clock.steady();
        self.courier.rejoin(now, link.time, random_session(), phase);
        (self.arrived, self.fresh, self.served) = (None, now, false);
    }

    /// Sends and receives until the link is lost, the relay's clock is refused or the deadline comes.
    pub async fn keep_grid<A: Application<S>>(
        mut self,
        link: Link,
        application: &mut A,
    ) -> (Self, End) {
        let Link { mut sender, receiver, .. } = link;
        let (cells_in, mut cells) = mpsc::channel(CELL_BOUND);
        let mut reader = JoinSet::new();
        reader.spawn(read(receiver, cells_in));
        let mut assembler = ChunkAssembler::default();
        let mut heard = Instant::now();
        let mut prepared;
        (self, prepared) = self.prepare().await;
        let end = loop {
            self.news.drain(..).for_each(|news| application.hear(news));
            application.collect(&mut self.courier);
            if let Err(end) = prepared {
                break end;
            }
            let clock = self.station.clock;
            let deadline = application.deadline(self.fresh);
            tokio::select! {
                () = sleep(clock.until(self.courier.poll_timeout().reading())) => {
                    let woken = Instant::now();
                    if !self.write(&mut sender).await {
                        break End::Lost;
                    }
                    let took = woken.elapsed();
                    (self, prepared) = self.prepare().await;
                    // Told late, so that nobody is woken before the link's own work.
                    application.hear(News::Written(took));
                }
                cell = cells.recv() => {
                    let Some(cell) = cell else { break End::Lost };
                    heard = Instant::now();
                    if let Err(end) = self.take_cell(&cell, &mut assembler) {
                        break end;
                    }
                }
                () = sleep_until(heard + SILENCE) => break End::Lost,
                () = reach(clock, deadline) => break End::Over,
                command = application.command() => {
                    application.execute(command, &mut self.courier, clock.steady());
                    if !self.courier.is_ready() {
                        (self, prepared) = self.prepare().await;
                    }
                }
            }
        };
        sender.close();
        (self, end)
    }

    /// Tells whether the last link brought a document to build packets with.
    #[must_use]
    pub const fn was_served(&self) -> bool {
        self.served
    }

    /// Writes the cell of the slot; false if the link does not take it.
    async fn write(&mut self, sender: &mut CellSender) -> bool {
        let Some(Departure::Cell(cell)) = self.courier.handle_timeout(self.station.clock.steady())
        else {
            return true;
        };
        matches!(timeout(SILENCE, sender.send(&cell)).await, Ok(Ok(())))
    }

    /// Builds the next cell on a thread of its own, and before that reads the document that has come
    /// and opens replies. What comes in meanwhile, for a few milliseconds, waits in the channels.
    async fn prepare(mut self) -> (Self, Result<(), End>) {
        let built = spawn_blocking(move || {
            let arrived = self.arrived.take();
            let read = arrived.map_or(Ok(()), |bytes| self.take_document(machine_time(), &bytes));
            self.end_stale_view();
            self.courier.prepare(self.station.clock.steady());
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
        let now = self.station.clock.steady();
        let time = self.courier.document_time(now);
        if self.fresh_until.is_some_and(|(until, stale)| until <= now || stale <= time) {
            self.withdraw_view();
            self.news.push(News::Stale);
        }
    }

    /// Builds no packets until a document is taken.
    fn withdraw_view(&mut self) {
        self.fresh_until = None;
        self.courier.withdraw_view();
    }

    fn take_cell(&mut self, bytes: &[u8], assembler: &mut ChunkAssembler) -> Result<(), End> {
        let Ok(cell) = DownCell::<S>::decode(bytes) else {
            return Ok(());
        };
        let now = self.station.clock.steady();
        // A machine that was stopped, or a clock that drifts: the grid is laid anew.
        let time = self.courier.document_time(now);
        if cell.time.since(time).max(time.since(cell.time)) > DRIFT {
            return Err(End::Lost);
        }
        if let Some((id, payload)) = cell.reply {
            self.courier.handle_reply(now, id, payload);
        }
        if let Some(document) = cell.chunk.and_then(|chunk| assembler.take(chunk)) {
            self.arrived = Some(document);
        }
        Ok(())
    }

    /// Reads a document, which takes as many signatures as it has nodes, and takes it over if it is
    /// newer, unless the relay's clock agrees neither with it nor with the machine's.
    fn take_document(&mut self, machine: Time, bytes: &[u8]) -> Result<(), End> {
        let (roster, relay) = (Arc::clone(&self.station.roster), self.station.entry.number);
        let Ok(signed) = SignedDocument::decode(bytes) else {
            return Ok(());
        };
        let newer = signed.number() > self.document;
        if !newer && self.station.witness.is_borne_out() {
            return Ok(());
        }
        let document = match signed.verify(&roster, relay) {
            Ok(document) => document,
            Err(DocumentRefusal::Roster { version }) => {
                self.news.push(News::OtherRoster { version });
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        let now = self.station.clock.steady();
        let time = self.courier.document_time(now);
        if document.check_start(&roster, time).is_err() {
            return Ok(());
        }
        let attested = document.attested(&roster, relay);
        let judged = self.station.witness.handle_document(now, time, machine, attested);
        let agreement = judged.map_err(End::Clock)?;
        let lag = Witness::lag(now, time, machine);
        self.station.clock.go_forward(lag);
        self.courier.go_forward(lag);
        let now = now + lag;
        if !newer {
            return Ok(());
        }
        self.document = document.number;
        let stale = document.start + STALE_AFTER;
        self.fresh_until = Some((now + stale.since(time), stale));
        if stale > time {
            (self.fresh, self.served) = (now, true);
        }
        let view = Arc::new(View::<S>::new(roster, &document));
        let (up, shortage) = (view.nodes().collect(), view.shortage());
        self.news.push(News::View { up, shortage, time, agreement });
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

/// Waits until a time, for ever if there is none.
async fn reach(clock: Clock, time: Option<Steady>) {
    match time {
        Some(time) => sleep(clock.until(time.reading())).await,
        None => pending().await,
    }
}

/// Time without a cell, or for the link to take one, after which the link is given up.
pub(crate) const SILENCE: Duration = Duration::from_secs(10);
/// Difference between the relay's time and the grid's from which on the grid is laid anew.
const DRIFT: Duration = Duration::from_secs(2);
/// Cells that wait for the session; it takes them as they come.
const CELL_BOUND: usize = 8;

#[cfg(test)]
mod tests;
