//! The session's task: it keeps the grid on one link after another, as long as there is an
//! application.

use std::future::pending;

use rohrpost_packet::Suite;
use rohrpost_proto::courier::Courier;
use rohrpost_proto::time::Steady;
use rohrpost_session::{Application, News, Session, Station, random_session};

use super::command::Command;
use super::event::SessionEvent;
use super::founding::Founding;
use super::link::Linker;

/// Runs a session as long as there is an application: the courier is founded on the first link, and
/// goes on over those after it.
pub(super) async fn run<S: Suite>(
    mut station: Station,
    mut linker: Linker,
    mut founding: Founding,
) {
    let linked = linker.link::<S>(&mut station, &mut founding).await;
    let Some(mut link) = linked else { return };
    let moment = (station.clock.steady(), link.time);
    let courier = founding.found(&station.roster, random_session(), moment);
    let mut session = Session::<S>::new(station, courier);
    loop {
        linker.connected(link.time);
        let end;
        (session, end) = session.keep_grid(link, &mut linker).await;
        let Session { station, courier, .. } = &mut session;
        if linker.pause(station.clock, courier, end.into()).await.is_none() {
            return;
        }
        let Some(next) = linker.link::<S>(station, courier).await else { return };
        session.rejoin(&next);
        link = next;
    }
}

impl<S: Suite> Application<S> for Linker {
    type Command = Command;

    /// The application's next command. When it is gone, the session ends by its handle.
    async fn command(&mut self) -> Command {
        match self.commands.recv().await {
            Some(command) => command,
            None => pending().await,
        }
    }

    fn execute(&mut self, command: Command, courier: &mut Courier<S>, now: Steady) {
        command.execute(courier, now);
    }

    fn collect(&mut self, courier: &mut Courier<S>) {
        self.notify(courier);
    }

    /// Tells the application; what it has no room for is out of date soon.
    fn hear(&mut self, news: News) {
        self.tell(match news {
            News::View { up, shortage, time, agreement } => {
                SessionEvent::View { up, shortage, time, agreement }
            }
            News::Stale => SessionEvent::Stale,
            News::Expired => SessionEvent::Expired,
            News::Roster { roster, files } => SessionEvent::Roster { roster, files },
            News::OtherRoster { version } => SessionEvent::OtherRoster { version },
            News::Written(took) => SessionEvent::Written(took),
        });
    }

    fn deadline(&self, _fresh: Steady) -> Option<Steady> {
        None
    }
}
