//! A mix delays as its packets' builders drew: exponentially, and independently.

use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Event;
use rohrpost_tests::{Conditions, Toy, World};

/// Ways of letters through three mixes take the sum of three exponential delays of 200 ms: a Gamma
/// distribution of mean 0.6 s and standard deviation 0.35 s.
#[test]
fn letters_take_three_exponential_delays_down() {
    let mut world = World::<Toy>::new(8, Conditions::CALM);
    let clients: Vec<_> = (0..8).map(|i| world.add_client(NodeNumber::new(1 + i % 4))).collect();
    world.introduce(clients[0], clients[1]);
    world.run_for(Duration::from_secs(600));
    let sums: Vec<f64> = world
        .events
        .iter()
        .filter_map(|told| match &told.event {
            Event::PullAnswered { trip, .. } => Some(trip.path.delays()),
            _ => None,
        })
        .map(|delays| delays.iter().map(|delay| f64::from(delay.micros()) / 1e6).sum())
        .collect();
    let n = f64::from(u32::try_from(sums.len()).unwrap());
    let mean = sums.iter().sum::<f64>() / n;
    let deviation = (sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / n).sqrt();
    assert!(n > 4_000.0, "{n} answers");
    assert!((0.57..0.63).contains(&mean), "mean {mean}");
    assert!((0.32..0.38).contains(&deviation), "deviation {deviation}");
}
