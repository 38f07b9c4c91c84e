//! The session: a link to the entry relay on which exactly one cell leaves per slot.
//!
//! One task owns link, clock and courier. It waits for the relay's first cell, by which it counts
//! slots, then keeps the grid; when the link is lost it goes on with a new session after a pause.

mod command;
mod driver;
mod error;
mod event;
mod founding;
mod link;
mod stepped;

use std::sync::Arc;

use rohrpost_network::{Clock, Network};
use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_packet::{Classic, Hybrid, Suite};
use rohrpost_proto::courier::{Account, Contact, Message, Receipt};
use rohrpost_proto::directory::roster::SuiteName;
use rohrpost_proto::time::agreement::Witness;
use rohrpost_session::Station;
use rohrpost_transport::{PeerAddress, Segmentation};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use crate::address::Address;
use crate::profile::Profile;
use command::Command;
use founding::Founding;
use link::Linker;

pub use command::{Correspondent, Resumption};
pub use error::{PostError, SessionError};
pub use event::SessionEvent;
pub(crate) use stepped::SteppedSession;

/// A running client; its task ends when it is dropped.
pub struct Session {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<SessionEvent>,
    _task: Option<AbortOnDropHandle<()>>,
    /// Keeps the events of a session without a task open: nothing ever happens, and nothing ends.
    _open: Option<mpsc::Sender<SessionEvent>>,
}

impl Session {
    /// Starts a client of the network's suite. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The entry relay is not in the roster.
    pub fn start(
        network: &Network,
        profile: Profile,
        resumption: impl Into<Resumption>,
    ) -> Result<Self, SessionError> {
        Self::start_with(network, profile, resumption, Segmentation::default())
    }

    /// Starts a client as [`Session::start`] does, with a say in how datagrams are handed to the
    /// system.
    ///
    /// # Errors
    /// The entry relay is not in the roster.
    pub fn start_with(
        network: &Network,
        profile: Profile,
        resumption: impl Into<Resumption>,
        segmentation: Segmentation,
    ) -> Result<Self, SessionError> {
        let spawn = match network.roster.suite {
            SuiteName::Hybrid => Self::spawn::<Hybrid>,
            SuiteName::Classic => Self::spawn::<Classic>,
        };
        spawn(network, profile, resumption.into(), segmentation)
    }

    /// Makes a session that never has a link and takes no messages, for looking at what is there.
    #[must_use]
    pub fn offline() -> Self {
        let (commands, _) = mpsc::channel(COMMAND_BOUND);
        let (open, events) = mpsc::channel(EVENT_BOUND);
        Self { commands, events, _task: None, _open: Some(open) }
    }

    /// Makes a session whose task is somebody else's, and its other end.
    pub(crate) fn stepped<S: Suite>(
        network: &Network,
        profile: Profile,
        resumption: Resumption,
    ) -> (Self, SteppedSession<S>) {
        let (commands, inbox) = mpsc::channel(COMMAND_BOUND);
        let (outbox, events) = mpsc::channel(EVENT_BOUND);
        let join_key = network.trust.join_key().clone();
        let founding = Founding { profile, resumption, join_key };
        let linker = Linker::new(inbox, outbox);
        let session = Self { commands, events, _task: None, _open: None };
        (session, SteppedSession::new(linker, founding))
    }

    fn spawn<S: Suite>(
        network: &Network,
        profile: Profile,
        resumption: Resumption,
        segmentation: Segmentation,
    ) -> Result<Self, SessionError> {
        let roster = Arc::clone(&network.roster);
        let (entry, version) = (profile.entry, roster.version);
        let entry = roster.node(entry).ok_or(SessionError::NoEntry { entry, version })?;
        let entry = PeerAddress::from(entry);
        let (commands, inbox) = mpsc::channel(COMMAND_BOUND);
        let (outbox, events) = mpsc::channel(EVENT_BOUND);
        let join_key = network.trust.join_key().clone();
        let founding = Founding { profile, resumption, join_key };
        let (clock, witness) = (Clock::start(), Witness::default());
        let trust = Arc::clone(&network.trust);
        let station = Station { trust, roster, entry, segmentation, clock, witness };
        let linker = Linker::new(inbox, outbox);
        let running = driver::run::<S>(station, linker, founding);
        let task = AbortOnDropHandle::new(tokio::spawn(running));
        Ok(Self { commands, events, _task: Some(task), _open: None })
    }

    /// Hands a message for a contact to the courier; it leaves in payload slots.
    ///
    /// # Errors
    /// The courier refuses the message, or there has been no link yet.
    pub async fn post(&self, to: KeyId, message: Message) -> Result<(), PostError> {
        let (sender, answer) = oneshot::channel();
        self.command(Command::Post(to, Box::new(message), sender)).await;
        answer.await.map_err(|_| PostError::NotConnected)?
    }

    /// Gives the courier a piece of a stored body, as it has asked for it.
    pub async fn supply(&self, message: MessageId, offset: usize, piece: Zeroizing<Vec<u8>>) {
        self.command(Command::Supply(message, offset, piece)).await;
    }

    /// Takes a message for a contact back: the courier forgets it, as far as it has not arrived.
    pub async fn cancel(&self, to: KeyId, message: MessageId) {
        self.command(Command::Cancel(to, message)).await;
    }

    /// Notes that what an event with this receipt brought is stored: the sender may be told.
    pub async fn commit(&self, receipt: Receipt) {
        self.command(Command::Commit(receipt)).await;
    }

    /// Adds a contact, with what a former session has left of its messages.
    pub async fn add_contact(&self, contact: Correspondent) {
        self.command(Command::Contact(Box::new(contact))).await;
    }

    /// Goes on with a newer address of a contact.
    pub async fn readdress(&self, contact: Contact) {
        self.command(Command::Readdress(Box::new(contact))).await;
    }

    /// Tells a contact the own newest address.
    pub async fn announce(&self, to: KeyId, address: Message) {
        self.command(Command::Announce(to, Box::new(address))).await;
    }

    /// Removes a contact, with all that waits for it.
    pub async fn remove_contact(&self, key: KeyId) {
        self.command(Command::Remove(key)).await;
    }

    /// Goes on with other prekeys, write keys or mailboxes, which are in this address.
    pub async fn renew(&self, account: Account, address: Address) {
        self.command(Command::Renew(Box::new(account), Box::new(address))).await;
    }

    /// The next event; there is one as long as the session runs.
    pub async fn event(&mut self) -> Option<SessionEvent> {
        self.events.recv().await
    }

    /// An event that has happened already and was not collected.
    pub fn next_event(&mut self) -> Option<SessionEvent> {
        self.events.try_recv().ok()
    }

    /// Gives a command to the task, which runs as long as the session is there.
    async fn command(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }
}

const COMMAND_BOUND: usize = 16;
/// Events that wait for the application; what has no room stays with the courier.
const EVENT_BOUND: usize = 256;
