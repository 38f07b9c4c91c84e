//! Randomness of a client: the system's, and a simulation's on the threads of simulations.

use std::cell::RefCell;
use std::convert::Infallible;

use chacha20::ChaCha20Rng;
use rand::rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use zeroize::Zeroizing;

thread_local! {
    static SIMULATED: RefCell<Option<ChaCha20Rng>> = const { RefCell::new(None) };
}

/// Has all that clients draw on this thread follow from a seed, so that a simulation lives the same
/// life again: keys, identifiers, times and the seeds of couriers. The keys of a store's file are
/// drawn from the system all the same. Whoever knows the seed has every key; for simulations alone.
pub fn danger_draw_from(seed: [u8; 32]) {
    let seed = Zeroizing::new(seed);
    SIMULATED.set(Some(ChaCha20Rng::from_seed(*seed)));
}

/// Generator of all that a client draws.
pub(crate) const fn rng() -> ClientRng {
    ClientRng
}

/// Generator that draws from the system, or from a simulation's seed.
pub(crate) struct ClientRng;

impl ClientRng {
    fn with<T>(draw: impl FnOnce(&mut dyn Rng) -> T) -> T {
        SIMULATED.with_borrow_mut(|simulated| match simulated {
            Some(simulated) => draw(simulated),
            None => draw(&mut rand::rng()),
        })
    }
}

impl TryRng for ClientRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(Self::with(|rng| rng.next_u32()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(Self::with(|rng| rng.next_u64()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        Self::with(|rng| rng.fill_bytes(bytes));
        Ok(())
    }
}

impl TryCryptoRng for ClientRng {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws of a thread of its own, with this seed if any.
    fn drawn(seed: Option<u8>) -> [u64; 3] {
        let draw = move || {
            seed.into_iter().for_each(|seed| danger_draw_from([seed; 32]));
            [(); 3].map(|()| rng().next_u64())
        };
        std::thread::spawn(draw).join().unwrap()
    }

    #[test]
    fn a_seed_repeats_a_threads_draws_and_no_other_threads() {
        assert_eq!(drawn(Some(1)), drawn(Some(1)));
        assert_ne!(drawn(Some(1)), drawn(Some(2)));
        assert_ne!(drawn(None), drawn(None));
    }
}
