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
use crate::randomness;

/// The channels to the application. It is never waited for: an application that waits for a command
/// to be executed takes no events meanwhile.
pub(super) struct Linker {
    pub(super) commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<SessionEvent>,
    /// State of the link, newest alone, until the application has room to hear of it.
    state: Option<SessionEvent>,
}

impl Linker {
    pub(super) const fn new(
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<SessionEvent>,
    ) -> Self {
        Self { commands, events, state: None }
    }

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
        self.report(SessionEvent::Disconnected(error));
        let pause = Break::Lost.draw(&mut randomness::rng());
        self.meanwhile(clock, client, sleep(pause)).await;
        (!self.events.is_closed()).then_some(())
    }

    /// Reports that there is a link, whose relay's clock shows `time`.
    pub(super) fn connected(&mut self, time: Time) {
        self.report(SessionEvent::Connected { clock_ahead: ahead(time) });
    }

    /// Reports a state of the link. Where the application has no room, it hears of it later, unless
    /// the state has changed again by then.
    fn report(&mut self, state: SessionEvent) {
        self.state = Some(state);
        self.report_state();
    }

    /// Hands over the state of the link, if there is room; false if it still waits.
    fn report_state(&mut self) -> bool {
        if self.state.is_some()
            && let Ok(room) = self.events.try_reserve()
            && let Some(state) = self.state.take()
        {
            room.send(state);
        }
        self.state.is_none()
    }

    /// Tells the application what is out of date soon, if it has room.
    pub(super) fn tell(&mut self, event: SessionEvent) {
        if self.report_state() {
            let _ = self.events.try_send(event);
        }
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
                Ok(room) = self.events.reserve(), if self.state.is_some() => {
                    if let Some(state) = self.state.take() {
                        room.send(state);
                    }
                }
            }
            self.notify(client);
        }
    }

    /// Hands over what has happened, as far as the application has room for it. The rest stays with
    /// the courier, which then holds fragments back: the grid waits for nobody.
    pub(super) fn notify(&mut self, client: &mut impl Client) {
        while self.report_state()
            && let Ok(room) = self.events.try_reserve()
        {
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

#[cfg(test)]
mod tests;
