//! The way to a link to the entry relay. Until there is one, commands are executed all the same:
//! the application must not be held up by a link that is down.

use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, RngExt};
use rohrpost_network::{Clock, machine_time};
use rohrpost_packet::{SessionId, Suite};
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::frame::{DownCell, frame_len};
use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::Witness;
use rohrpost_transport::{CellSender, FrameReceiver, PeerAddress, Segmentation, connect};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::command::{Client, Command};
use super::error::SessionError;
use super::event::SessionEvent;

/// A link on which the first cell has come.
pub(super) struct Link {
    pub(super) sender: CellSender,
    pub(super) receiver: FrameReceiver,
    /// The relay's time in that cell.
    pub(super) time: Time,
}

/// Maker of links, with the channels to the application.
pub(super) struct Linker {
    pub(super) roster: Arc<Roster>,
    pub(super) peer: PeerAddress,
    pub(super) segmentation: Segmentation,
    /// The client's own clock, which no relay moves.
    pub(super) clock: Clock,
    pub(super) witness: Witness,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<SessionEvent>,
}

impl Linker {
    /// Links to the entry relay, again and again after a pause; none if the application is gone.
    pub(super) async fn link<S: Suite>(&mut self, client: &mut impl Client) -> Option<Link> {
        loop {
            match self.try_link::<S>(client).await {
                Ok(link) => return Some(link),
                Err(error) => self.pause(client, error).await?,
            }
        }
    }

    async fn try_link<S: Suite>(&mut self, client: &mut impl Client) -> Result<Link, SessionError> {
        let (peer, segmentation) = (self.peer.clone(), self.segmentation);
        let link = async move {
            let link = connect(&peer, frame_len::<S>(), segmentation).await?;
            let (sender, mut receiver) = (link.sender, link.receiver);
            let first = timeout(FIRST_CELL, receiver.recv()).await;
            let cell = first.map_err(|_| SessionError::Lost)?.map_err(|_| SessionError::Lost)?;
            Ok::<_, SessionError>((sender, receiver, cell.ok_or(SessionError::Lost)?))
        };
        let (sender, receiver, cell) = self.meanwhile(client, link).await?;
        let cell = DownCell::<S>::decode(&cell).map_err(|_| SessionError::Lost)?;
        // A relay whose clock nothing bears out is heard, and goes by no view.
        let (now, machine) = (self.clock.steady(), machine_time());
        let _ = self.witness.greet(now, cell.time, machine);
        self.clock.go_forward(Witness::lag(now, cell.time, machine));
        Ok(Link { sender, receiver, time: cell.time })
    }

    /// Reports that there is no link, and waits a while; none if the application is gone.
    pub(super) async fn pause(
        &mut self,
        client: &mut impl Client,
        error: SessionError,
    ) -> Option<()> {
        self.events.send(SessionEvent::Disconnected(error)).await.ok()?;
        let pause = PAUSE.mul_f64(rand::rng().random_range(0.5..1.5));
        self.meanwhile(client, sleep(pause)).await;
        Some(())
    }

    /// Reports that there is a link, whose relay's clock shows `time`.
    pub(super) async fn connected(&self, time: Time) {
        let clock_ahead = ahead(time);
        let _ = self.events.send(SessionEvent::Connected { clock_ahead }).await;
    }

    /// Waits for something, and executes commands in the meantime.
    async fn meanwhile<F: Future>(&mut self, client: &mut impl Client, awaited: F) -> F::Output {
        tokio::pin!(awaited);
        loop {
            tokio::select! {
                output = &mut awaited => return output,
                Some(command) = self.commands.recv() => command.execute(client, self.clock.steady()),
            }
            self.notify(client);
        }
    }

    /// Hands over what has happened, as far as the application has room for it. The rest stays with
    /// the courier, which then holds fragments back: the grid waits for nobody.
    pub(super) fn notify(&self, client: &mut impl Client) {
        while let Ok(room) = self.events.try_reserve() {
            let Some(event) = client.poll_event() else {
                return;
            };
            room.send(SessionEvent::Courier(event));
        }
    }
}

/// Milliseconds by which the machine's clock is ahead of a relay's time.
fn ahead(relay: Time) -> i64 {
    let own = machine_time();
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    millis(own.since(relay)) - millis(relay.since(own))
}

pub(super) fn random_session() -> SessionId {
    let mut session = [0; 16];
    rand::rng().fill_bytes(&mut session);
    SessionId::new(session)
}

/// Time for the first cell: it comes within two slots of the relay's slowest grid, or the link is
/// no good.
const FIRST_CELL: Duration = Duration::from_secs(10);
/// Pause between links, drawn from half to one and a half of this.
const PAUSE: Duration = Duration::from_secs(2);
