//! Keys on the move: the node's own descriptor, and the documents that it follows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_network::Clock;
use rohrpost_packet::{Generation, HopPublicKey, NodeNumber, Suite};
use rohrpost_proto::directory::control::ControlMessage;
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::document::NetworkDocument;
use rohrpost_proto::directory::merged::MergedDocuments;
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::view::{Shortage, View};
use rohrpost_proto::hop::Hop;
use rohrpost_proto::time::Time;
use tokio::sync::watch;

use crate::log::{Event, Log};
use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// Makes the packet keys of a node and announces them.
pub(crate) struct Announcer<S: Suite> {
    pub(crate) number: NodeNumber,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) hop: Arc<Hop<S>>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) descriptor: watch::Sender<Option<Arc<[u8]>>>,
}

impl<S: Suite> Announcer<S> {
    /// Announces a new descriptor now and every ten seconds, and a new key at the end of the epoch
    /// or when the replay set is nearly full.
    pub(crate) async fn run(self) {
        let mut made = self.rotate();
        self.announce();
        // Of the keys before the newest a node holds two, each for the grace.
        let earliest = EARLIEST_CHANGE.max(self.roster.grace() / 2);
        loop {
            tokio::time::sleep(self.roster.directory.descriptor_interval).await;
            let now = self.clock.now();
            self.sweep(now).await;
            let (held, limit) = self.hop.replay_fill();
            let nearly_full = held >= limit / 10 * 9 && now.since(made) >= earliest;
            if now.since(made) >= self.roster.directory.epoch || nearly_full {
                made = self.rotate();
                self.log.write(&Event::KeyChanged);
            }
            self.announce();
        }
    }

    /// Drops old keys on a thread that may take its time: their memories are wiped.
    async fn sweep(&self, now: Time) {
        let hop = Arc::clone(&self.hop);
        let _ = tokio::task::spawn_blocking(move || hop.sweep(now)).await;
    }

    fn rotate(&self) -> Time {
        let now = self.clock.now();
        let generation = Generation::new(u32::try_from(now.seconds()).unwrap_or(u32::MAX));
        self.hop.rotate(generation, now + self.roster.grace(), &mut rand::rng());
        now
    }

    fn announce(&self) {
        if let Some(public) = self.hop.newest() {
            let signed = sign(self.number, &public, self.clock.now(), &self.key);
            let message = ControlMessage::Descriptor(signed).encode();
            self.descriptor.send_replace(Some(message.into()));
        }
    }
}

fn sign<S: Suite>(
    node: NodeNumber,
    public: &HopPublicKey<S>,
    issued: Time,
    key: &SigningKey,
) -> SignedDescriptor {
    let generation = public.generation();
    let descriptor =
        Descriptor { node, generation, issued, suite: S::ID, key: public.as_bytes().into() };
    SignedDescriptor::sign(descriptor, key)
}

/// Follows the documents of all relays: merged they become the view that paths are drawn from.
pub struct Follower<S: Suite> {
    pub(crate) roster: Arc<Roster>,
    pub(crate) view: watch::Sender<Option<Arc<View<S>>>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) known: BTreeSet<NodeNumber>,
    pub(crate) documents: MergedDocuments,
    pub(crate) shortage: Option<Shortage>,
}

impl<S: Suite> Follower<S> {
    /// Takes a relay's document over if it is newer than that relay's last; true if it changed the
    /// view.
    pub fn adopt(&mut self, relay: NodeNumber, document: &NetworkDocument) -> bool {
        let now = self.clock.now();
        if self.documents.take(now, relay, document, &self.roster).is_err() {
            return false;
        }
        self.metrics.document_number.set(precise(document.number));
        let merged = self.documents.merge(now, &self.roster);
        if let Some(merged) = &merged {
            let view = View::<S>::new(Arc::clone(&self.roster), merged);
            self.tell_changes(&view);
            self.metrics.document_nodes.set(precise(u64::try_from(view.len()).unwrap_or(0)));
            self.view.send_replace(Some(Arc::new(view)));
        }
        if self.readiness.note_document(document.start) {
            self.log.write(&Event::Ready);
        }
        merged.is_some()
    }

    /// Logs the nodes that have come and gone, and whether too few are left to build packets with;
    /// the first document has nothing to compare with.
    fn tell_changes(&mut self, view: &View<S>) {
        let first = self.known.is_empty();
        for node in self.roster.nodes() {
            let is_up = view.key(node.number).is_some();
            if is_up && self.known.insert(node.number) {
                if !first {
                    self.log.write(&Event::NodeJoined(&node.name));
                }
            } else if !is_up && self.known.remove(&node.number) {
                self.log.write(&Event::NodeLeft(&node.name));
            }
        }
        let shortage = view.shortage();
        if let Some(shortage) = shortage.filter(|_| shortage != self.shortage) {
            self.log.write(&Event::Short(shortage));
        }
        self.shortage = shortage;
        self.metrics.document_short.set(f64::from(u8::from(shortage.is_some())));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double; 53 bits last for ages")]
const fn precise(value: u64) -> f64 {
    value as f64
}

/// Shortest time between two changes of the key within an epoch.
const EARLIEST_CHANGE: Duration = Duration::from_secs(600);
