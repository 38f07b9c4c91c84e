//! The parts that relays and mixes share once they run.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use rohrpost_network::Clock;
use rohrpost_packet::{BufferPool, NodeNumber, Suite};
use rohrpost_proto::control::MAX_CONTROL_LEN;
use rohrpost_proto::frame::frame_len;
use rohrpost_proto::hop::Hop;
use rohrpost_proto::roster::{Role, Roster};
use rohrpost_proto::view::View;
use rohrpost_transport::{
    Buffers, ControlDialer, EndpointConfig, NodeEndpoint, PeerAddress, REVISION, SOCKET_BUFFER,
    Segmentation,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::directory::{Announcer, Follower};
use crate::error::NodeError;
use crate::http::{self, Page, Pages};
use crate::links::{LinkCounts, Outboxes};
use crate::log::{Event, Log};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::prepared::Prepared;
use crate::process::Tasks;
use crate::readiness::{LinkSort, Readiness};

/// A running node of suite `S`.
pub struct Node<S: Suite> {
    /// What it was prepared from.
    pub prepared: Prepared,
    /// Document time.
    pub clock: Clock,
    /// Its log.
    pub log: Log,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    /// Its packet keys.
    pub hop: Arc<Hop<S>>,
    /// Its endpoint.
    pub endpoint: Arc<NodeEndpoint>,
    /// Links to the next layer.
    pub outboxes: Arc<Outboxes>,
    /// Buffers of all packets in the process.
    pub buffers: Arc<BufferPool>,
    /// The newest view.
    pub view: watch::Sender<Option<Arc<View<S>>>>,
    /// Control messages that have arrived, with the link's node; at most 64.
    pub incoming: mpsc::Receiver<(NodeNumber, Vec<u8>)>,
    /// For links that are accepted.
    pub incoming_sender: mpsc::Sender<(NodeNumber, Vec<u8>)>,
    /// The node's own newest descriptor, as a control message.
    pub descriptor: watch::Receiver<Option<Arc<[u8]>>>,
    /// What `/inspect` shows; set by the duty. Served only with the feature `danger-inspect`.
    pub inspect: Arc<OnceLock<Inspect>>,
    readiness: Arc<Readiness>,
    /// Until [`Self::serve`] takes it.
    listener: Option<TcpListener>,
    _control: Vec<ControlDialer>,
}

/// What the node holds, as counts and own-side identifiers.
pub type Inspect = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

impl<S: Suite> Node<S> {
    /// Binds, dials, and begins to announce.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub async fn start(prepared: Prepared, tasks: &mut Tasks) -> Result<Self, NodeError> {
        let (config, roster) = (&prepared.config, &prepared.roster);
        let address = config.metrics;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| NodeError::Metrics { address, source })?;
        let role = prepared.node.role;
        let memory = Memory::plan::<S>(roster, role, &config.limits);
        let buffers = BufferPool::new(memory.buffers, S::PACKET_LEN);
        let endpoint = NodeEndpoint::bind(
            config.listen,
            Arc::clone(&prepared.key),
            endpoint_config::<S>(roster, role, &buffers, config.segmentation),
        )?;
        let log = Log::new(prepared.node.name.clone());
        let clock = Clock::start();
        let metrics = Arc::new(Metrics::install(config.metrics_tick, REVISION)?);
        let relays: Vec<_> =
            roster.relays().filter(|relay| relay.number != prepared.node.number).collect();
        let readiness =
            Arc::new(Readiness::new(clock, roster.successors(role).count(), relays.len()));
        let bound = config.limits.queue_packets;
        let outboxes = Outboxes::connect(
            &endpoint,
            roster.successors(role),
            bound,
            &readiness,
            &metrics,
            &log,
        );
        let (incoming_sender, incoming) = mpsc::channel(INCOMING_BOUND);
        let (descriptor_sender, descriptor) = watch::channel(None);
        let dial = |relay| {
            let relay: &rohrpost_proto::roster::RosterNode = relay;
            let changed = readiness.watch(LinkSort::Control, relay.name.clone(), &log, &metrics);
            let (outgoing, incoming) = (descriptor.clone(), incoming_sender.clone());
            ControlDialer::connect(
                &endpoint,
                PeerAddress::from(relay),
                outgoing,
                incoming,
                MAX_CONTROL_LEN,
                changed,
            )
        };
        let control = relays.into_iter().map(dial).collect();
        let links = roster.predecessors(role).count();
        let hop = Arc::new(Hop::new(role.position(), links, config.limits.replay_tags));
        let announcer = Announcer {
            number: prepared.node.number,
            key: Arc::clone(&prepared.key),
            hop: Arc::clone(&hop),
            roster: Arc::clone(roster),
            clock,
            log: log.clone(),
            descriptor: descriptor_sender,
        };
        tasks.spawn(async {
            announcer.run().await;
            "announcer"
        });
        let listen = endpoint.local_addr().unwrap_or(config.listen);
        log.write(&Event::Started { listen, metrics: listener.local_addr().unwrap_or(address) });
        metrics.memory_ceiling.set(bytes(memory.ceiling));
        log.write(&Event::Memory { ceiling: memory.ceiling, packets: memory.buffers });
        let (granted, wanted) = (endpoint.receive_buffer(), SOCKET_BUFFER);
        if granted < wanted {
            log.write(&Event::SmallBuffer { granted, wanted });
        }
        let node = Self {
            clock,
            log,
            metrics,
            hop,
            endpoint: Arc::new(endpoint),
            outboxes: Arc::new(outboxes),
            buffers,
            view: watch::channel(None).0,
            incoming,
            incoming_sender,
            descriptor,
            inspect: Arc::new(OnceLock::new()),
            listener: Some(listener),
            readiness,
            _control: control,
            prepared,
        };
        Ok(node)
    }

    /// Follows documents from now on.
    #[must_use]
    pub fn follower(&self) -> Follower<S> {
        Follower {
            roster: Arc::clone(&self.prepared.roster),
            view: self.view.clone(),
            metrics: Arc::clone(&self.metrics),
            readiness: Arc::clone(&self.readiness),
            clock: self.clock,
            log: self.log.clone(),
            known: BTreeSet::new(),
            newest: 0,
        }
    }

    /// Serves metrics and health from now on. To be called once, when `inspect` is set: whoever
    /// asks earlier waits, and gets no half of an answer.
    pub fn serve(&mut self, tasks: &mut Tasks) {
        let Some(listener) = self.listener.take() else { return };
        let (metrics, readiness) = (Arc::clone(&self.metrics), Arc::clone(&self.readiness));
        let inspect = self.inspection();
        let pages: Pages = Arc::new(move |path| match path {
            "/metrics" => Some(Page { ok: true, content: EXPOSITION, body: metrics.text() }),
            "/livez" => Some(Page::text(true, "alive\n".into())),
            "/readyz" => Some(match readiness.missing() {
                None => Page::text(true, "ready\n".into()),
                Some(missing) => Page::text(false, format!("{missing}\n")),
            }),
            "/inspect" => inspect(),
            _ => None,
        });
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

    /// The page that only builds with `danger-inspect` have: what the duty shows, and the bytes of
    /// each packet link.
    fn inspection(&self) -> impl Fn() -> Option<Page> + Send + Sync + 'static {
        let (inspect, endpoint) = (Arc::clone(&self.inspect), Arc::clone(&self.endpoint));
        let (outboxes, roster) = (Arc::clone(&self.outboxes), Arc::clone(&self.prepared.roster));
        move || {
            let mut counts = inspect.get().filter(|_| cfg!(feature = "danger-inspect"))?();
            let from = endpoint.received_bytes().filter_map(|(number, bytes)| {
                roster.node(number).map(|node| (node.name.clone(), bytes))
            });
            counts["bytes_from"] = json!(from.collect::<LinkCounts>());
            counts["bytes_to"] = json!(outboxes.sent_bytes());
            Some(Page { ok: true, content: "application/json", body: format!("{counts}\n") })
        }
    }
}

fn endpoint_config<S: Suite>(
    roster: &Roster,
    role: Role,
    buffers: &Arc<BufferPool>,
    segmentation: Segmentation,
) -> EndpointConfig {
    EndpointConfig {
        peers: roster.nodes().map(|node| (node.identity, node.number)).collect::<HashMap<_, _>>(),
        predecessors: roster.predecessors(role).map(|node| node.number).collect(),
        relay: matches!(role, Role::Relay),
        frame_len: frame_len::<S>(),
        buffers: Buffers::Pool(Arc::clone(buffers)),
        segmentation,
    }
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
/// Control messages that wait: one from each of 64 nodes.
const INCOMING_BOUND: usize = 64;
