//! Suites of the packet: which key encapsulation each hop uses, and all sizes that follow.

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::kem::{
    KemError, MLKEM_CIPHERTEXT_LEN, MLKEM_PUBLIC_LEN, MLKEM_SEED_LEN, MlKemSecret, X25519_LEN,
    X25519Secret, mlkem_encapsulate, mlkem_public_is_valid, x25519_encapsulate,
    x25519_public_is_valid,
};
use crate::reveal::{Secret, reveal};
use crate::size::{HOPS, PREFIX_LEN, ROUTE_LEN, STORE_HEADER_LEN, TAG_LEN};

/// Number of a suite in key schedules, rosters and descriptors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SuiteId(u8);

impl SuiteId {
    /// Makes the number; 1 is hybrid, 2 is classic, 255 is reserved for tests.
    #[must_use]
    pub const fn new(id: u8) -> Self {
        Self(id)
    }

    /// The number as it stands on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A key encapsulation and the sizes of a network that uses it.
///
/// A network has one suite, named in its roster; it is a type parameter, so nothing on the way of a
/// packet branches on it.
pub trait Suite: Copy + Send + Sync + 'static {
    /// Number of the suite in the key schedule.
    const ID: SuiteId;
    /// Name of the suite in the roster.
    const NAME: &'static str;
    /// Bytes of one encapsulation (`c` per hop).
    const CIPHERTEXT_LEN: usize;
    /// Bytes of a hop's public key.
    const PUBLIC_KEY_LEN: usize;
    /// Bytes of a packet on every link.
    const PACKET_LEN: usize;

    /// Bytes of one layer of the header.
    const LAYER_LEN: usize = Self::CIPHERTEXT_LEN + ROUTE_LEN + TAG_LEN;
    /// Bytes of the whole header of four layers.
    const HEADER_LEN: usize = HOPS * Self::LAYER_LEN;
    /// Bytes of the payload: the packet less its header.
    const PAYLOAD_LEN: usize = Self::PACKET_LEN - Self::HEADER_LEN;
    /// Bytes of a body: the payload less its zero prefix.
    const BODY_LEN: usize = Self::PAYLOAD_LEN - PREFIX_LEN;
    /// Bytes of a sealed envelope: the body less the head of a store instruction.
    const ENVELOPE_LEN: usize = Self::BODY_LEN - STORE_HEADER_LEN;

    /// Secret key of a hop; wiped when dropped.
    type Secret: Send + Sync;

    /// Makes a key pair from `rng`.
    fn keypair(rng: &mut (impl CryptoRng + ?Sized)) -> (Self::Secret, Vec<u8>);

    /// Checks that these bytes are a public key of this suite.
    fn public_is_valid(public: &[u8]) -> bool;

    /// Writes an encapsulation to `ciphertext` (of `CIPHERTEXT_LEN` bytes), returns its secret.
    ///
    /// # Errors
    /// The public key is malformed or of small order.
    fn encapsulate(
        public: &[u8],
        ciphertext: &mut [u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SharedSecret, KemError>;

    /// Recovers the secret of an encapsulation.
    ///
    /// # Errors
    /// The encapsulation holds a point of small order. (ML-KEM rejects implicitly: a wrong
    /// ciphertext gives another secret, and the header's tag fails.)
    fn decapsulate(secret: &Self::Secret, ciphertext: &[u8]) -> Result<SharedSecret, KemError>;
}

/// Secret that an encapsulation agreed on: up to 64 bytes, wiped when dropped. It is never a key
/// itself.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret {
    bytes: [u8; 64],
    len: usize,
}

impl SharedSecret {
    /// Makes a secret of `len` bytes that `fill` writes.
    ///
    /// # Errors
    /// The error that `fill` returns.
    pub fn fill<E>(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self { bytes: [0; 64], len: len.min(64) };
        fill(&mut secret.bytes[..len.min(64)])?;
        Ok(secret)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// X25519 and ML-KEM-768 together: secret while either holds. This suite is the default.
#[derive(Clone, Copy)]
pub struct Hybrid;

/// Secret key of a hybrid hop.
pub struct HybridSecret {
    x25519: X25519Secret,
    mlkem: MlKemSecret,
}

impl HybridSecret {
    pub(crate) fn from_seed(seed: &[u8; HYBRID_SEED_LEN]) -> (Self, Vec<u8>) {
        let (first, second) = seed.split_at(32);
        let (x25519, x25519_public) = X25519Secret::from_seed(
            first.try_into().expect("the first half of the split has 32 bytes"),
        );
        let (mlkem, mlkem_public) = MlKemSecret::from_seed(
            second.try_into().expect("the second half of the split has 64 bytes"),
        );
        (Self { x25519, mlkem }, [&x25519_public[..], &mlkem_public[..]].concat())
    }

    pub(crate) fn x25519(&self) -> &X25519Secret {
        &self.x25519
    }
}

impl Suite for Hybrid {
    const ID: SuiteId = SuiteId::new(1);
    const NAME: &'static str = "hybrid";
    const CIPHERTEXT_LEN: usize = X25519_LEN + MLKEM_CIPHERTEXT_LEN;
    const PUBLIC_KEY_LEN: usize = X25519_LEN + MLKEM_PUBLIC_LEN;
    const PACKET_LEN: usize = 12_288;

    type Secret = HybridSecret;

    fn keypair(rng: &mut (impl CryptoRng + ?Sized)) -> (Self::Secret, Vec<u8>) {
        let mut seed = Zeroizing::new([0; HYBRID_SEED_LEN]);
        rng.fill_bytes(seed.as_mut());
        reveal(Secret::Scalar, &seed[..32]);
        reveal(Secret::Seed, &seed[32..]);
        HybridSecret::from_seed(&seed)
    }

    fn public_is_valid(public: &[u8]) -> bool {
        public.split_at_checked(X25519_LEN).is_some_and(|(x_public, k_public)| {
            x25519_public_is_valid(x_public) && mlkem_public_is_valid(k_public)
        })
    }

    fn encapsulate(
        public: &[u8],
        ciphertext: &mut [u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SharedSecret, KemError> {
        if public.len() != Self::PUBLIC_KEY_LEN || ciphertext.len() != Self::CIPHERTEXT_LEN {
            return Err(KemError::Length);
        }
        let (x_public, k_public) = public.split_at(X25519_LEN);
        let (x_ciphertext, k_ciphertext) = ciphertext.split_at_mut(X25519_LEN);
        SharedSecret::fill(64, |shared| {
            let (x_shared, k_shared) = shared.split_at_mut(32);
            x25519_encapsulate(x_public, x_ciphertext, x_shared, rng)?;
            mlkem_encapsulate(k_public, k_ciphertext, k_shared, rng)
        })
    }

    fn decapsulate(secret: &Self::Secret, ciphertext: &[u8]) -> Result<SharedSecret, KemError> {
        if ciphertext.len() != Self::CIPHERTEXT_LEN {
            return Err(KemError::Length);
        }
        let (x_ciphertext, k_ciphertext) = ciphertext.split_at(X25519_LEN);
        SharedSecret::fill(64, |shared| {
            let (x_shared, k_shared) = shared.split_at_mut(32);
            secret.x25519.agree(x_ciphertext, x_shared)?;
            secret.mlkem.decapsulate(k_ciphertext, k_shared)
        })
    }
}

/// X25519 alone: small packets for constrained links, and the yardstick against other packets.
#[derive(Clone, Copy)]
pub struct Classic;

/// Secret key of a classic hop.
pub struct ClassicSecret(X25519Secret);

impl Suite for Classic {
    const ID: SuiteId = SuiteId::new(2);
    const NAME: &'static str = "classic";
    const CIPHERTEXT_LEN: usize = X25519_LEN;
    const PUBLIC_KEY_LEN: usize = X25519_LEN;
    const PACKET_LEN: usize = 2_560;

    type Secret = ClassicSecret;

    fn keypair(rng: &mut (impl CryptoRng + ?Sized)) -> (Self::Secret, Vec<u8>) {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        reveal(Secret::Scalar, seed.as_ref());
        let (secret, public) = X25519Secret::from_seed(&seed);
        (ClassicSecret(secret), public.to_vec())
    }

    fn public_is_valid(public: &[u8]) -> bool {
        x25519_public_is_valid(public)
    }

    fn encapsulate(
        public: &[u8],
        ciphertext: &mut [u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SharedSecret, KemError> {
        if ciphertext.len() != Self::CIPHERTEXT_LEN {
            return Err(KemError::Length);
        }
        SharedSecret::fill(32, |shared| x25519_encapsulate(public, ciphertext, shared, rng))
    }

    fn decapsulate(secret: &Self::Secret, ciphertext: &[u8]) -> Result<SharedSecret, KemError> {
        SharedSecret::fill(32, |shared| secret.0.agree(ciphertext, shared))
    }
}

/// Bytes that determine a hybrid key pair: an X25519 secret and an ML-KEM seed.
pub(crate) const HYBRID_SEED_LEN: usize = 32 + MLKEM_SEED_LEN;

const _: () = {
    assert!(Hybrid::CIPHERTEXT_LEN == 1_120);
    assert!(Hybrid::HEADER_LEN == 4_672);
    assert!(Hybrid::PAYLOAD_LEN == 7_616);
    assert!(Classic::CIPHERTEXT_LEN == 32);
    assert!(Classic::HEADER_LEN == 320);
    assert!(Classic::PAYLOAD_LEN == 2_240);
};
