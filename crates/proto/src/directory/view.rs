//! A view: the roster and the usable keys of one network document, from which paths are drawn.
//!
//! The roster, not the document, says what a view must name: at least half of the nodes in each
//! place of a path. On a view that is short of it nothing is built, for whoever makes a document
//! could else lead all packets through the nodes of a few (`docs/traffic.md`, Paths).

use std::collections::BTreeMap;
use std::sync::Arc;

use rohrpost_packet::{HOPS, HopPublicKey, NodeNumber, Suite};

use crate::directory::descriptor::SignedDescriptor;
use crate::directory::follower::Current;
use crate::directory::roster::{Roster, RosterNode};
use crate::weakness::Weakness;

/// Mixes of each layer.
pub(crate) type Mixes = [Vec<NodeNumber>; HOPS - 1];

/// State of the network as a builder of packets knows it.
pub struct View<S: Suite> {
    roster: Arc<Roster>,
    number: u64,
    keys: Arc<BTreeMap<NodeNumber, HopPublicKey<S>>>,
    /// Last keys of relays that are leaving: they can be reached yet, and are not up.
    leaving: BTreeMap<NodeNumber, HopPublicKey<S>>,
    /// Mixes of each layer that a path may take, at least one.
    mixes: Result<Mixes, Shortage>,
}

impl<S: Suite> View<S> {
    /// Makes the view that a network document gives, by the descriptors that it names, all of which
    /// were verified; nodes with unusable keys are left out. Its number is that of the document's slot.
    #[must_use]
    pub fn new<'a>(
        roster: Arc<Roster>,
        number: u64,
        descriptors: impl IntoIterator<Item = &'a SignedDescriptor>,
    ) -> Self {
        let usable = descriptors.into_iter().filter_map(|signed| {
            let descriptor = signed.descriptor();
            let right = descriptor.suite == S::ID && roster.node(descriptor.node).is_some();
            let key = HopPublicKey::from_bytes(descriptor.generation, &descriptor.key).ok()?;
            right.then_some((descriptor.node, key))
        });
        let keys: BTreeMap<_, _> = usable.collect();
        let mixes = Shortage::judge(&roster, |node| keys.contains_key(&node.number));
        Self { number, keys: Arc::new(keys), leaving: BTreeMap::new(), mixes, roster }
    }

    /// The same view with relays beside it that are leaving, by their last keys.
    pub(crate) fn and(&self, leaving: BTreeMap<NodeNumber, HopPublicKey<S>>) -> Self {
        Self {
            roster: Arc::clone(&self.roster),
            number: self.number,
            keys: Arc::clone(&self.keys),
            leaving,
            mixes: self.mixes.clone(),
        }
    }

    /// The view of the document that holds now.
    #[must_use]
    pub fn of(current: &Current<'_>) -> Self {
        let Current { charter, document, descriptors } = current;
        let descriptors = descriptors.iter().copied();
        Self::new(Arc::clone(&charter.roster), document.slot.number(), descriptors)
    }

    /// The roster of the view.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The roster of the view, to be kept.
    #[must_use]
    pub fn shared_roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster)
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

    /// Nodes that are up.
    pub fn nodes(&self) -> impl Iterator<Item = NodeNumber> {
        self.keys.keys().copied()
    }

    /// Tells whether no node is up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Packet key of a node; `None` if the node is not up.
    #[must_use]
    pub fn key(&self, node: NodeNumber) -> Option<&HopPublicKey<S>> {
        self.keys.get(&node).or_else(|| self.leaving.get(&node))
    }

    /// Shortage of nodes for which nothing is built on the view, if it has one.
    #[must_use]
    pub fn shortage(&self) -> Option<Shortage> {
        self.mixes().err()
    }

    /// The mixes of each layer that a path may take; at least one.
    pub(crate) fn mixes(&self) -> Result<&Mixes, Shortage> {
        self.mixes.as_ref().map_err(|shortage| *shortage)
    }

    /// The nodes that are up and open header layer `position`.
    pub fn live(&self, position: usize) -> impl Iterator<Item = &RosterNode> {
        self.roster.at(position).filter(|node| self.keys.contains_key(&node.number))
    }
}

/// Lack of nodes for which a view is not built upon.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shortage {
    /// Fewer than half of the roster's mixes of a layer are up.
    #[error("only {up} of {of} mixes of layer {layer}")]
    Mixes {
        /// Number of the layer, 1 to 3.
        layer: usize,
        /// Mixes that are up.
        up: usize,
        /// Mixes in the roster.
        of: usize,
    },
    /// Fewer than half of the roster's relays are up.
    #[error("only {up} of {of} relays")]
    Relays {
        /// Relays that are up.
        up: usize,
        /// Relays in the roster.
        of: usize,
    },
}

impl Shortage {
    /// Gives the mixes that are up, by layers, unless the nodes that are up fall short of the
    /// roster.
    fn judge(roster: &Roster, is_up: impl Fn(&RosterNode) -> bool) -> Result<Mixes, Self> {
        for position in 0..HOPS {
            let of = roster.at(position).count();
            let up = roster.at(position).filter(|node| is_up(node)).count();
            let least = if Weakness::AnyDocumentWillDo.is_active() { 1 } else { of.div_ceil(2) };
            if up < least && position == HOPS - 1 {
                return Err(Self::Relays { up, of });
            } else if up < least {
                return Err(Self::Mixes { layer: position + 1, up, of });
            }
        }
        let up = |layer| roster.at(layer).filter(|node| is_up(node)).map(|node| node.number);
        Ok(std::array::from_fn(|layer| up(layer).collect()))
    }
}
