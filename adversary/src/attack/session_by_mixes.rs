//! Matching a session to a mailbox by the mixes next to them, by an entry relay and a mailbox relay
//! in one hand.
//!
//! The entry relay sees the first mix of each cell and the last mix of each answer; the mailbox relay
//! sees the last mix of each pull and names the first of its answer. Real couriers pull, and every
//! packet is opened with the keys of all hops. The attacker is told which pull of a session would be
//! which of a mailbox; he learns from other clients, whose pairs he knows, how often what the one
//! relay sees comes with what the other sees, and weighs each pair of a session and a mailbox by the
//! likelihood of all its pulls.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use rohrpost_measure::detection::Scores;
use rohrpost_measure::statistics::count;
use rohrpost_packet::NodeNumber;
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{KeyRing, Layout, LoneClient, NORTH, Role};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const ATTACK: Attack = Attack {
    name: "session-by-mixes",
    claim: "the mixes next to both ends do not tell which session a mailbox belongs to",
    attacker: "an entry relay and a mailbox relay in one hand, with all of 100 clients",
    sees: "the first mix of each pull and the last of its answer at the entry, the other two at the \
           mailbox's relay, for ten minutes",
    knows: "which pull of a session would be which of a mailbox, and from other clients how often \
            what both relays see comes together",
    number: "pairs found at 1 % of false alarms",
    limit: Some(Bound::AtMost(0.02)),
    quick: true,
    run: attack,
    weakened: &[Weakened {
        what: "operators have mixes in all layers, and the draw keeps those of a path apart",
        how: How::Laws(&[Weakness::OperatorsInAllLayers, Weakness::MixesDrawnTogether]),
        reaches: Bound::AtLeast(0.9),
    }],
};

/// Two mixes that a relay sees of a pull and its answer.
type Seen = [NodeNumber; 2];
/// What the entry relay and the mailbox's relay see of a pull.
type Ends = [Seen; 2];

fn attack(effort: &Effort<'_>) -> Measured {
    let layout = Layout {
        operators: 4,
        mixes_per_layer: 4,
        operators_in_all_layers: effort.weaknesses.contains(&Weakness::OperatorsInAllLayers),
        ..Layout::default()
    };
    let clients = usize::try_from(effort.size(40, 100)).expect("few");
    let slots = effort.size(600, 2_400);
    let worlds = effort.trials(effort.size(10, 8), |_, rng| {
        let ring = KeyRing::new(effort.seed, &layout);
        let mut watch = |_| pulls(&ring, slots, rng);
        let [known, watched] = [2, clients].map(|n| (0..n).map(&mut watch).collect::<Vec<_>>());
        let weights = Weights::learn(known.iter().flatten());
        score(&watched, &weights)
    });
    let scores = Scores::of_pairs(worlds.iter().flatten());
    Measured::new(scores.found_at(FALSE_ALARMS))
        .with("area", scores.area().value)
        .with("pairs", clients * worlds.len())
        .with("pulls", slots / SLOTS_PER_PULL)
}

/// What both relays see of the pulls of one mailbox of a client, in their order.
fn pulls(ring: &KeyRing, slots: u64, rng: &mut StdRng) -> Vec<Ends> {
    let mut client = LoneClient::new(ring, rng.random(), NORTH, ring.view(&[]));
    let mut mailbox = None;
    let sent = (0..slots).filter_map(|_| client.step());
    let pull = sent.filter(|sent| sent.role == Role::Pull).filter_map(|sent| {
        let answer = sent.answer?;
        let relay = sent.path[3];
        let ends = [[sent.path[0], answer[2]], [sent.path[2], answer[0]]];
        (*mailbox.get_or_insert(relay) == relay).then_some(ends)
    });
    pull.collect()
}

/// Logarithms of how much more often two things are seen together than apart.
struct Weights(BTreeMap<Ends, f64>);

impl Weights {
    fn learn<'a>(pulls: impl Iterator<Item = &'a Ends>) -> Self {
        let (mut both, mut one, mut other) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut all = 0_usize;
        for ends in pulls {
            *both.entry(*ends).or_insert(0_usize) += 1;
            *one.entry(ends[0]).or_insert(0_usize) += 1;
            *other.entry(ends[1]).or_insert(0_usize) += 1;
            all += 1;
        }
        let mut weights = BTreeMap::new();
        for (here, n) in &one {
            for (there, m) in &other {
                let ends = [*here, *there];
                let together = count(both.get(&ends).copied().unwrap_or(0));
                let apart = count(*n) * count(*m) / count(all);
                weights.insert(ends, ((together + apart * PRIOR) / (apart + apart * PRIOR)).ln());
            }
        }
        Self(weights)
    }

    fn of(&self, ends: &Ends) -> f64 {
        self.0.get(ends).copied().unwrap_or(0.0)
    }
}

/// Scores each pair of a session and a mailbox.
fn score(clients: &[Vec<Ends>], weights: &Weights) -> Vec<(f64, bool)> {
    let mut scores = Vec::with_capacity(clients.len() * clients.len());
    for (session, of_session) in clients.iter().enumerate() {
        for (mailbox, of_mailbox) in clients.iter().enumerate() {
            let pulls = of_session.iter().zip(of_mailbox);
            let sum = pulls.map(|([entry, _], [_, relay])| weights.of(&[*entry, *relay])).sum();
            scores.push((sum, session == mailbox));
        }
    }
    scores
}

/// Weight of what would be expected were nothing to be learnt, beside what was seen.
const PRIOR: f64 = 0.2;
/// Slots in which one of two mailboxes is pulled once.
const SLOTS_PER_PULL: u64 = 4;
const FALSE_ALARMS: f64 = 0.01;
