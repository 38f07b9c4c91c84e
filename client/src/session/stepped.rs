//! A session without a task or a link of its own, for a simulation that has both.

use std::sync::Arc;

use rohrpost_packet::{SessionId, Suite};
use rohrpost_proto::courier::Courier;
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::time::{Steady, Time};

use super::event::SessionEvent;
use super::founding::Founding;
use super::link::Linker;
use crate::randomness;

/// The other end of a session that is stepped: commands are carried out on the courier, and its
/// events handed over, as the session's task does.
pub(crate) struct SteppedSession<S: Suite> {
    linker: Linker,
    client: Client<S>,
}

/// What commands act on: a courier, and before the first link what it will be made from.
enum Client<S: Suite> {
    Founding(Option<Box<Founding>>),
    Courier(Box<Courier<S>>),
}

impl<S: Suite> SteppedSession<S> {
    /// The other end of a session, before its first link.
    pub(super) fn new(linker: Linker, founding: Founding) -> Self {
        Self { linker, client: Client::Founding(Some(Box::new(founding))) }
    }

    /// Takes up a link: the courier is founded, or goes on under another name and phase.
    pub(crate) fn connect(
        &mut self,
        roster: &Arc<Roster>,
        now: Steady,
        told: Time,
        session: SessionId,
    ) {
        match &mut self.client {
            Client::Founding(founding) => {
                if let Some(founding) = founding.take() {
                    let courier = founding.found(roster, session, (now, told));
                    self.client = Client::Courier(Box::new(courier));
                }
            }
            Client::Courier(courier) => {
                let phase = roster.traffic.client_phase(&mut randomness::rng());
                courier.rejoin(now, told, session, phase);
            }
        }
    }

    /// The courier, once there was a link.
    pub(crate) const fn courier(&mut self) -> Option<&mut Courier<S>> {
        match &mut self.client {
            Client::Founding(_) => None,
            Client::Courier(courier) => Some(&mut **courier),
        }
    }

    /// Carries out the commands that wait; false if there were none.
    pub(crate) fn execute(&mut self, now: Steady) -> bool {
        let mut any = false;
        while let Ok(command) = self.linker.commands.try_recv() {
            any = true;
            match &mut self.client {
                Client::Founding(Some(founding)) => command.execute(&mut **founding, now),
                Client::Founding(None) => {}
                Client::Courier(courier) => command.execute(&mut **courier, now),
            }
        }
        any
    }

    /// Tells the application of an event of the link.
    pub(crate) fn tell(&mut self, event: SessionEvent) {
        self.linker.tell(event);
    }

    /// Hands over what the courier has to tell, as far as there is room.
    pub(crate) fn collect(&mut self) {
        if let Client::Courier(courier) = &mut self.client {
            self.linker.notify(&mut **courier);
        }
    }
}
