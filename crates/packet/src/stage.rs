//! The steps of a hop one by one, for the benchmarks (feature `bench-internals`).
//!
//! Nothing else may use this: the steps are safe only in the order that [`crate::open_header`] and
//! [`crate::wrap()`] hold.

use rand_core::CryptoRng;

use crate::kem::KemError;
use crate::kem::{MLKEM_CIPHERTEXT_LEN, MlKemSecret, mlkem_encapsulate};
use crate::key::{HopPublicKey, HopSecretKey};
use crate::schedule::{HopKeys, hop_keys};
use crate::suite::{SharedSecret, Suite};

/// Keys that a hop derives from one encapsulation.
pub struct Keys(HopKeys);

impl Keys {
    /// Runs the key schedule of a hop.
    #[must_use]
    pub fn derive<S: Suite>(
        shared: &SharedSecret,
        layer: usize,
        public: &HopPublicKey<S>,
        ciphertext: &[u8],
    ) -> Self {
        Self(hop_keys(shared, layer, public, ciphertext))
    }

    /// Seals a header layer, of which the last 16 bytes become the tag.
    pub fn seal_header(&self, layer: &mut [u8]) {
        self.0.header.seal(layer);
    }

    /// Opens a header layer in place; `false` if its tag does not verify.
    #[must_use]
    pub fn open_header(&self, layer: &mut [u8]) -> bool {
        self.0.header.open(layer)
    }

    /// Takes one layer off the payload.
    pub fn decrypt_payload(&self, payload: &mut [u8]) {
        self.0.payload.cipher().decrypt(payload);
    }
}

/// Decapsulates with a hop's key.
///
/// # Errors
/// The same as of [`Suite::decapsulate`].
pub fn decapsulate<S: Suite>(
    key: &HopSecretKey<S>,
    ciphertext: &[u8],
) -> Result<SharedSecret, KemError> {
    S::decapsulate(key.secret(), ciphertext)
}

/// A key pair of ML-KEM-768 alone, without X25519.
pub struct MlKem {
    secret: MlKemSecret,
    public: Vec<u8>,
}

impl MlKem {
    /// Bytes of an ML-KEM-768 ciphertext.
    pub const CIPHERTEXT_LEN: usize = MLKEM_CIPHERTEXT_LEN;

    /// Makes the key pair of this seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 64]) -> Self {
        let (secret, public) = MlKemSecret::from_seed(seed);
        Self { secret, public: public.to_vec() }
    }

    /// Writes an encapsulation and its secret.
    ///
    /// # Errors
    /// There are none with a key of [`Self::from_seed`].
    pub fn encapsulate(
        &self,
        ciphertext: &mut [u8],
        shared: &mut [u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), KemError> {
        mlkem_encapsulate(&self.public, ciphertext, shared, rng)
    }

    /// Writes the secret of an encapsulation.
    ///
    /// # Errors
    /// The ciphertext has another length.
    pub fn decapsulate(&self, ciphertext: &[u8], shared: &mut [u8]) -> Result<(), KemError> {
        self.secret.decapsulate(ciphertext, shared)
    }
}
