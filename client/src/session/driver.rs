//! The session's task: it keeps the grid, and waits for nobody.

use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, RngExt};
use rohrpost_network::{Clock, unix_now};
use rohrpost_packet::envelope::KeyId;
use rohrpost_packet::{Buffer, SessionId, Suite};
use rohrpost_proto::courier::{Courier, Departure, PostError, Vantage};
use rohrpost_proto::document::{STALE_AFTER, SignedDocument};
use rohrpost_proto::frame::{ChunkAssembler, DownCell, frame_len};
use rohrpost_proto::roster::Roster;
use rohrpost_proto::time::Time;
use rohrpost_proto::trust::JoinKey;
use rohrpost_proto::view::View;
use rohrpost_transport::{CellSender, FrameReceiver, PeerAddress, Segmentation, connect};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::command::{Command, Correspondent};
use super::event::{SessionError, SessionEvent};
use crate::profile::Profile;

/// What the courier is made from, once the clock is set.
pub(super) struct Founding {
    pub(super) profile: Profile,
    pub(super) contacts: Vec<Correspondent>,
    pub(super) join_key: JoinKey,
}

/// A session's task: link, clock, courier.
pub(super) struct Driver<S: Suite> {
    roster: Arc<Roster>,
    peer: PeerAddress,
    segmentation: Segmentation,
    clock: Clock,
    courier: Option<Courier<S>>,
    founding: Option<Founding>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<SessionEvent>,
    document: u64,
    /// When the newest document is too old.
    fresh_until: Option<Time>,
}

impl<S: Suite> Driver<S> {
    pub(super) fn new(
        roster: Arc<Roster>,
        peer: PeerAddress,
        segmentation: Segmentation,
        founding: Founding,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<SessionEvent>,
    ) -> Self {
        Self {
            roster,
            peer,
            segmentation,
            clock: Clock::start(),
            courier: None,
            founding: Some(founding),
            commands,
            events,
            document: 0,
            fresh_until: None,
        }
    }

    /// Links to the entry relay again and again, as long as there is an owner.
    pub(super) async fn run(mut self) {
        loop {
            let error = match self.connect().await {
                Ok((sender, receiver)) => self.keep_grid(sender, receiver).await,
                Err(error) => error,
            };
            if self.events.send(SessionEvent::Disconnected(error)).await.is_err() {
                return;
            }
            let pause = PAUSE.mul_f64(rand::rng().random_range(0.5..1.5));
            self.meanwhile(sleep(pause)).await;
        }
    }

    /// Links to the entry relay, and sets the clock by its first cell.
    async fn connect(&mut self) -> Result<(CellSender, FrameReceiver), SessionError> {
        let (peer, segmentation) = (self.peer.clone(), self.segmentation);
        let link = async move {
            let link = connect(&peer, frame_len::<S>(), segmentation).await?;
            let (sender, mut receiver) = (link.sender, link.receiver);
            let first = timeout(FIRST_CELL, receiver.recv()).await;
            let cell = first.map_err(|_| SessionError::Lost)?.map_err(|_| SessionError::Lost)?;
            Ok::<_, SessionError>((sender, receiver, cell.ok_or(SessionError::Lost)?))
        };
        let (sender, receiver, cell) = self.meanwhile(link).await?;
        let cell = DownCell::<S>::decode(&cell).map_err(|_| SessionError::Lost)?;
        let session = random_session();
        match (&mut self.courier, self.founding.take()) {
            (None, Some(founding)) => {
                self.clock.set(cell.time);
                self.courier = Some(self.found(founding, session));
            }
            (Some(courier), _) => {
                self.clock.advance(cell.time);
                courier.rejoin(session);
            }
            (None, None) => return Err(SessionError::Lost),
        }
        let clock_ahead = ahead(cell.time);
        let _ = self.events.send(SessionEvent::Connected { clock_ahead }).await;
        Ok((sender, receiver))
    }

    /// Waits for something, and obeys in the meantime: an owner must not be held up by a link that
    /// is down.
    async fn meanwhile<F: Future>(&mut self, awaited: F) -> F::Output {
        tokio::pin!(awaited);
        loop {
            tokio::select! {
                output = &mut awaited => return output,
                Some(command) = self.commands.recv() => self.handle_command(command),
            }
            self.notify();
        }
    }

    fn found(&self, founding: Founding, session: SessionId) -> Courier<S> {
        let Founding { profile, contacts, join_key } = founding;
        let vantage = Vantage::Client { entry: profile.entry, session };
        let mut seed = [0; 32];
        rand::rng().fill_bytes(&mut seed);
        let phase = self.roster.traffic.slot.mul_f64(rand::rng().random_range(0.0..1.0));
        let roster = Arc::clone(&self.roster);
        let now = self.clock.now();
        let mut courier =
            Courier::new(now, vantage, profile.account, roster, join_key, seed, phase);
        contacts.into_iter().for_each(|contact| add(&mut courier, contact));
        courier
    }

    /// Sends and receives until the link is lost.
    async fn keep_grid(&mut self, mut sender: CellSender, receiver: FrameReceiver) -> SessionError {
        let (cells_in, mut cells) = mpsc::channel(CELL_BOUND);
        let _reader = AbortOnDropHandle::new(tokio::spawn(read(receiver, cells_in)));
        let mut assembler = ChunkAssembler::default();
        loop {
            let Some(due) = self.courier.as_ref().map(Courier::poll_timeout) else {
                return SessionError::Lost;
            };
            tokio::select! {
                () = sleep(self.clock.until(due)) => {
                    if let Some(cell) = self.next_cell()
                        && sender.send(&cell).await.is_err()
                    {
                        return SessionError::Lost;
                    }
                }
                cell = cells.recv() => match cell {
                    Some(cell) => self.take_cell(&cell, &mut assembler),
                    None => return SessionError::Lost,
                },
                Some(command) = self.commands.recv() => self.handle_command(command),
            }
            self.notify();
        }
    }

    fn next_cell(&mut self) -> Option<Buffer> {
        let now = self.clock.now();
        if self.fresh_until.is_some_and(|until| until <= now) {
            self.fresh_until = None;
            self.courier.as_mut()?.withdraw_view();
            let _ = self.events.try_send(SessionEvent::Stale);
        }
        match self.courier.as_mut()?.handle_timeout(now)? {
            Departure::Cell(cell) => Some(cell.encode(&mut rand::rng())),
            Departure::Packet { .. } => None,
        }
    }

    fn take_cell(&mut self, bytes: &[u8], assembler: &mut ChunkAssembler) {
        let (Some(courier), Ok(cell)) = (&mut self.courier, DownCell::<S>::decode(bytes)) else {
            return;
        };
        if let Some((id, payload)) = cell.reply {
            courier.handle_reply(self.clock.now(), id, payload);
        }
        if let Some(bytes) = cell.chunk.and_then(|chunk| assembler.take(chunk)) {
            self.take_document(&bytes);
        }
    }

    fn take_document(&mut self, bytes: &[u8]) {
        let Ok(signed) = SignedDocument::decode(bytes) else {
            return;
        };
        if signed.number() <= self.document {
            return;
        }
        let Ok(document) = signed.verify(&self.roster, self.peer.number) else {
            return;
        };
        self.document = document.number;
        self.fresh_until = Some(self.clock.now().max(document.start) + STALE_AFTER);
        let view = Arc::new(View::<S>::new(Arc::clone(&self.roster), &document));
        let _ = self.events.try_send(SessionEvent::View(view.len()));
        if let Some(courier) = &mut self.courier {
            courier.handle_view(self.clock.now(), view);
        }
    }

    fn handle_command(&mut self, command: Command) {
        let Some(courier) = &mut self.courier else {
            return self.prepare(command);
        };
        match command {
            Command::Post(to, message, answer) => {
                let _ = answer.send(courier.post(to, *message));
            }
            Command::Keep { sender, sequence, fragment } => {
                courier.keep(self.clock.now(), sender, sequence, fragment);
            }
            Command::Contact(contact) => {
                let key = contact.contact.identity.key_id();
                add(courier, *contact);
                courier.recall(self.clock.now(), key);
            }
            Command::Remove(key) => courier.remove_contact(key),
            Command::Renew(account) => courier.renew_account(*account),
        }
    }

    /// Before the first link, commands change what the courier will be made from.
    fn prepare(&mut self, command: Command) {
        let Some(founding) = &mut self.founding else {
            return;
        };
        let is = |key: KeyId| move |known: &Correspondent| known.contact.identity.key_id() == key;
        match command {
            Command::Post(_, _, answer) => {
                let _ = answer.send(Err(PostError::Full));
            }
            Command::Contact(new) => {
                let key = new.contact.identity.key_id();
                match founding.contacts.iter_mut().find(|known| is(key)(known)) {
                    Some(known) if new.below == 0 && new.parts.is_empty() => {
                        known.contact = new.contact;
                    }
                    Some(known) => *known = *new,
                    None => founding.contacts.push(*new),
                }
            }
            Command::Remove(key) => founding.contacts.retain(|known| !is(key)(known)),
            Command::Renew(account) => founding.profile.account = *account,
            // Nothing has arrived yet.
            Command::Keep { .. } => {}
        }
    }

    /// Hands over what has happened, as far as the owner has room for it. The rest stays with the
    /// courier, which then holds letters back: the grid waits for nobody.
    fn notify(&mut self) {
        while let Ok(room) = self.events.try_reserve() {
            let Some(event) = self.courier.as_mut().and_then(Courier::poll_event) else {
                return;
            };
            room.send(SessionEvent::Courier(event));
        }
    }
}

fn add<S: Suite>(courier: &mut Courier<S>, contact: Correspondent) {
    let Correspondent { contact, below, parts } = contact;
    let (key, known) = (contact.identity.key_id(), below > 0 || !parts.is_empty());
    courier.add_contact(contact);
    if known {
        courier.resume(key, below, &parts);
    }
}

async fn read(mut receiver: FrameReceiver, cells: mpsc::Sender<Buffer>) {
    while let Ok(Some(cell)) = receiver.recv().await {
        if cells.send(cell).await.is_err() {
            return;
        }
    }
}

/// How far the machine's clock is ahead of a relay's time, in milliseconds.
fn ahead(relay: Time) -> i64 {
    let own = Time::from_micros(0) + unix_now();
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    millis(own.since(relay)) - millis(relay.since(own))
}

fn random_session() -> SessionId {
    let mut session = [0; 16];
    rand::rng().fill_bytes(&mut session);
    SessionId::new(session)
}

/// The first cell comes within two slots of the relay's slowest grid, or the link is no good.
const FIRST_CELL: Duration = Duration::from_secs(10);
/// Between sessions, drawn from half to one and a half.
const PAUSE: Duration = Duration::from_secs(2);
/// Cells that wait for the driver; it takes them as they come.
const CELL_BOUND: usize = 8;
