//! A running node: the parts that relays and mixes share. It binds, then dials, then announces its
//! keys; what is done with packets is up to the duty's own crate.

use std::collections::BTreeSet;
use std::sync::Arc;

use rohrpost_network::Clock;
use rohrpost_packet::{BufferPool, NodeNumber, Suite};
use rohrpost_proto::directory::board::{Audience, Board};
use rohrpost_proto::directory::consensus::rosters::Rosters;
use rohrpost_proto::directory::control::MAX_CONTROL_LEN;
use rohrpost_proto::directory::roster::Role;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::frame_len;
use rohrpost_proto::hop::Hop;
use rohrpost_transport::{
    Buffers, ControlChannels, EndpointConfig, NodeEndpoint, REVISION, SOCKET_BUFFER,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::directory::{Announcer, Outlook};
use crate::error::NodeError;
use crate::http::{self, Page, Pages};
use crate::links::{Inflow, LinkCounts, Outboxes};
use crate::log::{Event, Log};
use crate::memory::{INCOMING_BOUND, Memory, Share};
use crate::metrics::Metrics;
use crate::neighbours::{Neighbours, peers};
use crate::planned_stop::{PlannedStop, Standing};
use crate::prepared::Prepared;
use crate::process::Tasks;
use crate::readiness::{LinkWatch, Readiness};

/// A running node of suite `S`.
pub struct Node<S: Suite> {
    /// Configuration, roster, key and roster entry that the node was started with.
    pub prepared: Prepared,
    /// The node's document time.
    pub clock: Clock,
    /// Log of the node on standard error.
    pub log: Log,
    /// Metrics that every node has.
    pub metrics: Arc<Metrics>,
    /// The node's packet keys and replay memory.
    pub hop: Arc<Hop<S>>,
    /// Links to the next layer.
    pub outboxes: Arc<Outboxes>,
    /// Counters of the packets that come in.
    pub inflow: Arc<Inflow>,
    /// Buffers of all packets in the process.
    pub buffers: Arc<BufferPool>,
    /// The newest view of the network, once there is one.
    pub view: watch::Sender<Option<Arc<View<S>>>>,
    /// Control messages that have arrived, with the link's node; at most 16.
    pub incoming: mpsc::Receiver<(NodeNumber, Vec<u8>)>,
    /// The board with the node's own announcement.
    pub announcements: watch::Receiver<Board>,
    /// Links to other nodes, by the rosters in force.
    pub neighbours: Neighbours,
    pub(crate) endpoint: Arc<NodeEndpoint>,
    /// The queue in which accepted control links put what arrives.
    pub(crate) incoming_sender: mpsc::Sender<(NodeNumber, Vec<u8>)>,
    readiness: Arc<Readiness>,
    /// What the documents say of this node, for a planned stop.
    standing: watch::Sender<Standing>,
    /// Present until [`Self::serve`] takes it.
    listener: Option<TcpListener>,
}

impl<S: Suite> Node<S> {
    /// Binds, dials, and begins to announce. `duty` is the memory that the node's duty takes.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub async fn start(
        prepared: Prepared,
        duty: Share,
        tasks: &mut Tasks,
    ) -> Result<Self, NodeError> {
        let bound = Bound::bind::<S>(&prepared, duty).await?;
        let (announcer, announcements) = watch::channel(Board::default());
        let (incoming_sender, incoming) = mpsc::channel(INCOMING_BOUND);
        let channels = to_relays(announcements.clone(), incoming_sender.clone());
        let watch = watch(&prepared, &bound);
        let readiness = Arc::clone(&watch.readiness);
        let endpoint = Arc::new(bound.endpoint);
        let neighbours = Neighbours::connect(&prepared, Arc::clone(&endpoint), channels, watch);
        let (roster, node) = (&prepared.roster, &prepared.node);
        let links = roster.predecessors(node.role).count();
        let replay_tags = prepared.config.limits.replay_tags;
        let node = Self {
            hop: Arc::new(Hop::new(node.role.position(), links, replay_tags)),
            inflow: Arc::new(Inflow::new(roster.predecessors(node.role))),
            prepared,
            clock: bound.clock,
            log: bound.log,
            metrics: bound.metrics,
            endpoint,
            outboxes: Arc::clone(neighbours.outboxes()),
            buffers: bound.buffers,
            view: watch::channel(None).0,
            incoming,
            incoming_sender,
            announcements,
            neighbours,
            readiness,
            standing: watch::channel(Standing::default()).0,
            listener: Some(bound.listener),
        };
        let (leaving, hears) = watch::channel(false);
        node.announce(announcer, hears, tasks);
        let stop = PlannedStop::new(&node.prepared.roster, leaving, node.standing.subscribe());
        tasks.end_by(stop, Arc::clone(&node.endpoint));
        node.report(bound.memory);
        Ok(node)
    }

    /// Announces the node's keys from now on.
    fn announce(
        &self,
        announcements: watch::Sender<Board>,
        leaving: watch::Receiver<bool>,
        tasks: &mut Tasks,
    ) {
        let announcer = Announcer {
            node: self.prepared.node.clone(),
            rosters: self.neighbours.rosters(),
            key: Arc::clone(&self.prepared.key),
            hop: Arc::clone(&self.hop),
            roster: Arc::clone(&self.prepared.roster),
            clock: self.clock,
            log: self.log.clone(),
            leaving,
            announcements,
        };
        tasks.spawn(async {
            announcer.run().await;
            "announcer"
        });
    }

    /// Logs the addresses that were bound and the memory that the node may take.
    fn report(&self, memory: Memory) {
        let config = &self.prepared.config;
        let listen = self.endpoint.local_addr().unwrap_or(config.listen);
        let metrics = self.listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let metrics = metrics.unwrap_or(config.metrics);
        self.log.write(&Event::Started { listen, metrics });
        self.metrics.memory_ceiling.set(bytes(memory.ceiling));
        self.log.write(&Event::Memory { ceiling: memory.ceiling, packets: memory.buffers });
        let (granted, wanted) = (self.endpoint.receive_buffer(), SOCKET_BUFFER);
        if granted < wanted {
            self.log.write(&Event::SmallBuffer { granted, wanted });
        }
    }

    /// What tells of the view that the node goes by.
    #[must_use]
    pub fn outlook(&self) -> Outlook<S> {
        Outlook {
            view: self.view.clone(),
            own: self.prepared.node.number,
            standing: self.standing.clone(),
            metrics: Arc::clone(&self.metrics),
            readiness: Arc::clone(&self.readiness),
            clock: self.clock,
            log: self.log.clone(),
            known: BTreeSet::new(),
            shortage: None,
            unfollowed: 0,
        }
    }

    /// Serves metrics and health from now on, to be called once; whoever asks earlier waits. What
    /// `inspect` gives, as counts and own-side identifiers, is served only with the feature
    /// `danger-inspect`.
    pub fn serve(
        &mut self,
        inspect: impl Fn() -> Value + Send + Sync + 'static,
        tasks: &mut Tasks,
    ) {
        let Some(listener) = self.listener.take() else { return };
        let pages = self.pages(inspect);
        tasks.spawn(async {
            http::serve(listener, pages).await;
            "metrics server"
        });
        let (metrics, hop) = (Arc::clone(&self.metrics), Arc::clone(&self.hop));
        let (endpoint, readiness) = (Arc::clone(&self.endpoint), Arc::clone(&self.readiness));
        let tick = self.prepared.config.metrics_tick;
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(tick).await;
                let (held, limit) = hop.replay_fill();
                metrics.replay_fill.set(ratio(held, limit));
                metrics.links_refused.absolute(endpoint.refused());
                let age = readiness.document_age().unwrap_or_default();
                metrics.document_age.set(age.as_secs_f64());
                let ready = readiness.missing().is_none();
                metrics.ready.set(f64::from(u8::from(ready)));
                metrics.refresh();
            }
        });
    }

    fn pages(&self, inspect: impl Fn() -> Value + Send + Sync + 'static) -> Pages {
        let (metrics, readiness) = (Arc::clone(&self.metrics), Arc::clone(&self.readiness));
        let inspection = self.inspection(inspect);
        Arc::new(move |path| match path {
            "/metrics" => Some(Page { ok: true, content: EXPOSITION, body: metrics.text() }),
            "/livez" => Some(Page::text(true, "alive\n".into())),
            "/readyz" => Some(match readiness.missing() {
                None => Page::text(true, "ready\n".into()),
                Some(missing) => Page::text(false, format!("{missing}\n")),
            }),
            "/inspect" => cfg!(feature = "danger-inspect").then(&inspection),
            _ => None,
        })
    }

    /// The page that only builds with `danger-inspect` have: what the duty shows, and the bytes of
    /// each packet link.
    fn inspection(
        &self,
        inspect: impl Fn() -> Value + Send + Sync + 'static,
    ) -> impl Fn() -> Page + Send + Sync + 'static {
        let endpoint = Arc::clone(&self.endpoint);
        let (outboxes, rosters) = (Arc::clone(&self.outboxes), self.neighbours.rosters());
        move || {
            let mut counts = inspect();
            let rosters = rosters.borrow();
            let from = endpoint.received_bytes().into_iter().filter_map(|(number, bytes)| {
                rosters.node(number).map(|node| (node.name.clone(), bytes))
            });
            counts["bytes_from"] = json!(from.collect::<LinkCounts>());
            counts["bytes_to"] = json!(outboxes.sent_bytes());
            Page { ok: true, content: "application/json", body: format!("{counts}\n") }
        }
    }
}

/// The first step of a start: both addresses are bound, nothing is dialed.
struct Bound {
    listener: TcpListener,
    endpoint: NodeEndpoint,
    buffers: Arc<BufferPool>,
    memory: Memory,
    clock: Clock,
    log: Log,
    metrics: Arc<Metrics>,
}

impl Bound {
    async fn bind<S: Suite>(prepared: &Prepared, duty: Share) -> Result<Self, NodeError> {
        let config = &prepared.config;
        let address = config.metrics;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| NodeError::Metrics { address, source })?;
        let memory = Memory::plan::<S>(&prepared.roster, prepared.node.role, &config.limits, duty);
        let buffers = BufferPool::new(memory.buffers, S::PACKET_LEN);
        let endpoint = NodeEndpoint::bind(
            config.listen,
            Arc::clone(&prepared.key),
            endpoint_config::<S>(prepared, &buffers),
        )?;
        Ok(Self {
            listener,
            endpoint,
            buffers,
            memory,
            clock: Clock::start(),
            log: Log::new(prepared.node.name.clone()),
            metrics: Arc::new(Metrics::install(config.metrics_tick, REVISION)?),
        })
    }
}

fn endpoint_config<S: Suite>(prepared: &Prepared, buffers: &Arc<BufferPool>) -> EndpointConfig {
    let role = prepared.node.role;
    EndpointConfig {
        peers: peers(&Rosters::new(Arc::clone(&prepared.roster)), role),
        relay: matches!(role, Role::Relay),
        frame_len: frame_len::<S>(),
        buffers: Buffers::Pool(Arc::clone(buffers)),
        segmentation: prepared.config.segmentation,
    }
}

/// The watch over the links that a node dials.
fn watch(prepared: &Prepared, bound: &Bound) -> LinkWatch {
    let stale_after = prepared.roster.directory.timing.stale_after();
    let readiness = Readiness::new(bound.clock, stale_after, prepared.clock_tolerance());
    LinkWatch {
        readiness: Arc::new(readiness),
        log: bound.log.clone(),
        metrics: Arc::clone(&bound.metrics),
    }
}

/// The ends of control links to relays, on which a node says what is on its board.
const fn to_relays(
    board: watch::Receiver<Board>,
    incoming: mpsc::Sender<(NodeNumber, Vec<u8>)>,
) -> ControlChannels {
    let (audience, max_len) = (Audience::Relays, MAX_CONTROL_LEN);
    ControlChannels { board, audience, incoming, max_len, pace: None }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double; 53 bits hold any memory")]
const fn bytes(len: usize) -> f64 {
    len as f64
}

fn ratio(part: usize, whole: usize) -> f64 {
    let float = |value| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    float(part) / float(whole.max(1))
}

/// The text format's content type, with its version, which Prometheus 3 asks for.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
