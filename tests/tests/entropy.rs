//! Anonymity of one mix: how well it hides which of its arrivals a departure is.

use std::collections::VecDeque;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rohrpost_measure::statistics::{Sample, distance_limit};
use rohrpost_virtual::{LoneMix, PoolObserver, Sight, every_seed, poisson_mix_entropy, seeds};

/// Mean delay of the default roster.
const DELAY: Duration = Duration::from_millis(200);
/// The pool has forgotten its empty start after this many mean delays.
const BURN_IN_DELAYS: usize = 30;
/// Departures that count.
const DEPARTURES: usize = 12_000;

/// Findings of the observer about each departure.
#[derive(Default)]
struct Findings {
    /// Entropies of the posterior over arrivals.
    entropies: Vec<f64>,
    /// Places of the true arrivals in the posterior.
    places: Vec<f64>,
}

/// Sights on the links of a mix whose pool holds so many packets on average.
fn mix(seed: u64, packets_per_delay: u32) -> LoneMix {
    LoneMix::new(seed, DELAY / packets_per_delay, DELAY, 4 * DEPARTURES)
}

/// Findings of an observer of these sights, after the burn-in.
fn observe(seed: u64, packets_per_delay: u32, sights: impl Iterator<Item = Sight>) -> Findings {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut uniform = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
    let burn_in = BURN_IN_DELAYS * usize::try_from(packets_per_delay).expect("pools are small");
    let mut observer = PoolObserver::default();
    let mut findings = Findings::default();
    let mut departures = 0;
    for sight in sights {
        match sight {
            Sight::Arrival { packet, .. } => observer.arrive(packet),
            Sight::Departure { packet, .. } => {
                let place = observer.place(packet, uniform());
                let entropy = observer.depart();
                departures += 1;
                if departures > burn_in {
                    findings.places.push(place);
                    findings.entropies.push(entropy);
                }
            }
        }
        if findings.entropies.len() == DEPARTURES {
            break;
        }
    }
    findings
}

/// Mean entropy of the anonymity set within 0.1 bit of log2(e·λ/µ). The formula is that of large
/// pools; at λ/µ = 2 the value is 0.02 lower, as a pool of two is often a pool of one.
///
/// And the observer's posterior is the true one: where the true arrivals lie in it is uniform
/// (Kolmogorov-Smirnov at the 0.1 % level).
#[test]
fn pool_entropy_is_that_of_a_poisson_mix() {
    let limit = distance_limit(DEPARTURES, 3 * seeds().count());
    every_seed(seeds(), |seed| {
        for packets_per_delay in [2, 10, 50] {
            let found = observe(seed, packets_per_delay, mix(seed, packets_per_delay));
            let expected = poisson_mix_entropy(packets_per_delay.into());
            let entropies = Sample::new(found.entropies);
            let entropy = entropies.mean();
            let distance = Sample::new(found.places).distance_from_uniform();
            println!(
                "λ/µ = {packets_per_delay}: E[H] = {entropy:.3} bits (log2(e·λ/µ) = {expected:.3}), \
                 5 % quantile {:.3}, D of the posterior {distance:.4} of {limit:.4}, seed {seed}",
                entropies.quantile(0.05),
            );
            assert!(
                (entropy - expected).abs() < 0.1,
                "E[H] = {entropy}; expected {expected}, seed {seed}"
            );
            assert!(distance < limit, "D = {distance}, λ/µ = {packets_per_delay}, seed {seed}");
        }
    });
}

/// The same links with a mix that keeps the order of arrival: an observer who believes in its
/// posterior is wrong, and the places of the true arrivals show it.
#[test]
fn an_order_of_arrival_would_be_noticed() {
    let mut waiting = VecDeque::new();
    let in_order = mix(1, 10).map(|sight| match sight {
        Sight::Arrival { packet, .. } => {
            waiting.push_back(packet);
            sight
        }
        Sight::Departure { at, .. } => {
            let packet = waiting.pop_front().expect("what leaves had come");
            Sight::Departure { at, packet }
        }
    });
    let found = observe(1, 10, in_order);
    let distance = Sample::new(found.places).distance_from_uniform();
    assert!(distance > 10.0 * distance_limit(DEPARTURES, 1), "D = {distance}");
}
