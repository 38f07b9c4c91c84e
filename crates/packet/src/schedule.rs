//! Key schedule of a hop (`docs/packet-format.md` §4).
//!
//! ```text
//! context = SHA-256(label ‖ suite ‖ generation ‖ public key ‖ layer ‖ ciphertext)
//! k_header ‖ k_payload ‖ replay tag
//!         = HKDF-SHA256(ikm = ss_x25519 ‖ ss_mlkem, info = label ‖ context)
//! ```
//!
//! HKDF is RFC 5869. Both secrets enter side by side and every public value is bound, the shape of
//! CatKDF (ETSI TS 103 744) that BSI TR-02102-1 asks for. A raw shared secret is never a key.

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::aead;
use crate::context::{HOP_LABEL, KeyContext};
use crate::identifier::ReplayTag;
use crate::key::HopPublicKey;
use crate::payload::PayloadKey;
use crate::suite::{SharedSecret, Suite};

/// Keys and replay tag that a hop derives from one encapsulation.
pub(crate) struct HopKeys {
    pub(crate) header: HeaderKey,
    pub(crate) payload: PayloadKey,
    pub(crate) tag: ReplayTag,
}

/// Key of a header layer's AEAD; used for one message, so its nonce is zero.
pub(crate) struct HeaderKey(Zeroizing<[u8; 32]>);

impl HeaderKey {
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals a layer, of which the last 16 bytes become the tag.
    pub(crate) fn seal(&self, layer: &mut [u8]) {
        aead::seal(&self.0, layer);
    }

    /// Opens a layer in place; the last 16 bytes stay the tag.
    #[must_use]
    pub(crate) fn open(&self, layer: &mut [u8]) -> bool {
        aead::open(&self.0, layer)
    }
}

/// Derives the keys of the hop in `layer` (0 to 3) that holds `public`.
pub(crate) fn hop_keys<S: Suite>(
    shared: &SharedSecret,
    layer: usize,
    public: &HopPublicKey<S>,
    ciphertext: &[u8],
) -> HopKeys {
    let layer = u8::try_from(layer).expect("a path has four layers");
    let KeyContext(hash) = public.context().clone();
    let context = hash.chain_update([layer]).chain_update(ciphertext).finalize();
    let mut output = Zeroizing::new([0; 80]);
    Hkdf::<Sha256>::new(None, shared.expose())
        .expand_multi_info(&[HOP_LABEL, &context], output.as_mut())
        .expect("80 bytes are fewer than the 8160 that HKDF-SHA256 gives");
    let part = |from: usize| {
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&output[from..from + 32]);
        key
    };
    HopKeys {
        header: HeaderKey(part(0)),
        payload: PayloadKey::new(part(32)),
        tag: ReplayTag::new(output[64..].try_into().expect("80 less 64 is 16")),
    }
}
