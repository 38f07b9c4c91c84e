//! An envelope sealed by the specification (`docs/packet-format.md` §9) around any bytes of
//! fragment: the packet crate can only write valid ones.

use std::sync::LazyLock;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hkdf::Hkdf;
use libcrux_ml_kem::mlkem768;
use rohrpost_packet::envelope::{Envelope, IdentitySecret, NetworkId, PrekeySecret};
use rohrpost_packet::{Hybrid, Suite, TAG_LEN};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::network::ROSTER;
use crate::rng;

/// The network of envelopes that no roster stands behind.
pub const NETWORK: NetworkId = NetworkId::new([8; 32]);

/// Keys of the two parties, and the prekey between them.
pub struct Parties {
    /// Identity of the sender, alice.
    pub alice: IdentitySecret,
    /// Identity of the recipient, bob.
    pub bob: IdentitySecret,
    /// Prekey of the recipient, bob.
    pub prekey: PrekeySecret,
}

/// The parties of all envelopes.
pub static PARTIES: LazyLock<Parties> = LazyLock::new(|| Parties {
    alice: IdentitySecret::generate(&mut rng(30)),
    bob: IdentitySecret::generate(&mut rng(31)),
    prekey: PrekeySecret::generate(&mut rng(32)),
});

struct Seals {
    ciphertext: Vec<u8>,
    outer: [u8; 32],
    inner: [u8; 32],
}

/// Letters that can be sealed in the roster's network and that a client takes for different ones: it
/// knows one that it has opened by its encapsulation.
pub const LETTERS: usize = 96;

/// Seals in [`NETWORK`]: one encapsulation serves all inputs.
static SEALS: LazyLock<Seals> = LazyLock::new(|| seals(&NETWORK, 0));
static ROSTER_SEALS: LazyLock<Vec<Seals>> = LazyLock::new(|| {
    (0_u8..).take(LETTERS).map(|letter| seals(&ROSTER.network_id, letter)).collect()
});

fn seals(network: &NetworkId, letter: u8) -> Seals {
    let (x25519, mlkem) = PARTIES.prekey.public().as_bytes().split_at(32);
    let x25519: [u8; 32] = x25519.try_into().expect("split at 32");
    let ephemeral = StaticSecret::from([33 + letter; 32]);
    let agreed = ephemeral.diffie_hellman(&PublicKey::from(x25519));
    let mlkem: [u8; 1184] = mlkem.try_into().expect("a prekey ends with an ML-KEM key");
    let (encapsulated, secret) = mlkem768::encapsulate(&mlkem.into(), [34 + letter; 32]);
    let ciphertext =
        [PublicKey::from(&ephemeral).as_bytes(), &encapsulated.as_slice()[..]].concat();
    let shared = [&agreed.as_bytes()[..], &secret[..]].concat();
    let prekey = PARTIES.prekey.public().as_bytes();
    let context = hash(&[network.as_bytes(), &ciphertext, prekey]);
    let outer: [u8; 64] = expand(&shared, &[b"rohrpost envelope outer v1", &context]);
    let identity = StaticSecret::from(*PARTIES.alice.to_seed());
    let agreed = identity.diffie_hellman(&PublicKey::from(x25519));
    let (alice, bob) = (PARTIES.alice.public().key_id(), PARTIES.bob.public().key_id());
    let context =
        hash(&[alice.as_bytes(), bob.as_bytes(), network.as_bytes(), &ciphertext, prekey]);
    let chain = [&outer[32..], agreed.as_bytes()].concat();
    let inner = expand(&chain, &[b"rohrpost envelope inner v1", &context]);
    Seals { ciphertext, outer: *outer.first_chunk().expect("64 bytes hold 32"), inner }
}

/// Bytes of a fragment in one envelope.
#[must_use]
pub const fn fragment_len<S: Suite>() -> usize {
    S::ENVELOPE_LEN - Hybrid::CIPHERTEXT_LEN - 32 - 2 * TAG_LEN
}

/// Seals an envelope that opens and holds `fragment`, filled up with zeros, in [`NETWORK`].
#[must_use]
pub fn seal<S: Suite>(fragment: &[u8]) -> Envelope<S> {
    seal_with(&SEALS, fragment)
}

/// Seals an envelope that opens and holds `fragment`, in the network of the roster: that of a letter
/// below [`LETTERS`].
///
/// # Panics
/// There is no such letter.
#[must_use]
pub fn seal_in_roster<S: Suite>(letter: usize, fragment: &[u8]) -> Envelope<S> {
    seal_with(&ROSTER_SEALS[letter], fragment)
}

fn seal_with<S: Suite>(seals: &Seals, fragment: &[u8]) -> Envelope<S> {
    let mut bytes = seals.ciphertext.clone();
    let mut sealed = PARTIES.alice.public().as_bytes().to_vec();
    let mut inner = crate::sized(fragment, fragment_len::<S>());
    append_tag(&seals.inner, &mut inner);
    sealed.append(&mut inner);
    append_tag(&seals.outer, &mut sealed);
    bytes.append(&mut sealed);
    Envelope::from_bytes(&bytes).expect("ciphertext, sender, fragment and tags make an envelope")
}

fn append_tag(key: &[u8; 32], bytes: &mut Vec<u8>) {
    let tag = ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&Nonce::default(), &[], bytes.as_mut_slice().into())
        .expect("an envelope is short");
    bytes.extend_from_slice(&tag);
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

fn expand<const N: usize>(secret: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut output = [0; N];
    Hkdf::<Sha256>::new(None, secret)
        .expand_multi_info(info, &mut output)
        .expect("at most 64 bytes are fewer than HKDF gives");
    output
}
