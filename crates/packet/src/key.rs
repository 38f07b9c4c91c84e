//! Packet keys of a hop: made in memory per epoch, known by their generation.

use std::marker::PhantomData;

use rand_core::CryptoRng;

use crate::context::KeyContext;
use crate::identifier::Generation;
use crate::suite::Suite;

/// A hop's secret packet key. The key lives in memory only and is wiped when dropped.
pub struct HopSecretKey<S: Suite> {
    secret: S::Secret,
    public: HopPublicKey<S>,
}

impl<S: Suite> HopSecretKey<S> {
    /// Makes the key of `generation`.
    #[must_use]
    pub fn generate(generation: Generation, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let (secret, public) = S::keypair(rng);
        Self { secret, public: HopPublicKey::new(generation, public.into()) }
    }

    /// The public half of the key.
    #[must_use]
    pub const fn public(&self) -> &HopPublicKey<S> {
        &self.public
    }

    /// Generation of the key.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.public.generation
    }

    pub(crate) const fn secret(&self) -> &S::Secret {
        &self.secret
    }
}

/// A hop's public packet key with its generation, as a descriptor announces it.
#[derive(Clone)]
pub struct HopPublicKey<S: Suite> {
    generation: Generation,
    bytes: Box<[u8]>,
    context: KeyContext,
    suite: PhantomData<S>,
}

impl<S: Suite> HopPublicKey<S> {
    fn new(generation: Generation, bytes: Box<[u8]>) -> Self {
        let context = KeyContext::new::<S>(generation, &bytes);
        Self { generation, bytes, context, suite: PhantomData }
    }

    /// Reads the key from a descriptor.
    ///
    /// # Errors
    /// The bytes are no public key of the suite.
    pub fn from_bytes(generation: Generation, bytes: &[u8]) -> Result<Self, KeyError> {
        if !S::public_is_valid(bytes) {
            return Err(KeyError { suite: S::NAME });
        }
        Ok(Self::new(generation, bytes.into()))
    }

    /// The key's `S::PUBLIC_KEY_LEN` bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Generation of the key.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) const fn context(&self) -> &KeyContext {
        &self.context
    }
}

/// Failure to read a public key: the bytes are none of the suite.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a public key of the suite {suite}")]
pub struct KeyError {
    suite: &'static str,
}
