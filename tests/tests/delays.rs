//! Mixes delay as the builders of packets drew: exponentially, independently, and to the moment.

use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::{Event, Trip};
use rohrpost_tests::{Conditions, Toy, World};

/// Mean delay per mix by the default roster, in seconds.
const MEAN: f64 = 0.2;

/// Ten minutes of a network with eight clients.
fn world() -> World<Toy> {
    let mut world = World::new(8, Conditions::CALM);
    for client in 0..8 {
        world.add_client(NodeNumber::new(1 + client % 4));
    }
    world.run_for(Duration::from_secs(600));
    world
}

fn answered(event: &Event) -> Option<&Trip> {
    match event {
        Event::PullAnswered { trip, .. } => Some(trip),
        _ => None,
    }
}

/// The largest distance between the distribution of a sample and the exponential one.
fn distance_from_exponential(sample: &[f64]) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = count(sorted.len());
    let distance = |(at, value): (usize, &f64)| {
        let law = 1.0 - (-value / MEAN).exp();
        (law - count(at) / n).abs().max((law - count(at + 1) / n).abs())
    };
    sorted.iter().enumerate().map(distance).fold(0.0, f64::max)
}

/// Pearson's coefficient.
fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let (one, other) = (deviations(one), deviations(other));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    product(&one, &other) / (product(&one, &one) * product(&other, &other)).sqrt()
}

fn deviations(sample: &[f64]) -> Vec<f64> {
    let mean = sample.iter().sum::<f64>() / count(sample.len());
    sample.iter().map(|value| value - mean).collect()
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).expect("samples are counted in thousands"))
}

/// Kolmogorov-Smirnov at the 0.1 % level, D < 1.95 / sqrt(n), for each of the three mixes on the
/// way of the answers; and no mix's delay tells anything of the next one's.
#[test]
fn delays_of_a_path_are_exponential_and_independent() {
    let world = world();
    let trips: Vec<_> =
        world.events.iter().filter_map(|told| answered(&told.event)).map(|t| &t.path).collect();
    let drawn = |layer: usize| -> Vec<f64> {
        trips.iter().map(|path| path.delays()[layer].duration().as_secs_f64()).collect()
    };
    let layers = [drawn(0), drawn(1), drawn(2)];
    let n = count(trips.len());
    assert!(n > 4_000.0, "{n} answers");
    for (layer, sample) in layers.iter().enumerate() {
        let distance = distance_from_exponential(sample);
        assert!(distance < 1.95 / n.sqrt(), "D = {distance} in layer {layer}, n = {n}");
    }
    for (one, other) in [(0, 1), (1, 2), (0, 2)] {
        let r = correlation(&layers[one], &layers[other]);
        assert!(r.abs() < 3.3 / n.sqrt(), "r = {r} between layers {one} and {other}, n = {n}");
    }
}

/// An answer to a virtual client of the third layer leaves its mailbox at a whole second and ends
/// at the mix, with no session's tick between. What is left after the drawn delays are the
/// latencies of three links and at most a tick of each mix's pool: the mixes on the way have kept to
/// what was drawn.
#[test]
fn mixes_keep_a_packet_for_as_long_as_was_drawn() {
    let world = world();
    let third_layer = [NodeNumber::new(9), NodeNumber::new(10)];
    let trips: Vec<_> = world
        .cover
        .iter()
        .filter(|(mix, _)| third_layer.contains(mix))
        .filter_map(|(_, event)| answered(event))
        .collect();
    assert!(trips.len() > 1_000, "{} answers", trips.len());
    for trip in trips {
        let rest =
            (trip.at.micros() - u64::try_from(trip.drawn().as_micros()).unwrap()) % 1_000_000;
        assert!((15_000..=46_500).contains(&rest), "{rest} µs after the tick and the delays");
    }
}
