//! Mixes delay as the builders of packets drew: exponentially, independently, and to the moment.

use std::time::Duration;

use rohrpost_measure::statistics::{Sample, correlation, distance_limit};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::{Event, Trip};
use rohrpost_virtual::{Conditions, Memory, Passage, Setup, Toy, World, every_seed, seeds};

/// Mean delay per mix by the default roster, in seconds.
const MEAN: f64 = 0.2;

/// A network with eight clients after so many minutes.
fn world(minutes: u64) -> World<Toy> {
    let mut world = World::new(8, Conditions::CALM);
    for client in 0..8 {
        world.add_client(NodeNumber::new(1 + client % 4));
    }
    world.run_for(Duration::from_secs(60 * minutes));
    world
}

fn answered(event: &Event) -> Option<&Trip> {
    match event {
        Event::PullAnswered { trip, .. } => Some(trip),
        _ => None,
    }
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).expect("samples are counted in thousands"))
}

/// Kolmogorov-Smirnov at the 0.1 % level, D < 1.95 / sqrt(n), for each of the three mixes on the
/// way of the answers; and no mix's delay tells anything of the next one's.
#[test]
fn delays_of_a_path_are_exponential_and_independent() {
    let world = world(10);
    let trips: Vec<_> =
        world.events.iter().filter_map(|told| answered(&told.event)).map(|t| &t.path).collect();
    let drawn = |layer: usize| -> Vec<f64> {
        trips.iter().map(|path| path.delays()[layer].duration().as_secs_f64()).collect()
    };
    let layers = [drawn(0), drawn(1), drawn(2)];
    let n = count(trips.len());
    assert!(n > 4_000.0, "{n} answers");
    for (layer, sample) in layers.iter().enumerate() {
        let distance = Sample::new(sample.iter().copied()).distance_from_exponential(MEAN);
        assert!(
            distance < distance_limit(trips.len(), 1),
            "D = {distance} in layer {layer}, n = {n}"
        );
    }
    for (one, other) in [(0, 1), (1, 2), (0, 2)] {
        let r = correlation(&layers[one], &layers[other]);
        assert!(r.abs() < 3.3 / n.sqrt(), "r = {r} between layers {one} and {other}, n = {n}");
    }
}

/// Realised delays: from a frame's arrival at a mix to the moment at which the observer sees its
/// packet leave, over all six mixes, for 100 000 passages of clients' packets and answers.
///
/// Kolmogorov-Smirnov at the 0.1 % level. A mix that looks at its pool once a millisecond shifts
/// the distribution by half a millisecond, D = 0.0025, within the limit of 0.0062.
#[test]
fn realised_delays_of_100_000_packets_are_exponential() {
    every_seed(seeds(), |seed| {
        let sample = Sample::new(realised(seed, 100_000));
        let distance = sample.distance_from_exponential(MEAN);
        let limit = distance_limit(sample.len(), seeds().count());
        println!(
            "realised delays: n = {}, mean {:.3} ms, D = {distance:.5} of {limit:.5}, seed {seed}",
            sample.len(),
            sample.mean() * 1e3
        );
        assert!(distance < limit, "D = {distance}, limit {limit}, seed {seed}");
    });
}

/// The test above is sharp enough to matter: the same sample against a mean that is off by 5 %, and
/// with delays clamped at four means, misses the limit.
#[test]
fn a_wrong_delay_law_would_be_noticed() {
    let sample = Sample::new(realised(1, 20_000));
    let limit = distance_limit(sample.len(), 1);
    assert!(sample.distance_from_exponential(MEAN) < limit);
    assert!(sample.distance_from_exponential(MEAN * 1.05) > limit);
    let clamped = Sample::new(sample.values().iter().map(|delay| delay.min(4.0 * MEAN)));
    assert!(clamped.distance_from_exponential(MEAN) > limit);
}

/// Realised delays in seconds, of so many packets that arrived one after the other. All of these
/// packets have left, so that long delays are not missing.
fn realised(seed: u64, packets: usize) -> Vec<f64> {
    let mut world =
        World::<Toy>::of(Setup { trace: true, memory: Memory::Digest, ..Setup::new(seed) });
    for client in 0..40 {
        world.add_client(NodeNumber::new(1 + client % 4));
    }
    let enough = world.run_until(Duration::from_secs(3_600), |w| w.passages.len() > packets);
    assert!(enough, "{} passages", world.passages.len());
    let end = world.now;
    // A delay is longer than fifty means once in 10^21 times.
    world.run_for(Duration::from_secs(10));
    let mut passages: Vec<Passage> =
        world.passages.iter().filter(|passage| passage.arrived < end).copied().collect();
    passages.sort_by_key(|passage| passage.arrived);
    assert!(passages.len() >= packets, "those that have left had arrived before");
    passages.truncate(packets);
    passages.iter().map(|passage| passage.left.since(passage.arrived).as_secs_f64()).collect()
}

/// An answer to a virtual client of the third layer leaves its mailbox at a whole second and ends
/// at the mix, with no session's tick between. What is left after the drawn delays are the
/// latencies of three links, and what the mixes' own ticks add: the mixes on the way have kept to
/// what was drawn.
#[test]
fn mixes_keep_a_packet_for_as_long_as_was_drawn() {
    let world = world(5);
    let third_layer = [NodeNumber::new(9), NodeNumber::new(10)];
    let trips: Vec<_> = world
        .cover
        .iter()
        .filter(|(mix, _)| third_layer.contains(mix))
        .filter_map(|(_, event)| answered(event))
        .collect();
    assert!(trips.len() > 500, "{} answers", trips.len());
    for trip in trips {
        let rest =
            (trip.at.micros() - u64::try_from(trip.drawn().as_micros()).unwrap()) % 1_000_000;
        // Two mixes before the own one; each may be a millisecond late.
        assert!((15_000..=47_000).contains(&rest), "{rest} µs after the tick and the delays");
    }
}
