//! A node's endpoint: one UDP socket for all links, in and out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use quinn::{Connection, Incoming, TokioRuntime};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::roster::RosterNode;
use rohrpost_proto::directory::signing::{IdentityKey, SigningKey};
use rohrpost_proto::lock::Unpoison;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::lasting;
use crate::race;
use crate::served::ServedLink;
use crate::shape::{Segmentation, Shape};
use crate::stream::{Buffers, FrameReceiver, LinkError, read_exact};
use crate::tls::{LinkKind, client_config, link_kind, peer_identity, server_config};

/// A node to dial, and how to reach it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerAddress {
    /// The node's number in the roster.
    pub number: NodeNumber,
    /// The node's identity, to which the link is pinned.
    pub identity: IdentityKey,
    /// The addresses at which the node listens; tried in their order, each shortly after the one before.
    pub addresses: Vec<SocketAddr>,
}

impl From<&RosterNode> for PeerAddress {
    fn from(node: &RosterNode) -> Self {
        Self { number: node.number, identity: node.identity, addresses: node.addresses.clone() }
    }
}

/// Nodes from which an endpoint accepts links.
#[derive(Clone, Default)]
pub struct Peers {
    /// All nodes of the network: they may open control links.
    pub nodes: HashMap<IdentityKey, NodeNumber>,
    /// The nodes before this one: they may open packet links.
    pub predecessors: HashSet<NodeNumber>,
}

/// Links and peers that an endpoint accepts.
pub struct EndpointConfig {
    /// The nodes from which links are accepted at first.
    pub peers: Peers,
    /// Serves clients and control links; true for relays only.
    pub relay: bool,
    /// Bytes of a frame or cell.
    pub frame_len: usize,
    /// Source of the buffers into which frames and cells are received.
    pub buffers: Buffers,
    /// The way in which datagrams are handed to the system.
    pub segmentation: Segmentation,
}

/// A link that a peer has opened.
pub enum Accepted {
    /// A packet link from the node before.
    Packet {
        /// The node that opened the link.
        from: NodeNumber,
        /// The identity that the node has shown.
        identity: IdentityKey,
        /// The frames that the node sends.
        frames: FrameReceiver,
    },
    /// A node's control link.
    Control {
        /// The node that opened the link.
        from: NodeNumber,
        /// The identity that the node has shown.
        identity: IdentityKey,
        /// The link, for [`crate::exchange`].
        link: ControlLink,
    },
    /// The link of a client.
    Client(Box<ServedLink>),
}

/// A control link that has been accepted; [`crate::exchange`] runs it.
pub struct ControlLink(pub(crate) Connection);

/// A bound endpoint; its tasks end when it is dropped.
pub struct NodeEndpoint {
    endpoint: quinn::Endpoint,
    key: Arc<SigningKey>,
    accepted: Mutex<mpsc::Receiver<Accepted>>,
    receive_buffer: usize,
    refused: Arc<AtomicU64>,
    admitted: Arc<RwLock<Admitted>>,
    shape: Shape,
    acceptor: AbortHandle,
}

/// Who may open links, and what they carry.
struct Admitted {
    peers: Peers,
    /// Bytes that the packet links of each node before this one have carried.
    received: BTreeMap<NodeNumber, Arc<AtomicU64>>,
}

impl Admitted {
    fn new(peers: Peers) -> Self {
        let mut admitted = Self { peers: Peers::default(), received: BTreeMap::new() };
        admitted.follow(peers);
        admitted
    }

    fn follow(&mut self, peers: Peers) {
        self.received.retain(|node, _| peers.predecessors.contains(node));
        for node in &peers.predecessors {
            self.received.entry(*node).or_default();
        }
        self.peers = peers;
    }
}

impl NodeEndpoint {
    /// Binds `listen` and begins to accept. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound; the error says what to do.
    pub fn bind(
        listen: SocketAddr,
        key: Arc<SigningKey>,
        config: EndpointConfig,
    ) -> Result<Self, BindError> {
        let socket = bind_socket(listen).map_err(|error| BindError::new(listen, error))?;
        let shape = Shape { segmentation: config.segmentation, frame_len: config.frame_len };
        let receive_buffer = SockRef::from(&socket).recv_buffer_size().unwrap_or(0);
        let endpoint = quinn::Endpoint::new(
            lasting::config(&key),
            Some(server_config(&key, shape)),
            socket,
            Arc::new(TokioRuntime),
        );
        let endpoint = endpoint.map_err(|error| BindError::new(listen, error))?;
        let (sender, accepted) = mpsc::channel(ACCEPTED_BOUND);
        let refused = Arc::new(AtomicU64::new(0));
        let admitted = Arc::new(RwLock::new(Admitted::new(config.peers.clone())));
        let acceptor = Acceptor {
            endpoint: endpoint.clone(),
            config: Arc::new(config),
            sender,
            refused: Arc::clone(&refused),
            admitted: Arc::clone(&admitted),
        };
        let acceptor = tokio::spawn(acceptor.run()).abort_handle();
        let accepted = Mutex::new(accepted);
        Ok(Self { endpoint, key, accepted, receive_buffer, refused, admitted, shape, acceptor })
    }

    /// Accepts links from these nodes from now on. Links that are there stay.
    pub fn follow(&self, peers: Peers) {
        self.admitted.write().unpoison().follow(peers);
    }

    /// Waits for the next link that a peer has opened and is allowed to open.
    pub async fn accept(&self) -> Option<Accepted> {
        self.accepted.lock().await.recv().await
    }

    /// The address at which the endpoint listens.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Bytes of the receive buffer that the system has granted; less than [`SOCKET_BUFFER`] where
    /// `net.core.rmem_max` does not allow it.
    #[must_use]
    pub const fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Links refused since the start: failed handshakes, strangers, nodes that may not.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Bytes that the streams of packet links have delivered, by the node they came from; counted
    /// as QUIC delivers them, so a sender that writes anything but whole frames shows here.
    #[must_use]
    pub fn received_bytes(&self) -> BTreeMap<NodeNumber, u64> {
        let admitted = self.admitted.read().unpoison();
        let received = admitted.received.iter();
        received.map(|(node, bytes)| (*node, bytes.load(Ordering::Relaxed))).collect()
    }

    /// Ends all links and tells the peers, for which there is a second at most.
    pub async fn close(&self) {
        self.acceptor.abort();
        self.endpoint.close(0_u32.into(), b"");
        let _ = timeout(FAREWELL, self.endpoint.wait_idle()).await;
    }

    /// Dials a node at its addresses, which may change.
    pub(crate) fn dialer(&self, kind: LinkKind, peer: PeerAddress) -> (Dialer, Addresses) {
        let config = client_config(kind, &peer.identity, Some(&self.key), self.shape);
        let (sender, addresses) = watch::channel(peer.addresses);
        (Dialer { endpoint: self.endpoint.clone(), config, addresses }, Addresses(sender))
    }
}

impl Drop for NodeEndpoint {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.endpoint.close(0_u32.into(), b"");
    }
}

/// A dialer of one kind of link to one peer.
pub(crate) struct Dialer {
    endpoint: quinn::Endpoint,
    config: quinn::ClientConfig,
    addresses: watch::Receiver<Vec<SocketAddr>>,
}

/// The addresses at which a dialer tries a node.
pub(crate) struct Addresses(watch::Sender<Vec<SocketAddr>>);

impl Addresses {
    /// Has the node tried at these from now on. A link that is up stays.
    pub(crate) fn replace(&self, addresses: &[SocketAddr]) {
        self.0.send_if_modified(|known| {
            let others = known != addresses;
            if others {
                addresses.clone_into(known);
            }
            others
        });
    }
}

impl Dialer {
    pub(crate) async fn dial(&self) -> Result<Connection, LinkError> {
        let addresses = self.addresses.borrow().clone();
        let attempts = addresses.into_iter().filter_map(|address| {
            let dialed = self.endpoint.connect_with(self.config.clone(), address, SERVER_NAME);
            let connecting = dialed.ok()?;
            Some(async { timeout(HANDSHAKE, admitted(connecting)).await.map_err(|_| LinkError)? })
        });
        race::first(attempts).await.map_err(|_| LinkError)
    }
}

/// Waits until the acceptor has admitted the link, which it says with one byte on a stream of its
/// own: a handshake that succeeds on this side may still be refused on the other.
async fn admitted(connecting: quinn::Connecting) -> Result<Connection, LinkError> {
    let connection = connecting.await.map_err(|_| LinkError)?;
    let mut stream = connection.accept_uni().await.map_err(|_| LinkError)?;
    let said = read_exact(&mut stream, 1).await?;
    if said[..] == [ADMITTED] { Ok(connection) } else { Err(LinkError) }
}

async fn say_admitted(connection: &Connection) -> Result<(), LinkError> {
    let mut stream = connection.open_uni().await.map_err(|_| LinkError)?;
    stream.write_all(&[ADMITTED]).await.map_err(|_| LinkError)?;
    stream.finish().map_err(|_| LinkError)
}

struct Acceptor {
    endpoint: quinn::Endpoint,
    config: Arc<EndpointConfig>,
    sender: mpsc::Sender<Accepted>,
    refused: Arc<AtomicU64>,
    admitted: Arc<RwLock<Admitted>>,
}

impl Acceptor {
    /// Owns all handshakes; ends with the endpoint.
    async fn run(self) {
        let permits = Arc::new(Semaphore::new(HANDSHAKES));
        let mut handshakes = JoinSet::new();
        while let Some(incoming) = self.endpoint.accept().await {
            while handshakes.try_join_next().is_some() {}
            // Under load an address has to show that it is real before it costs a handshake.
            let busy = permits.available_permits() < HANDSHAKES / 2;
            if busy && incoming.may_retry() {
                let _ = incoming.retry();
                continue;
            }
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                self.refused.fetch_add(1, Ordering::Relaxed);
                incoming.ignore();
                continue;
            };
            let (config, sender) = (Arc::clone(&self.config), self.sender.clone());
            let (refused, admitted) = (Arc::clone(&self.refused), Arc::clone(&self.admitted));
            handshakes.spawn(async move {
                match timeout(HANDSHAKE, admit(incoming, &config, &admitted)).await {
                    Ok(Ok(accepted)) => drop(sender.send(accepted).await),
                    Ok(Err(LinkError)) | Err(_) => {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
                // Held until the node has taken the link, so that links waiting are bounded too.
                drop(permit);
            });
        }
    }
}

/// Finishes a handshake and decides by ALPN, identity and roster what the peer may.
async fn admit(
    incoming: Incoming,
    config: &EndpointConfig,
    admitted: &RwLock<Admitted>,
) -> Result<Accepted, LinkError> {
    let connection = incoming.await.map_err(|_| LinkError)?;
    let node = node_of(&connection, admitted);
    match (link_kind(&connection).ok_or(LinkError)?, node) {
        (LinkKind::Packet, Some((from, identity, Some(bytes)))) => {
            say_admitted(&connection).await?;
            let buffers = config.buffers.clone();
            let frames = FrameReceiver::new(connection, config.frame_len, buffers, Some(bytes));
            Ok(Accepted::Packet { from, identity, frames })
        }
        (LinkKind::Control, Some((from, identity, _))) if config.relay => {
            say_admitted(&connection).await?;
            Ok(Accepted::Control { from, identity, link: ControlLink(connection) })
        }
        (LinkKind::Client, None) if config.relay => {
            let buffers = config.buffers.clone();
            let link = ServedLink::open(connection, config.frame_len, buffers).await?;
            Ok(Accepted::Client(Box::new(link)))
        }
        _ => {
            connection.close(0_u32.into(), b"");
            Err(LinkError)
        }
    }
}

/// The node that has opened a link, if it is known; and the count of its packets' bytes, if it may send
/// some.
fn node_of(
    connection: &Connection,
    admitted: &RwLock<Admitted>,
) -> Option<(NodeNumber, IdentityKey, Option<Arc<AtomicU64>>)> {
    let identity = peer_identity(connection)?;
    let admitted = admitted.read().unpoison();
    let node = admitted.peers.nodes.get(&identity).copied()?;
    Some((node, identity, admitted.received.get(&node).cloned()))
}

/// Reason why an endpoint could not be bound: a fault of the configuration or the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The port is in use by another program.
    #[error(
        "UDP port {} of {} is in use by another program; stop it (`ss -lunp` names it) or choose \
         another port in `listen`",
        .0.port(), .0.ip()
    )]
    PortInUse(SocketAddr),
    /// Binding failed for any other reason.
    #[error("cannot listen on {address}: {source}; check `listen`")]
    Listen {
        /// The address that could not be bound.
        address: SocketAddr,
        /// The error that the system gives.
        source: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::PortInUse(address)
        } else {
            Self::Listen { address, source }
        }
    }
}

/// A UDP socket; one on an IPv6 address takes IPv4 as well, whatever the system's default.
fn bind_socket(listen: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, None)?;
    if listen.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // What the system grants: by its default of 208 KiB, a burst of 17 hybrid frames is lost.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.bind(&listen.into())?;
    Ok(socket.into())
}

const ADMITTED: u8 = 1;
/// Socket buffers of a node, each way; `net.core.rmem_max` and `wmem_max` must allow it.
pub const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// Server name that dialing requires; no handshake sends it, for the server name is off.
pub(crate) const SERVER_NAME: &str = "rohrpost";
/// Time limit for a handshake.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes at once; more are ignored, and their peers try again.
const HANDSHAKES: usize = 256;
/// Time for the peers to learn of the end.
const FAREWELL: Duration = Duration::from_secs(1);
/// Accepted links that wait for the node to take them.
const ACCEPTED_BOUND: usize = 64;
