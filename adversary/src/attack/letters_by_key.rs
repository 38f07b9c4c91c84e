//! Telling letters from the owner's loops by the write key that a store shows.

use rand::RngExt;
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::statistics::float;
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{KeyRing, Layout, LoneClient, NORTH, Role};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const ATTACK: Attack = Attack {
    name: "letters-by-key",
    claim: "a mailbox relay does not see which envelopes are mail and which are its owner's loops",
    attacker: "a mailbox relay",
    sees: "the write key of each store: the current one, or its predecessor",
    knows: "that one letter of ten is from a contact who has not heard of the newest key; counts \
            the loops under each key",
    number: "how many times as likely a letter's key is as a loop's, or a loop's as a letter's",
    limit: Some(Bound::AtMost(1.25)),
    quick: true,
    run: attack,
    weakened: &[
        Weakened {
            what: "all loops come under the current key",
            how: How::Law(Weakness::LoopsUnderOneKey),
            reaches: Bound::AtLeast(10.0),
        },
        Weakened {
            what: "cards carry a key of their own, which no loop comes under",
            how: How::Law(Weakness::CardsHaveKeysOfTheirOwn),
            reaches: Bound::AtLeast(10.0),
        },
    ],
};

fn attack(effort: &Effort<'_>) -> Measured {
    let ring = KeyRing::new(effort.seed, &Layout::default());
    let view = ring.view(&[]);
    let slots = effort.size(6_000, 40_000);
    let loops = effort.trials(CLIENTS, |_, rng| {
        let mut client = LoneClient::new(&ring, rng.random(), NORTH, view.clone());
        let mut loops = [0_u64; 2];
        for _ in 0..slots {
            let Some(sent) = client.step() else { continue };
            if let (Role::Loop, Some((mailbox, key))) = (sent.role, &sent.store) {
                loops[usize::from(!client.is_current(*mailbox, key))] += 1;
            }
        }
        loops
    });
    let [current, before] = [0, 1].map(|key| loops.iter().map(|loops| loops[key]).sum::<u64>());
    let all = float(current + before);
    let ratios = [(1.0 - STALE, current), (STALE, before)].map(|(letters, loops)| {
        let error = 1.96 * float(loops).sqrt() + 1.0;
        ratio(letters, [-error, 0.0, error].map(|error| (float(loops) + error) / all))
    });
    let most = if ratios[1].value > ratios[0].value { ratios[1] } else { ratios[0] };
    Measured::new(most)
        .with("under_current", ratios[0].value)
        .with("under_predecessor", ratios[1].value)
        .with("loops_under_current", current)
        .with("loops_under_predecessor", before)
}

/// Times as likely as the rarer the more frequent is, of a share of letters and one of loops with
/// its error to either side.
fn ratio(letters: f64, loops: [f64; 3]) -> Estimate {
    let times = |loops: f64| {
        let ratio = letters / loops.max(NEVER);
        ratio.max(1.0 / ratio)
    };
    let [low, value, high] = loops.map(times);
    let equal = (loops[0]..=loops[2]).contains(&letters);
    Estimate { value, low: if equal { 1.0 } else { low.min(high) }, high: low.max(high) }
}

const CLIENTS: u64 = 4;
/// Share of loops below which a key has none.
const NEVER: f64 = 1e-4;
/// Share of letters from contacts who know the predecessor only.
const STALE: f64 = 0.1;
