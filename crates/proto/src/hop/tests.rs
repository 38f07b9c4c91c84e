use std::thread::{scope, yield_now};

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::Classic;

use super::*;

const NOW: Time = Time::from_micros(1_795_000_000_000_000);

/// A hop with so many keys, which are over now but for the newest.
fn hop(keys: u32) -> Hop<Classic> {
    let hop = Hop::new(0, 1, 100);
    for generation in 1..=keys {
        rotate(&hop, generation);
    }
    hop
}

fn rotate(hop: &Hop<Classic>, generation: u32) {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    hop.rotate(Generation::new(generation), NOW, &mut rng);
}

/// Checks that workers can read the keys while `change` wipes the memory of one that is over: where
/// the wiped memory has nowhere to go, the change waits, and nobody else does.
fn assert_free_while_wiping(hop: &Hop<Classic>, change: impl FnOnce() + Send, left: usize) {
    scope(|threads| {
        let nowhere = hop.spare.lock().unwrap();
        let changing = threads.spawn(change);
        let taken = |_| {
            yield_now();
            hop.keys.try_read().is_ok_and(|keys| keys.len() == left)
        };
        let (free, waits) = ((0..PATIENCE).any(taken), !changing.is_finished());
        drop(nowhere);
        changing.join().unwrap();
        assert!(free && waits, "free: {free}, waits: {waits}");
    });
}

#[test]
fn keys_are_read_while_those_that_are_over_are_wiped() {
    let hop = hop(3);
    assert_free_while_wiping(&hop, || hop.sweep(NOW), 1);
    assert_eq!(hop.keys.read().unwrap().len(), 1);
    assert_eq!(hop.spare.lock().unwrap().len(), 2, "the memories are spare");
}

#[test]
fn keys_are_read_while_an_early_change_wipes_the_oldest() {
    let hop = hop(3);
    assert_free_while_wiping(&hop, || rotate(&hop, 4), 2);
    let held: Vec<_> = hop.keys.read().unwrap().iter().map(|epoch| epoch.fill()).collect();
    assert_eq!(held.len(), 3);
    assert!(hop.spare.lock().unwrap().is_empty(), "the oldest one's memory is the newest's");
}

/// Looks at the keys before the test gives up: some seconds.
const PATIENCE: u32 = 10_000_000;
