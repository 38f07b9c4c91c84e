//! Triples of mixes that a path may take (`docs/traffic.md`, Paths).
//!
//! The triples are numbered, and a path draws one number. So each triple is exactly as likely as
//! any other, whoever stands at the ends of the path, and a draw ends after one number.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use rohrpost_packet::{HOPS, NodeNumber};

use crate::directory::roster::{Role, RosterNode};

/// All choices of one mix per layer that spread over at least a number of operators.
pub(crate) struct Triples {
    /// Least number of operators in a triple, 1 to 3.
    spread: usize,
    layers: [Layer; LAYERS],
    /// Number of triples whose first mix is of an operator before this one; then of all triples.
    begins: Vec<u64>,
    /// Number of pairs of a second and a third mix of one operator, before this one; then of all.
    alike: Vec<u64>,
}

/// Mixes of a layer in the order of their operators, and where those of each operator begin.
struct Layer {
    mixes: Vec<NodeNumber>,
    begins: Vec<usize>,
}

impl Triples {
    /// Numbers the triples of these mixes that spread over at least `spread` operators; relays
    /// among the nodes are left out.
    pub(crate) fn of<'a>(nodes: impl Iterator<Item = &'a RosterNode>, spread: usize) -> Self {
        let mut by_operator: BTreeMap<&str, [Vec<NodeNumber>; LAYERS]> = BTreeMap::new();
        for node in nodes {
            if let Role::Mix { layer } = node.role {
                by_operator.entry(&node.operator).or_default()[layer].push(node.number);
            }
        }
        let layers =
            std::array::from_fn(|layer| Layer::of(by_operator.values().map(|mixes| &mixes[layer])));
        let mut triples = Self { spread, layers, begins: vec![0], alike: vec![0] };
        let operators = 0..by_operator.len();
        triples.alike = sums(operators.clone().map(|at| triples.pairs_of(at)));
        triples.begins =
            sums(operators.map(|at| triples.layers[0].held_by(at) * triples.after(at)));
        triples
    }

    /// Numbers the triples over as many operators as any triple of these mixes has, at most three.
    pub(crate) fn widest(nodes: &[&RosterNode]) -> Self {
        let of = |spread| Self::of(nodes.iter().copied(), spread);
        (2..=MOST_OPERATORS)
            .rev()
            .map(of)
            .find(|triples| triples.len() > 0)
            .unwrap_or_else(|| of(1))
    }

    /// Least number of operators in a triple; 0 if there is no triple.
    pub(crate) fn spread(&self) -> usize {
        if self.len() == 0 { 0 } else { self.spread }
    }

    /// Number of the triples.
    pub(crate) fn len(&self) -> u64 {
        self.begins.last().copied().unwrap_or(0)
    }

    /// Draws a triple, each with the same probability.
    ///
    /// # Panics
    /// If there is no triple.
    pub(crate) fn draw(&self, rng: &mut (impl CryptoRng + ?Sized)) -> [NodeNumber; LAYERS] {
        self.nth(rand::RngExt::random_range(rng, 0..self.len()))
    }

    /// The triple of this number, which is below [`Self::len`].
    fn nth(&self, number: u64) -> [NodeNumber; LAYERS] {
        let [one, two, three] = &self.layers;
        let first = self.begins.partition_point(|begin| *begin <= number) - 1;
        let (number, after) = (number - self.begins[first], self.after(first));
        let (place, mut number) = (number / after, number % after);
        let second = self.second(first, number);
        number -= self.before(first, second);
        let thirds = self.thirds(first, second);
        let excluded = self.excluded(first, second);
        [
            one.mix(first, place),
            two.mix(second, number / thirds),
            three.mix_outside(&excluded, number % thirds),
        ]
    }

    /// The operator of the second mix in this choice, of those after a first mix of `first`.
    fn second(&self, first: usize, number: u64) -> usize {
        let (mut low, mut high) = (0, self.layers[1].operators());
        while high - low > 1 {
            let middle = low.midpoint(high);
            if self.before(first, middle) <= number {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Number of choices for the second and the third mix after a first mix of this operator.
    fn after(&self, first: usize) -> u64 {
        self.before(first, self.layers[1].operators())
    }

    /// Number of choices for the second and the third mix after a first mix of `first`, the second
    /// of an operator before `end`: pairs of all mixes, without those that the spread forbids.
    fn before(&self, first: usize, end: usize) -> u64 {
        let [_, two, three] = &self.layers;
        let (seconds, own) = (wide(two.begins[end]), first < end);
        let (own_seconds, own_alike) =
            if own { (two.held_by(first), self.pairs_of(first)) } else { (0, 0) };
        match self.spread {
            3 => {
                let pairs = (seconds - own_seconds) * (three.len() - three.held_by(first));
                pairs - (self.alike[end] - own_alike)
            }
            2 => seconds * three.len() - own_alike,
            _ => seconds * three.len(),
        }
    }

    /// Number of pairs of a second and a third mix that are both of this operator.
    fn pairs_of(&self, operator: usize) -> u64 {
        self.layers[1].held_by(operator) * self.layers[2].held_by(operator)
    }

    /// Number of choices for the third mix after mixes of these operators, which the spread allows.
    fn thirds(&self, first: usize, second: usize) -> u64 {
        let third = &self.layers[2];
        let excluded = self.excluded(first, second);
        third.len()
            - excluded.into_iter().flatten().map(|operator| third.held_by(operator)).sum::<u64>()
    }

    /// Operators whose mixes cannot be third after mixes of these operators, in rising order.
    fn excluded(&self, first: usize, second: usize) -> [Option<usize>; 2] {
        match self.spread {
            3 => [Some(first.min(second)), Some(first.max(second))],
            2 if first == second => [Some(first), None],
            _ => [None, None],
        }
    }
}

impl Layer {
    fn of<'a>(by_operator: impl Iterator<Item = &'a Vec<NodeNumber>>) -> Self {
        let (mut mixes, mut begins) = (Vec::new(), vec![0]);
        for held in by_operator {
            mixes.extend_from_slice(held);
            begins.push(mixes.len());
        }
        Self { mixes, begins }
    }

    fn operators(&self) -> usize {
        self.begins.len() - 1
    }

    fn len(&self) -> u64 {
        wide(self.mixes.len())
    }

    fn held_by(&self, operator: usize) -> u64 {
        wide(self.begins[operator + 1] - self.begins[operator])
    }

    fn mix(&self, operator: usize, place: u64) -> NodeNumber {
        self.mixes[self.begins[operator] + narrow(place)]
    }

    /// The mix at this place among those of operators that are not excluded.
    fn mix_outside(&self, excluded: &[Option<usize>; 2], place: u64) -> NodeNumber {
        let mut place = narrow(place);
        for operator in excluded.iter().flatten().copied() {
            if place >= self.begins[operator] {
                place += self.begins[operator + 1] - self.begins[operator];
            }
        }
        self.mixes[place]
    }
}

/// Sums of all numbers before each, then of all.
fn sums(numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut sum = 0;
    let after = numbers.map(|number| {
        sum += number;
        sum
    });
    std::iter::once(0).chain(after).collect()
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).expect("a count of mixes is small")
}

fn narrow(place: u64) -> usize {
    usize::try_from(place).expect("a place lies within a layer")
}

/// Layers of mixes.
const LAYERS: usize = HOPS - 1;
/// Operators that a path spreads over, where the roster has them.
pub(crate) const MOST_OPERATORS: usize = 3;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::directory::signing::SigningKey;

    /// Nodes of these operators in each layer, numbered from 1.
    fn nodes(layers: [&str; LAYERS]) -> Vec<RosterNode> {
        let held = (0..LAYERS).flat_map(|layer| layers[layer].chars().map(move |at| (layer, at)));
        let node = |(number, (layer, operator)): (u32, (usize, char))| RosterNode {
            number: NodeNumber::new(number),
            name: format!("mix-{number}"),
            operator: operator.into(),
            role: Role::Mix { layer },
            addresses: Vec::new(),
            identity: SigningKey::from_seed(&[7; 32]).public(),
        };
        (1..).zip(held).map(node).collect()
    }

    /// Finds the triples over at least `spread` operators by trying all.
    fn tried(nodes: &[RosterNode], spread: usize) -> HashSet<[NodeNumber; LAYERS]> {
        let layer = |at: usize| nodes.iter().filter(move |node| node.role.position() == at);
        let mut found = HashSet::new();
        for one in layer(0) {
            for two in layer(1) {
                for three in layer(2) {
                    let triple = [one, two, three];
                    let operators: HashSet<_> = triple.map(|node| &node.operator).into();
                    if operators.len() >= spread {
                        found.insert(triple.map(|node| node.number));
                    }
                }
            }
        }
        found
    }

    /// Each number is a triple of its own, and all triples have one: what makes a draw uniform.
    #[test]
    fn each_triple_has_exactly_one_number() {
        let layouts = [
            ["ns", "ew", "sn"],
            ["nsew", "nsew", "nsew"],
            ["nnnse", "wns", "eeesnw"],
            ["n", "s", "nnnw"],
            ["nns", "sn", "nss"],
            ["n", "nn", "nnn"],
            ["n", "n", ""],
            ["abcdefgh", "aabbccdd", "hhhhhhhg"],
        ];
        for layout in layouts {
            let nodes = nodes(layout);
            for spread in 1..=MOST_OPERATORS {
                let triples = Triples::of(nodes.iter(), spread);
                let numbered: Vec<_> = (0..triples.len()).map(|n| triples.nth(n)).collect();
                let distinct: HashSet<_> = numbered.iter().copied().collect();
                assert_eq!(distinct, tried(&nodes, spread), "{layout:?} over {spread}");
                assert_eq!(distinct.len(), numbered.len(), "{layout:?} over {spread}");
            }
        }
    }

    #[test]
    fn the_widest_spread_is_what_the_mixes_allow() {
        let spread = |layers| Triples::widest(&nodes(layers).iter().collect::<Vec<_>>()).spread();
        assert_eq!(spread(["ns", "ew", "sn"]), 3);
        assert_eq!(spread(["n", "s", "ns"]), 2);
        assert_eq!(spread(["n", "n", "nn"]), 1);
        assert_eq!(spread(["n", "", "e"]), 0);
    }
}
