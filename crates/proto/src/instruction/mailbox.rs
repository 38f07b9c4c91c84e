//! Names and keys of mailboxes, and names of the envelopes in them.

use blake3::Hasher;
use rand_core::CryptoRng;
use rohrpost_packet::Suite;
use rohrpost_packet::envelope::Envelope;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::directory::signing::{IdentityKey, SigningKey};

/// A mailbox's secret key, made for this mailbox alone; wiped when dropped.
pub struct MailboxKey(pub(super) SigningKey);

impl MailboxKey {
    /// Makes a fresh random mailbox key.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(SigningKey::generate(rng))
    }

    /// Restores the mailbox key from the bytes that the client's encrypted vault stores.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_seed(seed))
    }

    /// The secret as 32 bytes, for the client's encrypted vault.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        self.0.to_seed()
    }

    /// Name of the mailbox that belongs to this key.
    #[must_use]
    pub fn id(&self) -> MailboxId {
        MailboxId::of(&self.0.public())
    }
}

/// Name of a mailbox: the hash of its public key. It is a pseudonym; there is no `Debug`, so that
/// it is never in a log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId(pub(super) [u8; 32]);

impl MailboxId {
    /// Reads the name from a contact card or the wire.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The name's bytes, for a contact card or the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn of(key: &IdentityKey) -> Self {
        Self(blake3::derive_key("rohrpost mailbox id v1", key.as_bytes()))
    }
}

/// Permission to store into a mailbox; the same for all its contacts and for its owner's loops.
#[derive(Clone)]
pub struct WriteKey(Zeroizing<[u8; 32]>);

impl WriteKey {
    /// Makes a fresh random write key.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        Self(bytes)
    }

    /// Reads the key from a contact card or the wire.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key's bytes, for a contact card or the wire.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares two keys in constant time.
    #[must_use]
    pub fn fits(&self, other: &Self) -> bool {
        self.0.ct_eq(other.expose()).into()
    }
}

/// Name of an envelope between its relay and its owner: the first 16 bytes of the envelope's hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnvelopeId(pub(super) [u8; 16]);

impl EnvelopeId {
    /// Derives the name of this envelope.
    #[must_use]
    pub fn of<S: Suite>(envelope: &Envelope<S>) -> Self {
        let mut id = [0; 16];
        Hasher::new().update(envelope.as_bytes()).finalize_xof().fill(&mut id);
        Self(id)
    }
}
