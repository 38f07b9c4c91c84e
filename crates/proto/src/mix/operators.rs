//! Operators of the nodes before a mix: whose word a link's packets are.

use crate::directory::roster::{Role, Roster};
use crate::places::Places;

/// The operator of each link into a mix, as a place in a list.
pub(super) struct Operators {
    /// Each operator once.
    names: Vec<String>,
    /// By the link's place; none for a place that is free, or whose node leaves.
    of_links: Vec<Option<usize>>,
}

impl Operators {
    /// Operators before a mix in `layer`, which starts with this roster.
    pub(super) fn before(roster: &Roster, layer: usize) -> Self {
        Self::of(&Places::new(roster, Role::Mix { layer }))
    }

    /// Operators of the links that have these places.
    pub(super) fn of(places: &Places) -> Self {
        let mut names: Vec<String> = Vec::new();
        let place = |operator: Option<String>| {
            let operator = operator?;
            Some(names.iter().position(|known| *known == operator).unwrap_or_else(|| {
                names.push(operator);
                names.len() - 1
            }))
        };
        let of_links = places.operators().into_iter().map(place).collect();
        Self { names, of_links }
    }

    /// Number of different operators.
    pub(super) const fn count(&self) -> usize {
        self.names.len()
    }

    /// The operator of each link, by its place.
    pub(super) fn of_links(&self) -> &[Option<usize>] {
        &self.of_links
    }

    /// The place that each of these operators had among those before, if it was one of them.
    pub(super) fn among<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = Option<usize>> + 'a {
        let place = |name: &String| before.names.iter().position(|known| known == name);
        self.names.iter().map(place)
    }
}
