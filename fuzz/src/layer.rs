//! A classic header layer sealed by the specification (`docs/packet-format.md` §3 and §4), around
//! any 32 bytes of route: the packet crate can only write valid ones.

use std::sync::LazyLock;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hkdf::Hkdf;
use rohrpost_packet::{Classic, HOPS, HopSecretKey, Packet, ROUTE_LEN, Suite, TAG_LEN};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::path;

/// Keys of the hops that the packets are for.
pub static HOP_KEYS: LazyLock<[HopSecretKey<Classic>; HOPS]> = LazyLock::new(path::keys);

struct Layer {
    ciphertext: [u8; 32],
    key: [u8; 32],
}

static LAYERS: LazyLock<[Layer; HOPS]> = LazyLock::new(|| std::array::from_fn(layer_keys));

/// Seals of each layer: one encapsulation serves all inputs, for the hop under test has no memory
/// here.
fn layer_keys(layer: usize) -> Layer {
    let public = HOP_KEYS[layer].public();
    let secret = StaticSecret::from([40 + u8::try_from(layer).expect("four layers"); 32]);
    let ciphertext = PublicKey::from(&secret).to_bytes();
    let point: [u8; 32] = public.as_bytes().try_into().expect("a classic key has 32 bytes");
    let shared = secret.diffie_hellman(&PublicKey::from(point));
    let context = Sha256::new()
        .chain_update(b"rohrpost hop v1")
        .chain_update([Classic::ID.get()])
        .chain_update(public.generation().get().to_be_bytes())
        .chain_update(public.as_bytes())
        .chain_update([u8::try_from(layer).expect("four layers")])
        .chain_update(ciphertext)
        .finalize();
    let mut output = [0; 80];
    Hkdf::<Sha256>::new(None, shared.as_bytes())
        .expand_multi_info(&[b"rohrpost hop v1", &context], &mut output)
        .expect("80 bytes are fewer than HKDF gives");
    let key = *output.first_chunk().expect("80 bytes hold 32");
    Layer { ciphertext, key }
}

/// A packet whose header opens at `layer` and holds `route`, then zeros; `payload` follows.
#[must_use]
pub fn packet(layer: usize, route: &[u8; ROUTE_LEN], payload: &[u8]) -> Packet<Classic> {
    let Layer { ciphertext, key } = &LAYERS[layer];
    let mut bytes = vec![0; Classic::HEADER_LEN];
    let header = &mut bytes[..(HOPS - layer) * Classic::LAYER_LEN];
    header[..ciphertext.len()].copy_from_slice(ciphertext);
    let sealed = &mut header[ciphertext.len()..];
    sealed[..ROUTE_LEN].copy_from_slice(route);
    let (plain, tag) = sealed.split_at_mut(sealed.len() - TAG_LEN);
    let seal = ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&Nonce::default(), &[], plain.into())
        .expect("a header is short");
    tag.copy_from_slice(&seal);
    bytes.extend_from_slice(&crate::sized(payload, Classic::PAYLOAD_LEN));
    Packet::from_bytes(&bytes).expect("header and payload make a packet")
}
