//! The session: a link to the entry relay on which exactly one cell leaves per slot.
//!
//! One task owns link, clock and courier. It waits for the relay's first cell, by which it sets its
//! clock, then keeps the grid; when the link is lost it goes on with a new session after a pause.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::{Rng, RngExt};
use rohrpost_packet::envelope::KeyId;
use rohrpost_packet::{Buffer, Classic, Hybrid, SessionId, Suite};
use rohrpost_proto::courier::{
    Account, Contact, Courier, Departure, Event, Message, Part, PostError, Vantage,
};
use rohrpost_proto::document::SignedDocument;
use rohrpost_proto::frame::{ChunkAssembler, DownCell, frame_len};
use rohrpost_proto::roster::{Roster, SuiteName};
use rohrpost_proto::time::Time;
use rohrpost_proto::trust::JoinKey;
use rohrpost_proto::view::View;
use rohrpost_transport::{
    CellSender, ConnectError, FrameReceiver, PeerAddress, Segmentation, connect,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::{Network, Profile};

/// A running client; its task ends when it is dropped.
pub struct Session {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<SessionEvent>,
    task: Option<AbortHandle>,
    /// Of a session without a task: nothing ever happens, and it does not end.
    _open: Option<mpsc::Sender<SessionEvent>>,
}

/// What a session tells its owner.
pub enum SessionEvent {
    /// The link to the entry relay is up and its clock is set.
    Connected {
        /// How far the machine's clock is ahead of the relay's, in milliseconds.
        clock_ahead: i64,
    },
    /// The link was lost, or could not be made; it is tried again.
    Disconnected(SessionError),
    /// Keys have arrived: so many nodes are up.
    View(usize),
    /// The newest document is too old to build packets with; cells go on.
    Stale,
    /// Something happened in the courier.
    Courier(Event),
}

/// Why there is no link. It is tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The relay cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The link was lost.
    #[error("the link to the entry relay was lost")]
    Lost,
    /// The profile's entry relay is not in the roster.
    #[error("the entry relay is not in the roster any more; make a new client with init")]
    NoEntry,
}

/// A contact, and what a former session has kept of its messages.
pub struct Correspondent {
    /// How it is reached.
    pub contact: Contact,
    /// All of its messages before this number are over.
    pub below: u64,
    /// What is kept of those after it.
    pub parts: Vec<Part>,
}

impl From<Contact> for Correspondent {
    /// One of whom nothing is kept.
    fn from(contact: Contact) -> Self {
        Self { contact, below: 0, parts: Vec::new() }
    }
}

enum Command {
    Post(KeyId, Box<Message>, oneshot::Sender<Result<(), PostError>>),
    Keep { sender: KeyId, sequence: u64, fragment: u32 },
    Contact(Box<Correspondent>),
    Remove(KeyId),
    Renew(Box<Account>),
}

impl Session {
    /// Starts a client of the network's suite. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The entry relay is not in the roster.
    pub fn start(
        network: &Network,
        profile: Profile,
        contacts: Vec<Correspondent>,
    ) -> Result<Self, SessionError> {
        Self::start_with(network, profile, contacts, Segmentation::default())
    }

    /// The same, with a say in how datagrams are handed to the system.
    ///
    /// # Errors
    /// The entry relay is not in the roster.
    pub fn start_with(
        network: &Network,
        profile: Profile,
        contacts: Vec<Correspondent>,
        segmentation: Segmentation,
    ) -> Result<Self, SessionError> {
        let spawn = match network.roster.suite {
            SuiteName::Hybrid => Self::spawn::<Hybrid>,
            SuiteName::Classic => Self::spawn::<Classic>,
        };
        spawn(network, profile, contacts, segmentation)
    }

    /// A session that never has a link, for who only looks at what is there. It takes no messages.
    #[must_use]
    pub fn offline() -> Self {
        let (commands, _) = mpsc::channel(COMMAND_BOUND);
        let (open, events) = mpsc::channel(EVENT_BOUND);
        Self { commands, events, task: None, _open: Some(open) }
    }

    fn spawn<S: Suite>(
        network: &Network,
        profile: Profile,
        contacts: Vec<Correspondent>,
        segmentation: Segmentation,
    ) -> Result<Self, SessionError> {
        let roster = Arc::clone(&network.roster);
        let entry = roster.node(profile.entry).ok_or(SessionError::NoEntry)?;
        let peer = PeerAddress {
            number: entry.number,
            identity: entry.identity,
            addresses: entry.addresses.clone(),
        };
        let (commands, inbox) = mpsc::channel(COMMAND_BOUND);
        let (outbox, events) = mpsc::channel(EVENT_BOUND);
        let join_key = network.trust.join_key().clone();
        let driver = Driver::<S> {
            roster,
            peer,
            segmentation,
            clock: Clock::start(),
            courier: None,
            founding: Some(Founding { profile, contacts, join_key }),
            commands: inbox,
            events: outbox,
            document: 0,
            fresh_until: None,
        };
        let task = tokio::spawn(driver.run()).abort_handle();
        Ok(Self { commands, events, task: Some(task), _open: None })
    }

    /// Hands a message for a contact to the courier; it leaves in payload slots.
    ///
    /// # Errors
    /// The courier does not take it; before the first link it takes none ([`PostError::Full`]).
    pub async fn post(&self, to: KeyId, message: Message) -> Result<(), PostError> {
        let (sender, answer) = oneshot::channel();
        self.command(Command::Post(to, Box::new(message), sender)).await;
        answer.await.map_err(|_| PostError::Full)?
    }

    /// What has come in an [`Event::Arrived`] is where it lasts: its sender may be told.
    pub async fn keep(&self, sender: KeyId, sequence: u64, fragment: u32) {
        self.command(Command::Keep { sender, sequence, fragment }).await;
    }

    /// Adds a contact, or goes on with a newer address of it; then what is kept of its messages
    /// does not count.
    pub async fn add_contact(&self, contact: Correspondent) {
        self.command(Command::Contact(Box::new(contact))).await;
    }

    /// Strikes a contact off.
    pub async fn remove_contact(&self, key: KeyId) {
        self.command(Command::Remove(key)).await;
    }

    /// Goes on with other prekeys, write keys or mailboxes.
    pub async fn renew(&self, account: Account) {
        self.command(Command::Renew(Box::new(account))).await;
    }

    /// What happens next; never ends while the session runs.
    pub async fn event(&mut self) -> Option<SessionEvent> {
        self.events.recv().await
    }

    /// What has happened already and was not collected.
    pub fn next_event(&mut self) -> Option<SessionEvent> {
        self.events.try_recv().ok()
    }

    /// The task runs as long as the session is there to give commands.
    async fn command(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What the courier is made from, once the clock is set.
struct Founding {
    profile: Profile,
    contacts: Vec<Correspondent>,
    join_key: JoinKey,
}

struct Driver<S: Suite> {
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
    async fn run(mut self) {
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
                self.clock.first_set(cell.time);
                self.courier = Some(self.found(founding, session));
            }
            (Some(courier), _) => {
                self.clock.set(cell.time);
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
                Some(command) = self.commands.recv() => self.obey(command),
            }
            self.tell();
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
        let reader = AbortOnDrop(tokio::spawn(read(receiver, cells_in)).abort_handle());
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
                Some(command) = self.commands.recv() => self.obey(command),
            }
            self.tell();
            let _ = &reader;
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
        self.fresh_until = Some(self.clock.now().max(document.start) + STALE);
        let view = Arc::new(View::<S>::new(Arc::clone(&self.roster), &document));
        let _ = self.events.try_send(SessionEvent::View(view.len()));
        if let Some(courier) = &mut self.courier {
            courier.handle_view(self.clock.now(), view);
        }
    }

    fn obey(&mut self, command: Command) {
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
    fn tell(&mut self) {
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
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let own = Time::from_micros(0) + unix;
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    millis(own.since(relay)) - millis(relay.since(own))
}

fn random_session() -> SessionId {
    let mut session = [0; 16];
    rand::rng().fill_bytes(&mut session);
    SessionId::new(session)
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The first cell comes within two slots of the relay's slowest grid, or the link is no good.
const FIRST_CELL: Duration = Duration::from_secs(10);
/// Between sessions, drawn from half to one and a half.
const PAUSE: Duration = Duration::from_secs(2);
/// A document that started so long ago is no ground to build on: keys in it may be gone.
const STALE: Duration = Duration::from_secs(120);
const COMMAND_BOUND: usize = 16;
const EVENT_BOUND: usize = 256;
/// Cells that wait for the driver; it takes them as they come.
const CELL_BOUND: usize = 8;
