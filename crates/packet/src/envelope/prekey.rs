//! Prekeys: hybrid keys of one address version, erased by the recipient when the version is past.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::identifier::bytes_newtype;
use crate::kem::KemError;
use crate::kem::X25519_LEN;
use crate::suite::{HYBRID_SEED_LEN, HybridSecret};
use crate::suite::{Hybrid, Suite};

/// Bytes of a public prekey: X25519 32, ML-KEM-768 1184.
pub const PREKEY_PUBLIC_LEN: usize = Hybrid::PUBLIC_KEY_LEN;
/// Bytes that determine a prekey: X25519 32, ML-KEM-768 64.
pub const PREKEY_SEED_LEN: usize = HYBRID_SEED_LEN;

/// Secret prekey; wiped when dropped.
pub struct PrekeySecret {
    hybrid: HybridSecret,
    seed: Zeroizing<[u8; PREKEY_SEED_LEN]>,
    public: PrekeyPublic,
}

impl PrekeySecret {
    /// Makes a fresh random prekey.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Zeroizing::new([0; PREKEY_SEED_LEN]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(&seed)
    }

    /// Restores the prekey from the bytes that the client's encrypted vault stores.
    #[must_use]
    pub fn from_seed(seed: &[u8; PREKEY_SEED_LEN]) -> Self {
        let (hybrid, public) = HybridSecret::from_seed(seed);
        Self { hybrid, seed: Zeroizing::new(*seed), public: PrekeyPublic(public.into()) }
    }

    /// The secret as [`PREKEY_SEED_LEN`] bytes, for the client's encrypted vault.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; PREKEY_SEED_LEN]> {
        self.seed.clone()
    }

    /// The public half of the prekey.
    #[must_use]
    pub const fn public(&self) -> &PrekeyPublic {
        &self.public
    }

    pub(super) const fn hybrid(&self) -> &HybridSecret {
        &self.hybrid
    }
}

/// Public prekey of [`PREKEY_PUBLIC_LEN`] bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct PrekeyPublic(Box<[u8]>);

impl PrekeyPublic {
    /// Reads the prekey from a contact card.
    ///
    /// # Errors
    /// The bytes are no hybrid public key, or one to which nothing could be sealed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KemError> {
        if !Hybrid::public_is_valid(bytes) {
            return Err(KemError::Length);
        }
        Ok(Self(bytes.into()))
    }

    /// The prekey's bytes, for a contact card.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The short name of this prekey, by which its owner files what belongs to it.
    #[must_use]
    pub fn id(&self) -> PrekeyId {
        let hash = blake3::derive_key(PREKEY_ID_CONTEXT, &self.0);
        PrekeyId(*hash.first_chunk().expect("a hash is longer than a prekey's id"))
    }

    pub(super) fn x25519(&self) -> &[u8; X25519_LEN] {
        self.0.first_chunk().expect("a prekey begins with an X25519 key")
    }
}

bytes_newtype! {
    /// Hash of a public prekey: the first 16 bytes.
    pub struct PrekeyId([u8; 16]);
}

const PREKEY_ID_CONTEXT: &str = "rohrpost prekey id v1";
