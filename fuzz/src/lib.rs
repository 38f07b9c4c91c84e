//! Ground that the fuzz targets share: a network of fixed keys, and seals made by hand so that
//! arbitrary bytes get past the cryptography that would stop them.

pub mod application;
pub mod carrier;
pub mod change;
pub mod client;
pub mod fragment;
pub mod layer;
pub mod mail;
pub mod network;
pub mod outbox;
pub mod path;
// The suite of the simulations: no cryptography worth the name, so that sequences of operations
// are limited by the machines under test.
#[path = "../../crates/virtual/src/toy.rs"]
pub mod toy;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;

/// Generator of everything fixed; each purpose has its own.
#[must_use]
pub fn rng(purpose: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([purpose; 32])
}

/// The suites that a target can draw.
#[derive(arbitrary::Arbitrary, Clone, Copy, Debug)]
pub enum SuiteChoice {
    /// The suite of X25519 and ML-KEM-768.
    Hybrid,
    /// The suite of X25519 alone.
    Classic,
}

/// Cuts `bytes`, or fills it up with zeros, to `len`.
#[must_use]
pub fn sized(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut sized = bytes[..bytes.len().min(len)].to_vec();
    sized.resize(len, 0);
    sized
}
