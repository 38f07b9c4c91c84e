//! Events of a session.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Event;
use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::view::Shortage;
use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::Agreement;

use super::error::SessionError;

/// Something that a session tells the application.
pub enum SessionEvent {
    /// The link to the entry relay is up and its clock is set.
    Connected {
        /// Milliseconds by which the machine's clock is ahead of the relay's.
        clock_ahead: i64,
    },
    /// The link was lost, or could not be made; it is tried again.
    Disconnected(SessionError),
    /// Keys have arrived.
    View {
        /// Nodes that are up.
        up: BTreeSet<NodeNumber>,
        /// What the document names too little of; then nothing leaves, and nothing is lost.
        shortage: Option<Shortage>,
        /// Document time, which the machine's clock or other nodes' announcements bear out.
        time: Time,
        /// Clocks that bear it out.
        agreement: Agreement,
    },
    /// The newest document is too old to build packets with; cells go on.
    Stale,
    /// The roster has expired, and with it the right to send by it; cells go on.
    Expired,
    /// Documents go by a newer roster than the session began with; told of with each of them.
    Roster {
        /// The roster.
        roster: Arc<Roster>,
        /// Its texts, as they came over the network.
        files: Arc<RosterFiles>,
    },
    /// The entry relay goes by another roster than this client, which it cannot follow, so that its
    /// documents are of no use; told of with each of them.
    OtherRoster {
        /// Version of that roster. Where the roster itself has not come, by the word of the relay.
        version: u32,
    },
    /// A cell was written at its slot; the time from the wake-up until QUIC had the bytes. Building
    /// the cell is not in it, for that was done before.
    Written(Duration),
    /// The courier has an event.
    Courier(Event),
}
