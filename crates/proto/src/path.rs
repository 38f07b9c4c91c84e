//! Paths: drawn anew for every packet, independently of their ends (`docs/traffic.md`).
//!
//! The mix of each layer is drawn uniformly from those that are up, whatever the others are; the
//! roster sees to it that they are of three operators, for it keeps an operator's mixes in one
//! layer. Neither the entry relay nor the mailbox relay nor what a packet carries has a part in it,
//! nor has any mix in another: so the first mix, which the entry relay sees, tells nothing of the
//! mailbox, nor of the last one, which the mailbox's relay sees.

use std::collections::HashSet;

use rand_core::CryptoRng;
use rohrpost_packet::{Delay, HOPS, NodeNumber, PathHop, Route, Suite};

use crate::delay::exponential;
use crate::directory::view::{Mixes, Shortage, View};
use crate::weakness::Weakness;

/// Nodes of a path and the delay drawn for each; the last node has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    hops: Vec<(NodeNumber, Delay)>,
}

impl Path {
    /// Draws the mixes of a path, of which those from layer `first_layer` on are taken, then
    /// `relay`: down to a mailbox, or up to an entry.
    ///
    /// # Errors
    /// The relay is not up, or the view names too little.
    pub fn to_relay<S: Suite>(
        view: &View<S>,
        first_layer: usize,
        relay: NodeNumber,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, NoPath> {
        let live = view.mixes()?;
        view.key(relay).ok_or(NoPath::Node)?;
        let mixes = if Weakness::PathsAvoidRelay.is_active() {
            draw(&avoiding(view, live, relay), rng)
        } else if Weakness::MixesDrawnTogether.is_active() {
            draw_together(view, live, rng)
        } else {
            draw(live, rng)
        };
        Ok(Self::with_delays(view, &mixes[first_layer..], relay, rng))
    }

    /// Draws a loop of the mix `number` in `layer`: mixes of a path in the layers before, then the
    /// mix itself.
    ///
    /// # Errors
    /// The mix is not up, or the view names too little.
    pub fn to_mix<S: Suite>(
        view: &View<S>,
        layer: usize,
        number: NodeNumber,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, NoPath> {
        let live = view.mixes()?;
        view.key(number).ok_or(NoPath::Node)?;
        let mixes = draw(live, rng);
        Ok(Self::with_delays(view, &mixes[..layer], number, rng))
    }

    fn with_delays<S: Suite>(
        view: &View<S>,
        mixes: &[NodeNumber],
        last: NodeNumber,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let mean = view.roster().traffic.mix_delay;
        let mut hops: Vec<_> = mixes.iter().map(|mix| (*mix, exponential(mean, rng))).collect();
        hops.push((last, Delay::ZERO));
        Self { hops }
    }

    /// First node of the path.
    ///
    /// # Panics
    /// Never: a path has at least its last node.
    #[must_use]
    pub fn first(&self) -> NodeNumber {
        self.hops.first().expect("a path has at least its last node").0
    }

    /// Nodes of the path in order.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeNumber> {
        self.hops.iter().map(|(node, _)| *node).collect()
    }

    /// Delays of the nodes in order.
    #[must_use]
    pub fn delays(&self) -> Vec<Delay> {
        self.hops.iter().map(|(_, delay)| *delay).collect()
    }

    /// Makes the hops for the builder of a packet; the last does as `end` says.
    ///
    /// # Errors
    /// A node is not up in this view.
    pub fn hops<'a, S: Suite>(
        &self,
        view: &'a View<S>,
        end: Route,
    ) -> Result<Vec<PathHop<'a, S>>, NoPath> {
        let key = |node| view.key(node).ok_or(NoPath::Node);
        let mut hops = Vec::with_capacity(self.hops.len());
        for pair in self.hops.windows(2) {
            let [(node, delay), (next, _)] = pair else {
                continue;
            };
            let generation = key(*next)?.generation().short();
            let route = Route::forward(*next, generation, *delay);
            hops.push(PathHop { key: key(*node)?, route });
        }
        let (last, _) = self.hops.last().expect("a path has at least its last node");
        hops.push(PathHop { key: key(*last)?, route: end });
        Ok(hops)
    }
}

/// Failure to draw a path.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum NoPath {
    /// A node that the path needs is not up.
    #[error("a node of the path is not up")]
    Node,
    /// The view names too little to build on.
    #[error("the document names {0}")]
    Short(#[from] Shortage),
}

/// Draws a mix of each layer, each uniformly and whatever the others are.
fn draw(mixes: &Mixes, rng: &mut (impl CryptoRng + ?Sized)) -> [NodeNumber; HOPS - 1] {
    std::array::from_fn(|layer| mixes[layer][below(mixes[layer].len(), rng)])
}

/// Draws by a law that is taken back: until the mixes are of three operators.
fn draw_together<S: Suite>(
    view: &View<S>,
    mixes: &Mixes,
    rng: &mut (impl CryptoRng + ?Sized),
) -> [NodeNumber; HOPS - 1] {
    let operator = |number: &NodeNumber| view.roster().node(*number).map(|node| &node.operator);
    let spread =
        |mixes: &[NodeNumber; HOPS - 1]| mixes.iter().map(operator).collect::<HashSet<_>>().len();
    let mut draws = std::iter::repeat_with(|| draw(mixes, rng));
    draws.find(|mixes| spread(mixes) == mixes.len()).expect("draws have no end")
}

/// Leaves the mixes of the relay's operator out, where a layer has others, by a law that is taken
/// back.
fn avoiding<S: Suite>(view: &View<S>, mixes: &Mixes, relay: NodeNumber) -> Mixes {
    let operator = |number: NodeNumber| view.roster().node(number).map(|node| &node.operator);
    std::array::from_fn(|layer| {
        let others = mixes[layer].iter().copied().filter(|mix| operator(*mix) != operator(relay));
        let others: Vec<_> = others.collect();
        if others.is_empty() { mixes[layer].clone() } else { others }
    })
}

/// Draws uniformly below `bound` (at least 1).
pub(crate) fn below(bound: usize, rng: &mut (impl CryptoRng + ?Sized)) -> usize {
    rand::RngExt::random_range(rng, 0..bound)
}

#[cfg(test)]
mod tests;
