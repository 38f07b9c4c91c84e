//! Long-term identity of a person or program: one X25519 key.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::identifier::bytes_newtype;
use crate::kem::KemError;
use crate::kem::{X25519_LEN, X25519Secret};

/// Secret identity key; wiped when dropped.
pub struct IdentitySecret {
    secret: X25519Secret,
    seed: Zeroizing<[u8; 32]>,
    public: IdentityPublic,
}

impl IdentitySecret {
    /// Makes a fresh random identity.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(&seed)
    }

    /// Restores the identity from the 32 bytes that the client's encrypted vault stores.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (secret, public) = X25519Secret::from_seed(seed);
        Self { secret, seed: Zeroizing::new(*seed), public: IdentityPublic(public) }
    }

    /// The secret as 32 bytes, for the client's encrypted vault.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        self.seed.clone()
    }

    /// The public half of the identity.
    #[must_use]
    pub const fn public(&self) -> &IdentityPublic {
        &self.public
    }

    pub(super) fn agree(
        &self,
        public: &[u8; X25519_LEN],
        shared: &mut [u8],
    ) -> Result<(), KemError> {
        self.secret.agree(public, shared)
    }
}

/// Public identity key, as a contact card carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityPublic([u8; X25519_LEN]);

impl IdentityPublic {
    /// Reads the key from a contact card.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; X25519_LEN]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, for a contact card.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; X25519_LEN] {
        &self.0
    }

    /// The short name of this identity inside envelopes.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId(blake3::derive_key(KEY_ID_CONTEXT, &self.0))
    }
}

bytes_newtype! {
    /// Hash of an identity key, by which a recipient finds the sender among its contacts.
    pub struct KeyId([u8; 32]);
}

/// Prints nothing of the hash: a key id relates a person to whatever is printed beside it.
impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyId(..)")
    }
}

const KEY_ID_CONTEXT: &str = "rohrpost key id v1";
