//! A suite for volume: classic's lengths, and a key encapsulation that hides nothing.

use rand_core::CryptoRng;
use rohrpost_packet::{KemError, SharedSecret, Suite, SuiteId};

/// Classic's lengths; the shared secret is a hash of the *public* key and the ciphertext. For
/// simulations only: it protects nothing, and costs nothing.
#[derive(Clone, Copy)]
pub struct Toy;

impl Suite for Toy {
    const ID: SuiteId = SuiteId::new(255);
    const NAME: &'static str = "toy";
    const CIPHERTEXT_LEN: usize = 32;
    const PUBLIC_KEY_LEN: usize = 32;
    const PACKET_LEN: usize = 2_560;

    type Secret = [u8; 32];

    fn keypair(rng: &mut (impl CryptoRng + ?Sized)) -> (Self::Secret, Vec<u8>) {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        (key, key.to_vec())
    }

    fn public_is_valid(public: &[u8]) -> bool {
        public.len() == Self::PUBLIC_KEY_LEN
    }

    fn encapsulate(
        public: &[u8],
        ciphertext: &mut [u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SharedSecret, KemError> {
        rng.fill_bytes(ciphertext);
        let key: &[u8; 32] = public.try_into().map_err(|_| KemError::Length)?;
        shared(key, ciphertext)
    }

    fn decapsulate(secret: &Self::Secret, ciphertext: &[u8]) -> Result<SharedSecret, KemError> {
        shared(secret, ciphertext)
    }
}

fn shared(key: &[u8; 32], ciphertext: &[u8]) -> Result<SharedSecret, KemError> {
    SharedSecret::fill(32, |bytes| {
        bytes.copy_from_slice(blake3::keyed_hash(key, ciphertext).as_bytes());
        Ok(())
    })
}
