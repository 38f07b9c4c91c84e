//! Entropy of a mix's pool: how well one mix hides which of its arrivals a departure is.

use std::time::Duration;

use rand::RngExt;
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::statistics::Sample;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_virtual::{LoneMix, PoolObserver, Sight, poisson_mix_entropy};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const ATTACK: Attack = Attack {
    name: "entropy",
    claim: "a mix hides each packet among those that pass with it",
    attacker: "an observer of all links of one mix, which runs alone",
    sees: "every arrival and departure of the real mix core, 250 packets a second, for ever",
    knows: "that delays are exponential with a mean of 200 ms; keeps the exact posterior over the \
            arrivals (Serjantov and Danezis 2002)",
    number: "entropy of a departure in bits, in the mean",
    // The formula of large pools, log2(e · 50) = 7.09 bits, less a tenth.
    limit: Some(Bound::AtLeast(6.99)),
    quick: true,
    run: |effort| attack(effort, Traffic::default().mix_delay),
    weakened: &[Weakened {
        what: "a mean delay of 15 ms, as Nym has it",
        how: How::Model(|effort| attack(effort, Duration::from_millis(15))),
        reaches: Bound::AtMost(4.0),
    }],
};

fn attack(effort: &Effort<'_>, delay: Duration) -> Measured {
    let departures = usize::try_from(effort.size(2_000, 12_000)).expect("few");
    let runs = effort.trials(4, |_, rng| entropies(rng.random(), delay, departures));
    let sample = Sample::new(runs.into_iter().flatten());
    let packets = RATE * delay.as_secs_f64();
    Measured::new(Estimate::mean(&sample))
        .with("formula", poisson_mix_entropy(packets))
        .with("p5", sample.quantile(0.05))
        .with("packets_per_delay", packets)
}

/// Entropies of the departures after the pool has forgotten its empty start.
fn entropies(seed: u64, delay: Duration, departures: usize) -> Vec<f64> {
    let interval = Duration::from_secs_f64(1.0 / RATE);
    let mut observer = PoolObserver::default();
    let mut skipped = BURN_IN;
    let mut entropies = Vec::with_capacity(departures);
    for sight in LoneMix::new(seed, interval, delay, 2 * (departures + BURN_IN)) {
        match sight {
            Sight::Arrival { packet, .. } => observer.arrive(packet),
            Sight::Departure { .. } => {
                let entropy = observer.depart();
                if skipped > 0 {
                    skipped -= 1;
                } else {
                    entropies.push(entropy);
                }
            }
        }
        if entropies.len() == departures {
            break;
        }
    }
    entropies
}

/// Packets per second of a mix at the rates that the design reckons with.
const RATE: f64 = 250.0;
/// Departures in thirty mean delays.
const BURN_IN: usize = 1_500;
