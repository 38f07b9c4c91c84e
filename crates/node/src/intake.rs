//! The intake of a node: accepts links, admits those that its role serves, and hands the frames of
//! each packet link to the workers in turn. A frame that finds its worker's queue full is dropped
//! and counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rohrpost_packet::{Buffer, NodeNumber, Suite};
use rohrpost_proto::directory::board::{Audience, Board};
use rohrpost_proto::directory::consensus::rosters::Rosters;
use rohrpost_proto::directory::control::MAX_ANNOUNCEMENT_LEN;
use rohrpost_proto::directory::signing::IdentityKey;
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::places::Places;
use rohrpost_proto::replay::Ingress;
use rohrpost_transport::{
    Accepted, ControlChannels, ControlLink, FrameReceiver, NodeEndpoint, Pace, ServedLink, exchange,
};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::links::Inflow;
use crate::metrics::Metrics;
use crate::runtime::Node;
use crate::worker::Handle;

/// Links that a node admits.
pub enum Admission {
    /// Packet links alone: a mix.
    Packets,
    /// Packet links, control links and clients: a relay.
    All {
        /// What the relay has to say on control links.
        board: watch::Receiver<Board>,
        /// The worker that takes the links of clients.
        clients: Handle<Box<ServedLink>>,
    },
}

/// The task that takes links, as long as the node runs.
pub struct Intake<J> {
    endpoint: Arc<NodeEndpoint>,
    rosters: watch::Receiver<Rosters>,
    places: Arc<Places>,
    admission: Admission,
    incoming: mpsc::Sender<(NodeNumber, Vec<u8>)>,
    lane: Lane<J>,
    inflow: Arc<Inflow>,
    links: JoinSet<()>,
    /// Control links that are up, of each node the newest.
    control: BTreeMap<NodeNumber, AbortHandle>,
    /// The pace of what goes out on those of them that are not relays'.
    pace: Pace,
}

impl<J: Send + 'static> Intake<J> {
    /// The intake of a node whose workers take each frame as the job that `job` makes of it.
    #[must_use]
    pub fn new<S: Suite>(
        node: &Node<S>,
        workers: Vec<Handle<J>>,
        job: fn(Ingress, Buffer) -> J,
        admission: Admission,
    ) -> Self {
        Self {
            endpoint: Arc::clone(&node.endpoint),
            rosters: node.neighbours.rosters(),
            places: Arc::clone(node.neighbours.places()),
            admission,
            incoming: node.incoming_sender.clone(),
            lane: Lane { workers, job, metrics: Arc::clone(&node.metrics) },
            inflow: Arc::clone(&node.inflow),
            links: JoinSet::new(),
            control: BTreeMap::new(),
            pace: Pace::default(),
        }
    }

    /// Takes links until the endpoint or the task of a link fails, and gives the name of that.
    pub async fn run(mut self) -> &'static str {
        loop {
            tokio::select! {
                accepted = self.endpoint.accept() => match accepted {
                    Some(accepted) => self.admit(accepted),
                    None => return "endpoint",
                },
                Some(ended) = self.links.join_next() => if ended.is_err_and(|error| error.is_panic()) {
                    return "link";
                },
            }
        }
    }

    fn admit(&mut self, accepted: Accepted) {
        match (accepted, &self.admission) {
            (Accepted::Packet { from, identity, frames }, _) => {
                self.admit_packets(from, identity, frames);
            }
            (Accepted::Control { from, identity, link }, Admission::All { board, .. }) => {
                self.admit_control(from, identity, link, board.clone());
            }
            (Accepted::Client(link), Admission::All { clients, .. }) => {
                if clients.try_send(link).is_err() {
                    self.lane.metrics.drop_packet(Refusal::Overload);
                }
            }
            (Accepted::Control { .. } | Accepted::Client(_), Admission::Packets) => {}
        }
    }

    fn admit_packets(&mut self, from: NodeNumber, identity: IdentityKey, frames: FrameReceiver) {
        let name = self.rosters.borrow().node(from).map(|node| node.name.clone());
        let (Some(name), Some(ingress)) = (name, self.places.ingress(from)) else { return };
        let read = self.lane.clone().read(self.inflow.link(&name), ingress, frames);
        let places = Arc::clone(&self.places);
        let ended = until(self.rosters.clone(), move |rosters| {
            places.ingress(from) != Some(ingress) || !rosters.names(from, &identity)
        });
        self.links.spawn(async move {
            tokio::select! {
                () = read => {}
                () = ended => {}
            }
        });
    }

    fn admit_control(
        &mut self,
        from: NodeNumber,
        identity: IdentityKey,
        link: ControlLink,
        board: watch::Receiver<Board>,
    ) {
        let incoming = self.incoming.clone();
        let relay = self.rosters.borrow().is_relay(from);
        let audience = if relay { Audience::Relays } else { Audience::All };
        // Whoever connects announces itself alone: what a relay has to say comes on links to it.
        // Votes and signatures do not wait behind what hundreds of nodes are told.
        let pace = if relay { None } else { Some(self.pace.clone()) };
        let max_len = MAX_ANNOUNCEMENT_LEN;
        let channels = ControlChannels { board, audience, incoming, max_len, pace };
        let ended = until(self.rosters.clone(), move |rosters| !rosters.names(from, &identity));
        let link = self.links.spawn(async move {
            tokio::select! {
                _ = exchange(link, from, channels) => {}
                () = ended => {}
            }
        });
        self.control.retain(|_, link| !link.is_finished());
        if let Some(older) = self.control.insert(from, link) {
            older.abort();
        }
    }
}

/// Waits until the rosters in force are such.
async fn until(mut rosters: watch::Receiver<Rosters>, is_so: impl FnMut(&Rosters) -> bool) {
    let _ = rosters.wait_for(is_so).await;
}

/// The way of frames from one link to the workers.
struct Lane<J> {
    workers: Vec<Handle<J>>,
    job: fn(Ingress, Buffer) -> J,
    metrics: Arc<Metrics>,
}

impl<J> Clone for Lane<J> {
    fn clone(&self) -> Self {
        Self { workers: self.workers.clone(), job: self.job, metrics: Arc::clone(&self.metrics) }
    }
}

impl<J> Lane<J> {
    /// Hands the frames of one link to the workers in turn, until the link is gone.
    async fn read(self, count: Arc<AtomicU64>, ingress: Ingress, mut frames: FrameReceiver) {
        let mut turn = self.workers.iter().cycle();
        while let Ok(frame) = frames.recv().await {
            self.metrics.received.increment(1);
            count.fetch_add(1, Ordering::Relaxed);
            let job = frame.map(|frame| (self.job)(ingress, frame));
            let taken =
                job.zip(turn.next()).is_some_and(|(job, worker)| worker.try_send(job).is_ok());
            if !taken {
                self.metrics.drop_packet(Refusal::Overload);
            }
        }
    }
}
