//! The mix as the application of its own client: it sends nothing, and hears what becomes of loops
//! and pulls.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use rohrpost_node::Handle;
use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::courier::{Courier, Event};
use rohrpost_proto::mix::watch::PullFate;
use rohrpost_proto::time::Steady;
use rohrpost_session::{Application, News};

use crate::job::CoverJob;

/// The listener of one stay.
pub(super) struct Listener<S: Suite> {
    /// Time at which the stay is over.
    pub(super) until: Steady,
    /// Time in which a relay has to serve a document.
    pub(super) patience: Duration,
    /// The relays of the stay: its entry, and those of the mailboxes.
    pub(super) relays: Vec<NodeNumber>,
    /// True once a newer roster has not all of them.
    pub(super) retired: bool,
    pub(super) cover: Handle<CoverJob<S>>,
}

impl<S: Suite> Application<S> for Listener<S> {
    type Command = Infallible;

    async fn command(&mut self) -> Infallible {
        pending().await
    }

    fn execute(&mut self, command: Infallible, _courier: &mut Courier<S>, _now: Steady) {
        match command {}
    }

    /// Tells the cover what has become of loops and pulls; all else is nobody's business.
    fn collect(&mut self, courier: &mut Courier<S>) {
        while let Some(event) = courier.poll_event() {
            let tells = match event {
                Event::LoopSent | Event::LoopReturned { .. } | Event::LoopLost { .. } => true,
                _ => PullFate::of(&event).is_some(),
            };
            if tells {
                // A cover that is behind misses an observation.
                let _ = self.cover.try_send(CoverJob::Own(event));
            }
        }
    }

    /// Hears of a roster by which a relay of the stay is retired: as people's clients do, it goes elsewhere.
    fn hear(&mut self, news: News) {
        if let News::Roster { roster, .. } = news {
            self.retired |= self.relays.iter().any(|relay| roster.relay(*relay).is_none());
        }
    }

    /// The end of the stay, or of the patience with a relay that serves no fresh document.
    fn deadline(&self, fresh: Steady) -> Option<Steady> {
        if self.retired { Some(fresh) } else { Some(self.until.min(fresh + self.patience)) }
    }
}
