//! The application around a session.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::courier::Courier;
use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::view::Shortage;
use rohrpost_proto::time::agreement::Agreement;
use rohrpost_proto::time::{Steady, Time};

/// The application around a session: it gives commands, and hears what happens. Whatever it does is
/// done between slots, so it must not wait for anybody.
pub trait Application<S: Suite>: Send {
    /// Something that the application has the courier do.
    type Command: Send;

    /// Waits for the next command, for ever where there is none. A wait that is broken off loses no
    /// command.
    fn command(&mut self) -> impl Future<Output = Self::Command> + Send;

    /// Carries a command out.
    fn execute(&mut self, command: Self::Command, courier: &mut Courier<S>, now: Steady);

    /// Collects the events of the courier, as far as there is room for them.
    fn collect(&mut self, courier: &mut Courier<S>);

    /// Hears of something that concerns the session.
    fn hear(&mut self, news: News);

    /// Time at which the session ends of itself, if it does; `fresh` is when the last document came
    /// that was young enough, or since when one is waited for.
    fn deadline(&self, fresh: Steady) -> Option<Steady>;
}

/// Something that has happened to a session.
pub enum News {
    /// A document was taken over.
    View {
        /// Nodes that are up.
        up: BTreeSet<NodeNumber>,
        /// Lack of nodes that keeps the client from building packets.
        shortage: Option<Shortage>,
        /// Document time, which the machine's clock or other nodes' announcements bear out.
        time: Time,
        /// Clocks that bear it out.
        agreement: Agreement,
    },
    /// The newest document is too old to build packets with.
    Stale,
    /// The newest roster by which documents go has expired: no packets are built by it.
    Expired,
    /// Documents go by a newer roster than the session began with. Told of with each of them.
    Roster {
        /// The roster.
        roster: Arc<Roster>,
        /// Its texts, as they came from the relay.
        files: Arc<RosterFiles>,
    },
    /// The relay goes by another roster, which this session cannot follow: its documents are of no use
    /// here.
    OtherRoster {
        /// Version of that roster. Where the roster itself has not come, by the word of the relay.
        version: u32,
    },
    /// A cell was written at its slot; the time from the wake-up until QUIC had the bytes.
    Written(Duration),
}
