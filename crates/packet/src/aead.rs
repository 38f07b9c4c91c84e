//! ChaCha20-Poly1305 (RFC 8439) of header layers and envelopes.
//!
//! Every key seals exactly one message, so the nonce is zero, and there is no associated data.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};

use crate::TAG_LEN;

/// Seals all but the last 16 bytes of `message`, which become the tag.
pub(crate) fn seal(key: &[u8; 32], message: &mut [u8]) {
    let (plain, tag) = message.split_at_mut(message.len() - TAG_LEN);
    let sealed = ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&Nonce::default(), &[], plain.into())
        .expect("a message is shorter than the 256 GiB of RFC 8439");
    tag.copy_from_slice(&sealed);
}

/// Opens what [`seal`] sealed. On success the last 16 bytes stay the tag; on failure all of
/// `message` is to be thrown away.
#[must_use]
pub(crate) fn open(key: &[u8; 32], message: &mut [u8]) -> bool {
    let (plain, tag) = message.split_at_mut(message.len() - TAG_LEN);
    let tag = Tag::try_from(&*tag).expect("the split leaves a tag's length");
    ChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(&Nonce::default(), &[], plain.into(), &tag)
        .is_ok()
}
