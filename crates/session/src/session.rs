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
use rohrpost_proto::directory::carousel::object::{Object, RosterFiles};
use rohrpost_proto::directory::carousel::receiver::Receiver;
use rohrpost_proto::directory::consensus::documents::DocumentRefusal;
use rohrpost_proto::directory::follower::{self, Follower, ObjectRefusal};
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::views::{Turn, Views};
use rohrpost_proto::frame::DownCell;
use rohrpost_proto::time::agreement::{Agreement, Witness};
use rohrpost_proto::time::{Steady, Time};
use rohrpost_transport::{CellSender, FrameReceiver, PeerAddress};
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
    /// The directory as the client follows it.
    views: Views<S>,
    /// Objects of the directory that have come whole and are to be read: [`ARRIVED`] at most. More do
    /// not come between two slots but from a relay that floods, and what is dropped comes again.
    arrived: Vec<Object>,
    /// Time at which the last document began to hold while this link was there, or since when one is
    /// waited for.
    fresh: Steady,
    /// True once a document has begun to hold on this link.
    served: bool,
    /// Texts of the newest roster that has come, until documents go by it, and its version.
    coming: Option<(u32, Arc<RosterFiles>)>,
    /// The newest roster by which documents go, if the session did not begin with it, and its texts.
    newer: Option<(Arc<Roster>, Arc<RosterFiles>)>,
    /// Clocks that bear the relay's out.
    agreement: Option<Agreement>,
    /// What the application is to hear; at most a view and its end between two slots.
    news: Vec<News>,
}

impl<S: Suite> Session<S> {
    /// The session of a courier that was founded on a first link.
    #[must_use]
    pub fn new(station: Station, courier: Courier<S>) -> Self {
        let fresh = station.clock.steady();
        let (trust, roster) = (Arc::clone(&station.trust), Arc::clone(&station.roster));
        Self {
            station,
            courier,
            views: Views::new(Follower::new(trust, roster, S::ID)),
            arrived: Vec::new(),
            fresh,
            served: false,
            coming: None,
            newer: None,
            agreement: None,
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
        (self.arrived, self.fresh, self.served) = (Vec::new(), now, false);
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
        let mut carousel = Receiver::default();
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
                    if let Err(end) = self.take_cell(&cell, &mut carousel) {
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

    /// Builds the next cell on a thread of its own, and before that reads what has come of the directory
    /// and opens replies. What comes in meanwhile, for a few milliseconds, waits in the channels.
    async fn prepare(mut self) -> (Self, Result<(), End>) {
        let built = spawn_blocking(move || {
            let mut arrived = std::mem::take(&mut self.arrived).into_iter();
            let read = arrived.try_for_each(|object| self.take_object(machine_time(), object));
            self.turn();
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

    /// Goes by what holds when the next cell leaves, as all others do.
    fn turn(&mut self) {
        let now = self.station.clock.steady();
        if !self.station.witness.is_borne_out() {
            // The machine's clock may have been set right.
            let told = self.courier.document_time(now);
            let judged = self.station.witness.greet(now, told, machine_time());
            self.agreement = judged.ok();
        }
        if !self.station.witness.is_borne_out() {
            return;
        }
        let leaves = self.courier.document_time(self.courier.poll_timeout());
        match self.views.turn(leaves) {
            Turn::Same => return,
            Turn::Stale => {
                self.courier.withdraw_view();
                self.news.push(News::Stale);
                return;
            }
            Turn::Renewed => {}
            Turn::View(view) => self.courier.handle_view(now, view),
        }
        let (Some(view), Some(agreement)) = (self.views.view(), self.agreement) else { return };
        let roster = view.shared_roster();
        if roster.check_expiry(leaves.seconds()).is_err() {
            self.courier.withdraw_view();
            return self.news.push(News::Expired);
        }
        let (up, shortage) = (view.nodes().collect(), view.shortage());
        let time = self.courier.document_time(now);
        self.news.push(News::View { up, shortage, time, agreement });
        (self.fresh, self.served) = (now, true);
        self.follow_roster(roster);
    }

    /// Goes by the roster of the documents, and has the application keep it.
    fn follow_roster(&mut self, roster: Arc<Roster>) {
        if roster.version > self.station.roster.version {
            let files = self.coming.take_if(|(version, _)| *version == roster.version);
            self.newer = files.map(|(_, files)| (Arc::clone(&roster), files));
            if let Some(entry) = roster.node(self.station.entry.number) {
                self.station.entry = PeerAddress::from(entry);
            }
            self.station.roster = roster;
        }
        if let Some((roster, files)) = &self.newer {
            let (roster, files) = (Arc::clone(roster), Arc::clone(files));
            self.news.push(News::Roster { roster, files });
        }
    }

    /// Builds no packets until something bears the relay's clock out.
    fn withdraw_view(&mut self) {
        self.courier.withdraw_view();
        self.views.withdraw();
    }

    fn take_cell(&mut self, bytes: &[u8], carousel: &mut Receiver) -> Result<(), End> {
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
        // What is malformed counts as not sent.
        let object = cell.chunk.and_then(|chunk| carousel.take(chunk).ok().flatten());
        self.arrived.extend(object.filter(|_| self.arrived.len() < ARRIVED));
        Ok(())
    }

    /// Reads an object of the directory and takes it over, unless the relay's clock agrees neither with
    /// what it attests nor with the machine's.
    fn take_object(&mut self, machine: Time, object: Object) -> Result<(), End> {
        let now = self.station.clock.steady();
        let time = self.courier.document_time(now);
        let borne_out = self.station.witness.is_borne_out();
        let follower = self.views.follower();
        let is_document = matches!(object, Object::Document(_) | Object::Update(_));
        // One that is stale by the relay's clock may show that this is wrong.
        let attested = if borne_out { None } else { follower.attests(&object) };
        let files = match &object {
            Object::Roster(files) => Some(files.clone()),
            _ => None,
        };
        let news = match self.views.take(time, object) {
            Ok(follower::News::Roster { version }) => {
                let files = files.map(|files| files.essential(&self.station.trust));
                self.coming = files.map(|files| (version, Arc::new(files)));
                return Ok(());
            }
            Ok(follower::News::Unfollowed { version, .. }) => {
                // While documents hold that go by the older one, nothing is amiss yet.
                if self.views.view().is_none() {
                    self.news.push(News::OtherRoster { version });
                }
                return Ok(());
            }
            Ok(news) => news,
            Err(ObjectRefusal::Document(DocumentRefusal::Roster { version })) => {
                self.news.push(News::OtherRoster { version });
                return Ok(());
            }
            Err(_) => follower::News::None,
        };
        let says_nothing = news == follower::News::None && (borne_out || attested.is_none());
        if !is_document || says_nothing {
            return Ok(());
        }
        let attested = attested.or_else(|| self.views.follower().attested());
        let judged = self.station.witness.handle_document(now, time, machine, attested);
        self.agreement = Some(judged.map_err(End::Clock)?);
        let lag = Witness::lag(now, time, machine);
        self.station.clock.go_forward(lag);
        self.courier.go_forward(lag);
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
/// Objects that are read before a slot.
const ARRIVED: usize = 8;
/// Cells that wait for the session; it takes them as they come.
const CELL_BOUND: usize = 8;

#[cfg(test)]
mod tests;
