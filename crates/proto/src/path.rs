//! Paths: drawn anew for every packet, over the operators that the roster has.

use std::collections::HashSet;

use rand_core::CryptoRng;
use rohrpost_packet::{Delay, HOPS, NodeNumber, PathHop, Route, Suite};

use crate::delay::exponential;
use crate::directory::roster::RosterNode;
use crate::directory::view::View;

/// Nodes of a path and the delay drawn for each; the last node has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    hops: Vec<(NodeNumber, Delay)>,
}

impl Path {
    /// Draws mixes from layer `first_layer` on, then `relay`: down to a mailbox, or up to an entry.
    ///
    /// # Errors
    /// No node of a needed layer is up.
    pub fn to_relay<S: Suite>(
        view: &View<S>,
        first_layer: usize,
        relay: NodeNumber,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, NoPath> {
        let relay = view.roster().node(relay).filter(|node| view.key(node.number).is_some());
        let relay = relay.ok_or(NoPath { position: HOPS - 1 })?;
        let mixes = draw_mixes(view, first_layer..HOPS - 1, Some(relay), rng)?;
        Ok(Self::with_delays(view, mixes, relay.number, rng))
    }

    /// Draws a loop of the mix `number` in `layer`: mixes of the layers before, then the mix
    /// itself.
    ///
    /// # Errors
    /// No node of a needed layer is up.
    pub fn to_mix<S: Suite>(
        view: &View<S>,
        layer: usize,
        number: NodeNumber,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, NoPath> {
        if view.key(number).is_none() {
            return Err(NoPath { position: layer });
        }
        let mixes = draw_mixes(view, 0..layer, None, rng)?;
        Ok(Self::with_delays(view, mixes, number, rng))
    }

    fn with_delays<S: Suite>(
        view: &View<S>,
        mixes: Vec<&RosterNode>,
        last: NodeNumber,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let mean = view.roster().traffic.mix_delay;
        let mut hops: Vec<_> =
            mixes.into_iter().map(|mix| (mix.number, exponential(mean, rng))).collect();
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
        let key = |node| view.key(node).ok_or(NoPath { position: HOPS - 1 });
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

/// Failure to draw a path: no node of a needed layer is up.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("no node of layer {} is up", position + 1)]
pub struct NoPath {
    position: usize,
}

/// Draws one live mix per layer, uniformly among the choices that spread over three operators (or
/// as many as the choice can have).
fn draw_mixes<'a, S: Suite>(
    view: &'a View<S>,
    layers: std::ops::Range<usize>,
    relay: Option<&RosterNode>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<&'a RosterNode>, NoPath> {
    let live: Vec<Vec<_>> = layers.clone().map(|layer| view.live(layer).collect()).collect();
    for (layer, nodes) in layers.zip(&live) {
        if nodes.is_empty() {
            return Err(NoPath { position: layer });
        }
    }
    let mut best: (usize, Vec<&RosterNode>) = (0, Vec::new());
    for _ in 0..ATTEMPTS {
        let drawn: Vec<_> = live.iter().map(|nodes| nodes[below(nodes.len(), rng)]).collect();
        let operators: HashSet<_> =
            drawn.iter().copied().chain(relay).map(|node| node.operator.as_str()).collect();
        if operators.len() >= OPERATORS.min(drawn.len() + relay.iter().len()) {
            return Ok(drawn);
        }
        if operators.len() > best.0 || best.1.is_empty() {
            best = (operators.len(), drawn);
        }
    }
    Ok(best.1)
}

/// Draws uniformly below `bound` (at least 1).
pub(crate) fn below(bound: usize, rng: &mut (impl CryptoRng + ?Sized)) -> usize {
    rand::RngExt::random_range(rng, 0..bound)
}

/// Operators that a path spreads over, where the roster has them.
const OPERATORS: usize = 3;
/// Draws before the best spread so far is taken; one in three would already find a spread that
/// half of all choices have.
const ATTEMPTS: usize = 32;

#[cfg(test)]
mod tests;
