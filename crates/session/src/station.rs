//! A client's place in the network, from which it dials its entry relay, and its clocks.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rohrpost_network::{Clock, machine_time};
use rohrpost_packet::{Buffer, SessionId, Suite};
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::trust::TrustRoot;
use rohrpost_proto::frame::{DownCell, frame_len};
use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::Witness;
use rohrpost_transport::{
    CellSender, ClientLink, FrameReceiver, PeerAddress, Segmentation, connect,
};
use tokio::time::timeout;

use crate::end::End;

/// A client's place in the network.
pub struct Station {
    /// Trust root of the network in which the client is.
    pub trust: Arc<TrustRoot>,
    /// Roster of the network.
    pub roster: Arc<Roster>,
    /// Entry relay of the client, as it is dialed.
    pub entry: PeerAddress,
    /// Manner in which datagrams are handed to the system.
    pub segmentation: Segmentation,
    /// The client's own clock, which no relay moves but where the machine's clock agrees with it.
    pub clock: Clock,
    /// Record of what documents have shown of the time.
    pub witness: Witness,
}

/// A link on which the first cell has come, which is not judged yet.
pub struct Dialed {
    sender: CellSender,
    receiver: FrameReceiver,
    cell: Buffer,
}

/// A link on which the relay has told its time.
pub struct Link {
    pub(crate) sender: CellSender,
    pub(crate) receiver: FrameReceiver,
    /// The relay's time in its first cell.
    pub time: Time,
}

impl Station {
    /// Dials the entry relay and waits for its first cell.
    ///
    /// # Errors
    /// The relay cannot be reached, or sends nothing.
    pub fn dial<S: Suite>(
        &self,
    ) -> impl Future<Output = Result<Dialed, End>> + Send + 'static + use<S> {
        let (entry, segmentation) = (self.entry.clone(), self.segmentation);
        async move {
            let connected = connect(&entry, frame_len::<S>(), segmentation).await;
            let ClientLink { sender, mut receiver } = connected.map_err(End::Connect)?;
            match timeout(FIRST_CELL, receiver.recv()).await {
                Ok(Ok(Some(cell))) => Ok(Dialed { sender, receiver, cell }),
                _ => Err(End::Lost),
            }
        }
    }

    /// Judges the relay's clock by its first cell. One that nothing bears out is heard, and the
    /// client goes by no view until a document has borne it out.
    ///
    /// # Errors
    /// The cell is malformed.
    pub fn greet<S: Suite>(&mut self, dialed: Dialed) -> Result<Link, End> {
        let Dialed { sender, receiver, cell } = dialed;
        let time = DownCell::<S>::decode(&cell).map_err(|_| End::Lost)?.time;
        let (now, machine) = (self.clock.steady(), machine_time());
        let _ = self.witness.greet(now, time, machine);
        self.clock.go_forward(Witness::lag(now, time, machine));
        Ok(Link { sender, receiver, time })
    }
}

/// Draws the name of a session.
#[must_use]
pub fn random_session() -> SessionId {
    let mut session = [0; 16];
    rand::rng().fill_bytes(&mut session);
    SessionId::new(session)
}

/// Time for the first cell: it comes within two slots of the relay's slowest grid, or the link is
/// no good.
const FIRST_CELL: Duration = Duration::from_secs(10);
