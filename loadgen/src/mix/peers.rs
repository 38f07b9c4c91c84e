//! The rest of the roster, played by this process: predecessors that feed the mix, successors that
//! take what comes out, relays that hear its descriptor and hand it documents.
//!
//! The documents name the measured mix alone, so its own cover finds no path and sends nothing: all
//! packets in it are the load's.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use rohrpost_network::Clock;
use rohrpost_node::read_signing_key;
use rohrpost_packet::{HopPublicKey, NodeNumber, Suite};
use rohrpost_proto::directory::board::{Audience, Board};
use rohrpost_proto::directory::carousel::object::Object;
use rohrpost_proto::directory::consensus::document::{Document, Member, SignedDocument};
use rohrpost_proto::directory::consensus::vote::Key;
use rohrpost_proto::directory::control::{ControlMessage, MAX_CONTROL_LEN, Place};
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::roster::{Role, Roster, RosterNode};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::frame::frame_len;
use rohrpost_proto::lock::Unpoison;
use rohrpost_proto::time::Time;
use rohrpost_transport::{
    Accepted, Buffers, ControlChannels, EndpointConfig, FrameReceiver, NodeEndpoint, PacketOutbox,
    PeerAddress, Segmentation, exchange,
};
use tokio::sync::{mpsc, watch};

use super::error::MixError;
use super::journal::Journal;
use super::packets;

/// All nodes of the roster but the mixes of the measured layer.
pub(super) struct Peers<S: Suite> {
    predecessors: Vec<NodeEndpoint>,
    sink: Arc<Sink>,
    key: watch::Receiver<Option<HopPublicKey<S>>>,
}

/// Counts of what has come out of the mix.
pub(super) struct Sink {
    /// The successors in the order in which packets go to them, and what each has taken.
    by_node: Vec<(NodeNumber, AtomicU64)>,
    misrouted: AtomicU64,
    journal: RwLock<Option<Arc<Journal>>>,
}

impl Sink {
    fn new(successors: impl Iterator<Item = NodeNumber>) -> Self {
        Self {
            by_node: successors.map(|node| (node, AtomicU64::new(0))).collect(),
            misrouted: AtomicU64::new(0),
            journal: RwLock::new(None),
        }
    }

    /// Packets so far.
    pub(super) fn arrived(&self) -> u64 {
        self.nodes().map(|(_, count)| count).sum()
    }

    /// Packets so far by successor.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (NodeNumber, u64)> {
        self.by_node.iter().map(|(node, count)| (*node, count.load(Ordering::Relaxed)))
    }

    /// Packets so far that came out at another node than their route names.
    pub(super) fn misrouted(&self) -> u64 {
        self.misrouted.load(Ordering::Relaxed)
    }

    /// Arrivals are noted in this journal from now on.
    pub(super) fn follow(&self, journal: &Arc<Journal>) {
        *self.journal.write().unpoison() = Some(Arc::clone(journal));
    }

    /// Takes the frames of one link of the successor at `place`.
    async fn drain<S: Suite>(self: Arc<Self>, place: usize, mut frames: FrameReceiver) {
        while let Ok(frame) = frames.recv().await {
            if let Some(mark) = frame.and_then(|frame| packets::mark::<S>(&frame)) {
                self.note(place, mark);
            }
        }
    }

    fn note(&self, place: usize, mark: u64) {
        let journal = self.journal.read().unpoison();
        let known = journal.as_ref().is_some_and(|journal| journal.arrive(mark));
        if known && packets::turn(mark, self.by_node.len()) != place {
            self.misrouted.fetch_add(1, Ordering::Relaxed);
        }
        drop(journal);
        if let Some((_, count)) = self.by_node.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<S: Suite> Peers<S> {
    /// Binds the endpoints of all nodes around `layer`, with the keys in `directory`. To be called
    /// within a runtime.
    pub(super) fn start(
        roster: &Arc<Roster>,
        directory: &Path,
        subject: &RosterNode,
    ) -> Result<Self, MixError> {
        let bind = |node: &RosterNode| bind::<S>(roster, directory, node);
        let role = subject.role;
        let predecessors =
            roster.predecessors(role).map(|node| Ok(bind(node)?.0)).collect::<Result<_, _>>()?;
        let sink = Arc::new(Sink::new(roster.successors(role).map(|node| node.number)));
        for (place, node) in roster.successors(role).enumerate() {
            let (endpoint, _) = bind(node)?;
            tokio::spawn(accept_packets::<S>(endpoint, place, Arc::clone(&sink)));
        }
        let (sender, heard) = mpsc::channel(HEARD_BOUND);
        let (board, newest) = watch::channel(Board::default());
        let relay = |node: &RosterNode| {
            let (endpoint, key) = bind(node)?;
            tokio::spawn(accept_control(endpoint, newest.clone(), sender.clone()));
            Ok((node.number, key))
        };
        let signers = roster.relays().map(relay).collect::<Result<_, MixError>>()?;
        let (key_sender, key) = watch::channel(None);
        let herald = Herald::<S> {
            roster: Arc::clone(roster),
            subject: subject.number,
            clock: Clock::start(),
            announced: None,
            signers,
            board,
            key: key_sender,
        };
        tokio::spawn(herald.run(heard));
        Ok(Self { predecessors, sink, key })
    }

    /// A packet link from every predecessor to this mix.
    pub(super) fn links_to(&self, mix: &RosterNode) -> Vec<PacketOutbox> {
        self.predecessors
            .iter()
            .map(|endpoint| {
                PacketOutbox::connect(endpoint, PeerAddress::from(mix), OUTBOX_BOUND, |_| {})
            })
            .collect()
    }

    pub(super) const fn sink(&self) -> &Arc<Sink> {
        &self.sink
    }

    /// The newest key that the mix has announced.
    pub(super) fn key(&self) -> Option<HopPublicKey<S>> {
        self.key.borrow().clone()
    }
}

fn bind<S: Suite>(
    roster: &Roster,
    directory: &Path,
    node: &RosterNode,
) -> Result<(NodeEndpoint, Arc<SigningKey>), MixError> {
    let path = directory.join(&node.name).join("identity.pem");
    let key = read_signing_key(&path).map_err(|error| MixError::Start(error.to_string()))?;
    let key = Arc::new(key);
    let config = endpoint_config::<S>(roster, node.role);
    let listen = *node.addresses.first().ok_or_else(|| MixError::Start("no address".into()))?;
    let endpoint = NodeEndpoint::bind(listen, Arc::clone(&key), config)
        .map_err(|error| MixError::Start(error.to_string()))?;
    Ok((endpoint, key))
}

/// Configuration by which a node in this role accepts links.
pub(super) fn endpoint_config<S: Suite>(roster: &Roster, role: Role) -> EndpointConfig {
    EndpointConfig {
        peers: rohrpost_transport::Peers {
            nodes: roster.nodes().map(|node| (node.identity, node.number)).collect(),
            predecessors: roster.predecessors(role).map(|node| node.number).collect(),
        },
        relay: matches!(role, Role::Relay),
        frame_len: frame_len::<S>(),
        buffers: Buffers::Heap,
        segmentation: Segmentation::Offload,
    }
}

async fn accept_packets<S: Suite>(endpoint: NodeEndpoint, place: usize, sink: Arc<Sink>) {
    while let Some(accepted) = endpoint.accept().await {
        if let Accepted::Packet { frames, .. } = accepted {
            tokio::spawn(Arc::clone(&sink).drain::<S>(place, frames));
        }
    }
}

type Heard = (NodeNumber, Vec<u8>);

async fn accept_control(
    endpoint: NodeEndpoint,
    newest: watch::Receiver<Board>,
    heard: mpsc::Sender<Heard>,
) {
    while let Some(accepted) = endpoint.accept().await {
        if let Accepted::Control { from, link, .. } = accepted {
            let (board, incoming) = (newest.clone(), heard.clone());
            let (audience, max_len, pace) = (Audience::All, MAX_CONTROL_LEN, None);
            let channels = ControlChannels { board, audience, incoming, max_len, pace };
            tokio::spawn(exchange(link, from, channels));
        }
    }
}

/// Hands out documents made of what the measured mix has announced.
struct Herald<S: Suite> {
    roster: Arc<Roster>,
    subject: NodeNumber,
    clock: Clock,
    announced: Option<SignedDescriptor>,
    /// The relays, which sign each document.
    signers: Vec<(NodeNumber, Arc<SigningKey>)>,
    board: watch::Sender<Board>,
    key: watch::Sender<Option<HopPublicKey<S>>>,
}

impl<S: Suite> Herald<S> {
    /// Takes announcements, and speaks once in each slot of the directory.
    async fn run(mut self, mut heard: mpsc::Receiver<Heard>) {
        let mut due = self.clock.now();
        loop {
            tokio::select! {
                message = heard.recv() => match message {
                    Some((from, message)) => self.hear(from, &message),
                    None => return,
                },
                () = tokio::time::sleep(self.clock.until(due)) => due = self.speak(),
            }
        }
    }

    fn hear(&mut self, from: NodeNumber, message: &[u8]) {
        if let (true, Ok(ControlMessage::Announcement(announcement))) =
            (from == self.subject, ControlMessage::decode(message))
        {
            let announced = announcement.descriptor.descriptor();
            let newest = HopPublicKey::from_bytes(announced.generation, &announced.key);
            self.key.send_replace(newest.ok());
            self.announced = Some(announcement.descriptor);
        }
    }

    /// Signs a document that holds at once as every relay, and hands it out; tells when the next is due.
    fn speak(&mut self) -> Time {
        let (now, timing) = (self.clock.now(), self.roster.directory.timing);
        let Some(announced) = &self.announced else { return now + FIRST };
        let Descriptor { node, generation, .. } = *announced.descriptor();
        let slot = timing.slot_of(now - timing.lead());
        let document = Document {
            roster_version: self.roster.version,
            roster_hash: self.roster.hash,
            slot,
            members: vec![Member { node, key: Key { generation, descriptor: announced.hash() } }],
        };
        let keys = self.signers.iter().map(|(relay, key)| (*relay, &**key));
        let objects = [
            (
                Place::Descriptor(node, announced.hash()),
                Object::Descriptors(vec![announced.clone()]),
            ),
            (Place::Document(slot), Object::Document(SignedDocument::by(document, keys))),
        ];
        self.board.send_modify(|board| {
            board.retain(|place| matches!(place, Place::Descriptor(..)));
            for (place, object) in objects {
                let message = ControlMessage::Object(object).encode();
                board.post(Audience::All, place, message.into());
            }
        });
        now.next_multiple(timing.interval())
    }
}

/// Frames that wait for a link, as many as at a node by its default.
const OUTBOX_BOUND: usize = 1_024;
/// Announcements that wait: one from each of 64 links.
const HEARD_BOUND: usize = 64;
/// Time until the first announcement is looked for.
const FIRST: Duration = Duration::from_millis(100);
