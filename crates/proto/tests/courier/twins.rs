//! Two copies of one client at once, and one copy after another.

use std::time::Duration;

use rohrpost_proto::courier::{Event, Twin};
use rohrpost_proto::time::Time;

use crate::alice_and_bob;
use crate::world::{START, World};

const MINUTE: Duration = Duration::from_secs(60);

/// All that a courier has found of other copies, and the first time at which it did.
fn twins(world: &World, courier: usize) -> (Vec<Twin>, Option<Time>) {
    let twin = |(at, event): &(Time, Event)| match event {
        Event::Twin(twin) => Some((*at, *twin)),
        _ => None,
    };
    let found: Vec<_> = world.events[courier].iter().filter_map(twin).collect();
    let mut kinds: Vec<_> = found.iter().map(|(_, twin)| *twin).collect();
    kinds.dedup();
    (kinds, found.first().map(|(at, _)| *at))
}

#[test]
fn of_two_copies_the_one_that_began_later_hears_that_it_is_to_stop() {
    let (mut world, _, bob) = alice_and_bob();
    world.run(START + MINUTE * 30);
    let copy = world.copy(bob, 90, 2, 0);
    world.run(START + MINUTE * 45);
    assert_eq!(twins(&world, bob).0, [Twin::Later]);
    let (found, at) = twins(&world, copy);
    assert_eq!(found, [Twin::Earlier]);
    assert!(at.unwrap() < START + MINUTE * 42, "{:?}", at.map(|at| at.since(START)));
}

#[test]
fn a_copy_that_was_left_behind_hears_at_once_that_the_client_was_moved() {
    let (mut world, _, bob) = alice_and_bob();
    world.run(START + MINUTE * 30);
    let moved = world.copy(bob, 90, 2, 7);
    world.run(START + MINUTE * 31);
    assert_eq!(twins(&world, bob).0, [Twin::Moved { incarnation: 7 }]);
    assert!(twins(&world, moved).0.is_empty());
    world.run(START + MINUTE * 45);
    assert_eq!(twins(&world, moved).0, [Twin::Later]);
}

#[test]
fn one_run_after_another_is_no_copy() {
    let (mut world, _, bob) = alice_and_bob();
    for run in 1..4 {
        world.run(START + MINUTE * 20 * run);
        world.restart_clients();
    }
    world.run(START + MINUTE * 80);
    assert!(twins(&world, bob).0.is_empty());
}
