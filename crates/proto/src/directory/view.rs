//! A view: the roster and the usable keys of one network document, from which paths are drawn.

use std::collections::BTreeMap;
use std::sync::Arc;

use rohrpost_packet::{HopPublicKey, NodeNumber, Suite};

use crate::directory::document::NetworkDocument;
use crate::directory::roster::{Roster, RosterNode};
use crate::directory::triples::Triples;

/// State of the network as a builder of packets knows it.
pub struct View<S: Suite> {
    roster: Arc<Roster>,
    number: u64,
    keys: BTreeMap<NodeNumber, HopPublicKey<S>>,
    /// Mixes that a path may take.
    triples: Triples,
}

impl<S: Suite> View<S> {
    /// Makes the view that a verified network document gives; nodes with unusable keys are left
    /// out.
    #[must_use]
    pub fn new(roster: Arc<Roster>, document: &NetworkDocument) -> Self {
        let usable = document.descriptors.iter().filter_map(|signed| {
            let descriptor = signed.descriptor();
            let right = descriptor.suite == S::ID && roster.node(descriptor.node).is_some();
            let key = HopPublicKey::from_bytes(descriptor.generation, &descriptor.key).ok()?;
            right.then_some((descriptor.node, key))
        });
        let keys: BTreeMap<_, _> = usable.collect();
        let live = roster.nodes().filter(|node| keys.contains_key(&node.number));
        let triples = Triples::widest(&live.collect::<Vec<_>>());
        Self { number: document.number, keys, triples, roster }
    }

    /// The roster of the view.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Number of the network document.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Number of nodes that are up.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Tells whether no node is up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Packet key of a node; `None` if the node is not up.
    #[must_use]
    pub fn key(&self, node: NodeNumber) -> Option<&HopPublicKey<S>> {
        self.keys.get(&node)
    }

    /// The triples of mixes that a path may take.
    pub(crate) const fn triples(&self) -> &Triples {
        &self.triples
    }

    /// The nodes that are up and open header layer `position`.
    pub fn live(&self, position: usize) -> impl Iterator<Item = &RosterNode> {
        self.roster.at(position).filter(|node| self.keys.contains_key(&node.number))
    }
}
