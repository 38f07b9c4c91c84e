//! Sealed envelopes: end-to-end secrecy with a hidden sender (`docs/packet-format.md` §9).
//!
//! ```text
//! envelope = c ‖ AEAD(k_outer; sender ‖ AEAD(k_inner; fragment) ‖ tag) ‖ tag
//! k_outer ‖ chain = HKDF-SHA256(ss_x25519 ‖ ss_mlkem, label ‖ H(network ‖ c ‖ prekey))
//! k_inner         = HKDF-SHA256(chain ‖ X25519(sender, prekey),
//!                               label ‖ H(sender ‖ recipient ‖ network ‖ c ‖ prekey))
//! ```
//!
//! An envelope is hybrid in both suites. Nothing but ciphertext stands outside: no label, key id or
//! counter is in clear. The outer seal bears the sender's identity key itself, so that a recipient who
//! does not know it can tell who it is that writes. The recipient could have made every envelope it can open, so none proves
//! anything to others.

mod fragment;
mod identity;
mod mark;
mod prekey;

use std::marker::PhantomData;

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use fragment::{
    Fragment, FragmentError, FragmentPosition, Kind, MessageId, REPEATED, Standing,
};
pub use identity::{IdentityPublic, IdentitySecret, KeyId};
pub use mark::{EnvelopeMark, MARK_LEN};
pub use prekey::{PREKEY_PUBLIC_LEN, PREKEY_SEED_LEN, PrekeyId, PrekeyPublic, PrekeySecret};

use crate::aead;
use crate::identifier::bytes_newtype;
use crate::kem::KemError;
use crate::size::TAG_LEN;
use crate::suite::{Hybrid, SharedSecret, Suite};

bytes_newtype! {
    /// Identifier of a network: the hash of its name and its agencies' keys.
    #[derive(Debug)]
    pub struct NetworkId([u8; 32]);
}

/// Bytes of text in one envelope of suite `S`.
#[must_use]
pub const fn fragment_body_len<S: Suite>() -> usize {
    fragment_len::<S>() - fragment::HEADER_LEN
}

const fn fragment_len<S: Suite>() -> usize {
    S::ENVELOPE_LEN - Hybrid::CIPHERTEXT_LEN - SENDER_LEN - 2 * TAG_LEN
}

/// A sealed envelope of `S::ENVELOPE_LEN` bytes; uniformly random to all but its recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope<S> {
    bytes: Box<[u8]>,
    suite: PhantomData<S>,
}

impl<S: Suite> Envelope<S> {
    /// Reads an envelope from an instruction or an answer.
    ///
    /// # Errors
    /// The length is not the suite's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpenError> {
        if bytes.len() != S::ENVELOPE_LEN {
            return Err(OpenError::Length);
        }
        Ok(Self { bytes: bytes.into(), suite: PhantomData })
    }

    /// The envelope's bytes as they stand in an instruction.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Opens the outer seal with the first of `prekeys` that fits.
    ///
    /// # Errors
    /// No prekey fits: the envelope is meant for somebody else, or damaged.
    pub fn open<'a>(
        &'a self,
        prekeys: &[&'a PrekeySecret],
        network: &NetworkId,
    ) -> Result<OuterOpened<'a>, OpenError> {
        let mut opened = prekeys.iter().filter_map(|prekey| self.open_with(prekey, network).ok());
        opened.next().ok_or(OpenError::Recipient)
    }

    fn open_with<'a>(
        &'a self,
        prekey: &'a PrekeySecret,
        network: &NetworkId,
    ) -> Result<OuterOpened<'a>, OpenError> {
        let (ciphertext, sealed) = self.bytes.split_at(Hybrid::CIPHERTEXT_LEN);
        let shared = Hybrid::decapsulate(prekey.hybrid(), ciphertext)?;
        let outer = outer_keys(&shared, network, ciphertext, prekey.public());
        let mut inner = Zeroizing::new(sealed.to_vec());
        if !aead::open(&outer.aead, &mut inner) {
            return Err(OpenError::Recipient);
        }
        let sender = *inner.first_chunk().expect("an envelope is longer than an identity");
        Ok(OuterOpened {
            sender: IdentityPublic::from_bytes(sender),
            inner,
            chain: outer.chain,
            prekey,
            ciphertext,
            network: *network,
        })
    }
}

/// An envelope whose sender is named but not yet authenticated.
pub struct OuterOpened<'a> {
    sender: IdentityPublic,
    inner: Zeroizing<Vec<u8>>,
    chain: Zeroizing<[u8; 32]>,
    prekey: &'a PrekeySecret,
    ciphertext: &'a [u8],
    network: NetworkId,
}

impl OuterOpened<'_> {
    /// The claimed sender, not authenticated yet: [`OuterOpened::fragment`] tells whether the envelope
    /// is of that identity.
    #[must_use]
    pub const fn sender(&self) -> &IdentityPublic {
        &self.sender
    }

    /// The mark by which the recipient knows this envelope again.
    #[must_use]
    pub fn mark(&self) -> EnvelopeMark {
        EnvelopeMark::derive(self.prekey.public().id(), &self.chain)
    }

    /// Opens the inner seal: proof, to the recipient alone, that `sender` made the envelope.
    ///
    /// # Errors
    /// The envelope is not from this sender, or is malformed inside.
    pub fn fragment(
        mut self,
        recipient: &IdentityPublic,
        sender: &IdentityPublic,
    ) -> Result<Fragment, OpenError> {
        let mut agreed = Zeroizing::new([0; 32]);
        self.prekey.hybrid().x25519().agree(sender.as_bytes(), agreed.as_mut())?;
        let parties = Parties {
            sender: sender.key_id(),
            recipient: recipient.key_id(),
            network: &self.network,
            ciphertext: self.ciphertext,
            prekey: self.prekey.public(),
        };
        let key = inner_key(&self.chain, &agreed, &parties);
        let inner = &mut self.inner[SENDER_LEN..];
        let end = inner.len() - TAG_LEN;
        if !aead::open(&key, &mut inner[..end]) {
            return Err(OpenError::Sender);
        }
        Ok(Fragment::decode(&inner[..end - TAG_LEN])?)
    }
}

/// Seals the fragment `fragment` from `sender` to the holder of `recipient` and `prekey`.
///
/// # Errors
/// The fragment does not fit one envelope, or a key is unusable.
pub fn seal<S: Suite>(
    sender: &IdentitySecret,
    recipient: &IdentityPublic,
    prekey: &PrekeyPublic,
    network: &NetworkId,
    fragment: &Fragment,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Envelope<S>, SealError> {
    let mut bytes = Zeroizing::new(vec![0; S::ENVELOPE_LEN]);
    let (ciphertext, sealed) = bytes.split_at_mut(Hybrid::CIPHERTEXT_LEN);
    let shared = Hybrid::encapsulate(prekey.as_bytes(), ciphertext, rng)?;
    let outer = outer_keys(&shared, network, ciphertext, prekey);
    let mut agreed = Zeroizing::new([0; 32]);
    sender.agree(prekey.x25519(), agreed.as_mut())?;
    let parties = Parties {
        sender: sender.public().key_id(),
        recipient: recipient.key_id(),
        network,
        ciphertext,
        prekey,
    };
    let key = inner_key(&outer.chain, &agreed, &parties);
    sealed[..SENDER_LEN].copy_from_slice(sender.public().as_bytes());
    let end = sealed.len() - TAG_LEN;
    let inner = &mut sealed[SENDER_LEN..end];
    let fragment_end = inner.len() - TAG_LEN;
    fragment.encode(&mut inner[..fragment_end])?;
    aead::seal(&key, inner);
    aead::seal(&outer.aead, sealed);
    Ok(Envelope { bytes: bytes.as_slice().into(), suite: PhantomData })
}

struct OuterKeys {
    aead: Zeroizing<[u8; 32]>,
    chain: Zeroizing<[u8; 32]>,
}

fn outer_keys(
    shared: &SharedSecret,
    network: &NetworkId,
    ciphertext: &[u8],
    prekey: &PrekeyPublic,
) -> OuterKeys {
    let context = Sha256::new()
        .chain_update(network.as_bytes())
        .chain_update(ciphertext)
        .chain_update(prekey.as_bytes())
        .finalize();
    let hkdf = Hkdf::<Sha256>::new(None, shared.expose());
    let mut output = Zeroizing::new([0; 64]);
    hkdf.expand_multi_info(&[OUTER_LABEL, &context], output.as_mut())
        .expect("64 bytes are fewer than the 8160 that HKDF-SHA256 gives");
    let mut keys = OuterKeys { aead: Zeroizing::new([0; 32]), chain: Zeroizing::new([0; 32]) };
    keys.aead.copy_from_slice(&output[..32]);
    keys.chain.copy_from_slice(&output[32..]);
    keys
}

/// Public values that the inner key is bound to.
struct Parties<'a> {
    sender: KeyId,
    recipient: KeyId,
    network: &'a NetworkId,
    ciphertext: &'a [u8],
    prekey: &'a PrekeyPublic,
}

fn inner_key(chain: &[u8; 32], agreed: &[u8; 32], parties: &Parties<'_>) -> Zeroizing<[u8; 32]> {
    let context = Sha256::new()
        .chain_update(parties.sender.as_bytes())
        .chain_update(parties.recipient.as_bytes())
        .chain_update(parties.network.as_bytes())
        .chain_update(parties.ciphertext)
        .chain_update(parties.prekey.as_bytes())
        .finalize();
    let mut secret = Zeroizing::new([0; 64]);
    secret[..32].copy_from_slice(chain);
    secret[32..].copy_from_slice(agreed);
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, secret.as_ref())
        .expand_multi_info(&[INNER_LABEL, &context], key.as_mut())
        .expect("32 bytes are fewer than the 8160 that HKDF-SHA256 gives");
    key
}

/// Reason why an envelope could not be sealed; always a fault of the sender.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The fragment does not fit one envelope.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// The recipient's prekey is unusable.
    #[error("the recipient's prekey is unusable")]
    Prekey(#[from] KemError),
}

/// Reason why an envelope could not be opened; always the fault of whoever sent it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The envelope does not have the suite's length.
    #[error("not the length of an envelope")]
    Length,
    /// No prekey of the recipient fits.
    #[error("sealed for somebody else, or damaged")]
    Recipient,
    /// A key agreement or decapsulation failed.
    #[error("an agreement failed")]
    Agreement(#[from] KemError),
    /// The inner seal is not the named sender's.
    #[error("not from the sender that it names")]
    Sender,
    /// The fragment is malformed.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
}

const SENDER_LEN: usize = 32;
const OUTER_LABEL: &[u8] = b"rohrpost envelope outer v1";
const INNER_LABEL: &[u8] = b"rohrpost envelope inner v1";

const _: () = {
    assert!(fragment_body_len::<Hybrid>() >= 6_100);
    assert!(fragment_body_len::<crate::Classic>() >= 838);
};

#[cfg(test)]
mod tests;
