//! Blending (n-1): somebody fills the pool of a mix, starves it, or holds packets back, so that the
//! packet that it follows is alone among its own.
//!
//! The real mix core takes real packets over four links, with the watch that a mix node has. Two
//! numbers: how often the mix notices in time, in the kind that it notices least; and how much of
//! the pool one flooding link can take, for what it takes others cannot wait in.

use std::time::Duration;

use rand::RngExt;
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::statistics::{Sample, count};
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{Attack as Meddling, Scene, WatchedMix};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const NOTICE: Attack = Attack {
    name: "blending-notice",
    claim: "a mix whose pool somebody fills, starves or holds back notices within ten seconds",
    attacker: "the nodes before a mix, or who holds its links",
    sees: "nothing that matters here",
    knows: "the pool's bound and the rates; fills with the longest delays, floods, starves but for \
            one packet in a hundred, or holds one link back for six seconds",
    number: "share of trials that are noticed in 10 s, of the kind that is noticed least",
    limit: Some(Bound::AtLeast(0.95)),
    quick: true,
    run: |effort| notice(effort, &KINDS),
    weakened: &[Weakened {
        what: "control: nobody meddles, and what is noticed is false",
        how: How::Model(|effort| notice(effort, &[(Meddling::None, WITHIN)])),
        reaches: Bound::AtMost(0.3),
    }],
};

pub(super) const FLOOD: Attack = Attack {
    name: "blending-flood",
    claim: "one link cannot take the pool of a mix for itself",
    attacker: "a node before a mix, or clients of one entry relay",
    sees: "what leaves the mix",
    knows: "the pool's bound; sends ten times as much over one link as the pool holds",
    number: "share of the pool that is taken",
    limit: Some(Bound::AtMost(0.5)),
    quick: true,
    run: flood,
    weakened: &[Weakened {
        what: "one link may fill the whole pool",
        how: How::Law(Weakness::PoolWithoutShares),
        reaches: Bound::AtLeast(0.95),
    }],
};

/// Kinds of meddling, and how long each goes on.
const KINDS: [(Meddling, Duration); 4] = [
    (Meddling::Fill { link: 1, rate: 5.0 }, WITHIN),
    (Meddling::Flood { link: 2, rate: 600.0 }, WITHIN),
    (Meddling::Starve { spared: 100 }, WITHIN),
    (Meddling::Hold { link: 0 }, Duration::from_secs(6)),
];

fn notice(effort: &Effort<'_>, kinds: &[(Meddling, Duration)]) -> Measured {
    let trials = effort.size(10, 60);
    let mut least = Estimate::exact(1.0);
    let mut shares = Vec::new();
    for (attack, held) in kinds {
        let noticed = effort.trials(trials, |_, rng| {
            let mut mix = WatchedMix::new(rng.random(), 4, BOUND);
            let calm = Scene { rate: RATE, attack: Meddling::None };
            // The attack begins anywhere in the watch's second.
            mix.run_for(WARM_UP + Duration::from_millis(rng.random_range(0..1_000)), calm);
            let before = mix.alarms().len();
            // A hold ends all at once; of the rest nothing depends on where it ends.
            mix.run_for(*held, Scene { rate: RATE, attack: *attack });
            mix.run_for(WITHIN - *held, calm);
            mix.alarms().len() > before
        });
        let noticed = noticed.iter().filter(|noticed| **noticed).count();
        let share = Estimate::share(count(noticed), count(usize::try_from(trials).unwrap_or(0)));
        shares.push(serde_json::json!({ "kind": format!("{attack:?}"), "noticed": share.value }));
        if share.value <= least.value {
            least = share;
        }
    }
    Measured::new(least).with("kinds", shares).with("trials", trials)
}

fn flood(effort: &Effort<'_>) -> Measured {
    let taken = effort.trials(effort.size(8, 40), |_, rng| {
        let mut mix = WatchedMix::new(rng.random(), 4, BOUND);
        let attack = Meddling::Flood { link: 2, rate: 10_000.0 };
        mix.run_for(Duration::from_secs(3), Scene { rate: RATE, attack });
        count(mix.waiting()) / count(BOUND)
    });
    Measured::new(Estimate::mean(&Sample::new(taken)))
}

const WITHIN: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(300);
/// Honest packets per second and link: a mix of a localnet has twenty to forty.
const RATE: f64 = 10.0;
/// Packets of the pool.
const BOUND: usize = 200;
