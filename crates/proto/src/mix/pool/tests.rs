//! The wheel against a sorted list, over random operations.

use chacha20::ChaCha20Rng;
use rand::RngExt;
use rand_core::SeedableRng;
use rohrpost_packet::{Classic, NodeNumber, Packet, ShortGeneration};

use super::*;
use crate::frame::Frame;
use crate::replay::{Ingress, SPARE_LINKS};

const START: Time = Time::from_micros(1_795_000_000_000_123);

fn outgoing(number: u32) -> OutgoingFrame<Classic> {
    let packet = Packet::random(&mut ChaCha20Rng::from_seed([0; 32]));
    let frame = Frame { generation: ShortGeneration::new(0), packet };
    OutgoingFrame { to: NodeNumber::new(number), frame }
}

/// Model of the pool: gives everything that is due up to the current tick, by due time and order.
#[derive(Default)]
struct Model(Vec<(Time, u32)>);

impl Model {
    fn pop(&mut self, now: Time) -> Option<(Time, u32)> {
        let tick = now.micros() / TICK_MICROS;
        let next = *self.0.iter().filter(|(due, _)| tick_of(*due) <= tick).min()?;
        self.0.retain(|held| *held != next);
        Some(next)
    }
}

#[test]
fn the_wheel_gives_what_a_sorted_list_gives() {
    for seed in 0..20 {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let (mut pool, mut model) = (Pool::<Classic>::new(60, 0), Model::default());
        let (mut now, mut number) = (START, 0);
        for _ in 0..2_000 {
            match rng.random_range(0..10) {
                0..5 => {
                    number += 1;
                    // Most are due within a turn of the wheel, some in the past, some turns ahead.
                    let ahead = [0, 700, 90_000, 1_900_000, 9_000_000][rng.random_range(0..5)];
                    let due = now + Duration::from_micros(rng.random_range(0..=ahead));
                    let due = due - Duration::from_micros(if number % 7 == 0 { 2_000 } else { 0 });
                    if pool.insert(due, Source::Own, outgoing(number)).is_ok() {
                        model.0.push((due, number));
                    } else {
                        assert_eq!(model.0.len(), 60, "sheds only when it is full");
                    }
                }
                5..7 => now = now + Duration::from_micros(rng.random_range(0..100_000)),
                7 => now = pool.next_due().map_or(now, |due| due.max(now)),
                _ => {
                    let popped = pool.pop(now).map(|(due, out)| (due, out.to.get()));
                    assert_eq!(popped, model.pop(now), "seed {seed}");
                }
            }
            assert_eq!(pool.len(), model.0.len());
        }
    }
}

#[test]
fn nothing_leaves_before_it_is_due_and_nothing_is_overslept() {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let mut pool = Pool::<Classic>::new(500, 0);
    for number in 0..500 {
        let due = START + Duration::from_micros(rng.random_range(0..30_000_000));
        pool.insert(due, Source::Own, outgoing(number)).unwrap();
    }
    let mut left = 0;
    while let Some(next) = pool.next_due() {
        let now = next.max(START);
        while let Some((due, _)) = pool.pop(now) {
            assert!(due <= now && now.since(due) <= TICK, "a driver that keeps time is in time");
            left += 1;
        }
    }
    assert_eq!((left, pool.len()), (500, 0));
}

#[test]
fn a_late_driver_gets_everything_in_the_order_of_due_times() {
    let mut pool = Pool::<Classic>::new(10, 0);
    for (number, ahead) in [(1, 5_000), (2, 2_000), (3, 4_000_000), (4, 2_000)] {
        pool.insert(START + Duration::from_micros(ahead), Source::Own, outgoing(number)).unwrap();
    }
    let late = START + Duration::from_secs(60);
    let order: Vec<_> =
        std::iter::from_fn(|| pool.pop(late)).map(|(_, out)| out.to.get()).collect();
    assert_eq!(order, [2, 4, 1, 3]);
}

#[test]
fn a_full_pool_sheds_the_newest() {
    let mut pool = Pool::<Classic>::new(2, 0);
    for number in [1, 2] {
        pool.insert(START, Source::Own, outgoing(number)).unwrap();
    }
    assert_eq!(pool.insert(START, Source::Own, outgoing(3)), Err(Refusal::Overload));
    let popped = pool.pop(START + TICK).map(|(_, out)| out.to.get());
    assert_eq!(popped, Some(1), "ties leave in the order of arrival");
    assert!(pool.insert(START, Source::Own, outgoing(4)).is_ok(), "there is room again");
}

/// Checks that no link can crowd out another: alone it gets twice its even share, and however many
/// others fill theirs, each has its own part of the reserved half.
#[test]
fn no_source_takes_the_places_of_another() {
    let [first, second] = [0, 1].map(|place| Source::Link(Ingress::new(place)));
    let fill = |pool: &mut Pool<Classic>, source| {
        (0..1_000).filter(|_| pool.insert(START, source, outgoing(1)).is_ok()).count()
    };
    let mut pool = Pool::<Classic>::new(120, 2);
    assert_eq!(fill(&mut pool, first), 60, "twice the even share of three sources and a spare");
    assert_eq!(fill(&mut pool, second), 40, "its own reserve, and what is left of the common half");
    assert_eq!(fill(&mut pool, Source::Own), 20, "its own reserve, whatever the others do");
    assert_eq!(pool.len(), 120);
    while pool.pop(START + TICK).is_some() {}
    assert_eq!(fill(&mut pool, Source::Own), 60, "places come back");
    let spare = |place| Source::Link(Ingress::new(place));
    assert_eq!(
        fill(&mut pool, spare(7)),
        20,
        "a link that has come: what is left of the common half"
    );
    assert_eq!(fill(&mut pool, spare(2 + SPARE_LINKS)), 0, "there is no such link");
    assert_eq!(fill(&mut pool, first), 20, "its own reserve, whoever has come");
}
