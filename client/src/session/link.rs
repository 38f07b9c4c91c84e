//! The way to a link to the entry relay. Until there is one, commands are executed all the same:
//! the application must not be held up by a link that is down.

use std::time::Duration;

use rohrpost_network::{Clock, machine_time};
use rohrpost_packet::Suite;
use rohrpost_proto::time::Time;
use rohrpost_session::{Break, Link, Station};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::command::{Client, Command};
use super::error::SessionError;
use super::event::SessionEvent;

/// The channels to the application, and what is done with them while there is no link.
pub(super) struct Linker {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<SessionEvent>,
}

impl Linker {
    /// Links to the entry relay, again and again after a pause; none if the application is gone.
    pub(super) async fn link<S: Suite>(
        &mut self,
        station: &mut Station,
        client: &mut impl Client,
    ) -> Option<Link> {
        loop {
            let dialed = self.meanwhile(station.clock, client, station.dial::<S>()).await;
            match dialed.and_then(|dialed| station.greet::<S>(dialed)) {
                Ok(link) => return Some(link),
                Err(end) => self.pause(station.clock, client, end.into()).await?,
            }
        }
    }

    /// Reports that there is no link, and waits a while; none if the application is gone.
    pub(super) async fn pause(
        &mut self,
        clock: Clock,
        client: &mut impl Client,
        error: SessionError,
    ) -> Option<()> {
        self.events.send(SessionEvent::Disconnected(error)).await.ok()?;
        let pause = Break::Lost.draw(&mut rand::rng());
        self.meanwhile(clock, client, sleep(pause)).await;
        Some(())
    }

    /// Reports that there is a link, whose relay's clock shows `time`.
    pub(super) async fn connected(&self, time: Time) {
        let clock_ahead = ahead(time);
        let _ = self.events.send(SessionEvent::Connected { clock_ahead }).await;
    }

    /// Waits for something, and executes commands in the meantime.
    async fn meanwhile<F: Future>(
        &mut self,
        clock: Clock,
        client: &mut impl Client,
        awaited: F,
    ) -> F::Output {
        tokio::pin!(awaited);
        loop {
            tokio::select! {
                output = &mut awaited => return output,
                Some(command) = self.commands.recv() => command.execute(client, clock.steady()),
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
