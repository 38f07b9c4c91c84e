//! Operators of the nodes before a mix: whose word a link's packets are.

use crate::directory::roster::{Role, Roster};

/// The operator of each link into a mix, as a place in a list: nothing else matters here.
pub(super) struct Operators(Vec<usize>);

impl Operators {
    /// Operators before a mix in `layer`.
    pub(super) fn before(roster: &Roster, layer: usize) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let place = |name| {
            names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            })
        };
        let links = roster.predecessors(Role::Mix { layer });
        Self(links.map(|node| node.operator.as_str()).map(place).collect())
    }

    /// Number of different operators.
    pub(super) fn count(&self) -> usize {
        self.0.iter().max().map_or(0, |last| last + 1)
    }

    /// The operator of each link, in the order of the nodes.
    pub(super) fn of_links(&self) -> &[usize] {
        &self.0
    }
}
