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
    knows: "that a person gets a letter every ten minutes, one of ten from a contact who has not \
            heard of the newest key; counts the loops under each key",
    number: "chance that an envelope is mail, under the key that tells most",
    limit: Some(Bound::AtMost(0.05)),
    quick: true,
    run: attack,
    weakened: &[Weakened {
        what: "all loops come under the current key",
        how: How::Law(Weakness::LoopsUnderOneKey),
        reaches: Bound::AtLeast(0.99),
    }],
};

fn attack(effort: &Effort<'_>) -> Measured {
    let ring = KeyRing::new(effort.seed, &Layout::default());
    let view = ring.view(&[]);
    let slots = effort.size(6_000, 40_000);
    let loops = effort.trials(4, |_, rng| {
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
    let time = float(slots * CLIENTS) / SLOTS_PER_SECOND;
    let [current, before] = [0, 1].map(|key| loops.iter().map(|loops| loops[key]).sum::<u64>());
    let mail = |share: f64| time / LETTER_EVERY * share;
    let chance = |mail: f64, loops: f64| mail / (mail + loops.max(0.0));
    let estimate = |mail: f64, loops: u64| {
        let (loops, error) = (float(loops), 1.96 * float(loops).sqrt());
        let value = chance(mail, loops);
        Estimate { value, low: chance(mail, loops + error), high: chance(mail, loops - error) }
    };
    let chances = [estimate(mail(1.0 - STALE), current), estimate(mail(STALE), before)];
    let most = if chances[1].value > chances[0].value { chances[1] } else { chances[0] };
    Measured::new(most)
        .with("under_current", chances[0].value)
        .with("under_predecessor", chances[1].value)
        .with("loops_under_current", current)
        .with("loops_under_predecessor", before)
}

const CLIENTS: u64 = 4;
const SLOTS_PER_SECOND: f64 = 4.0;
/// Seconds between the letters that a person gets.
const LETTER_EVERY: f64 = 600.0;
/// Share of letters from contacts who know the predecessor only.
const STALE: f64 = 0.1;
