//! Marks of opened envelopes, by which a recipient knows again what it has opened.

use super::prekey::PrekeyId;

/// Mark of an envelope: `BLAKE3 derive_key(label, chain)`, of which the first eight bytes count,
/// where `chain` is the secret that the envelope shares between sender and recipient.
///
/// Whoever changes a byte of an envelope makes one that does not open, so that no relay can serve
/// one letter under two marks. To anybody without the prekey a mark is random: where marks are left
/// behind and their prekey is erased, nothing says which envelopes they were of. One envelope in
/// 2⁶⁴ has the mark of another; nobody who does not know the other's chain can seek one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeMark {
    prekey: PrekeyId,
    bytes: [u8; MARK_LEN],
}

impl EnvelopeMark {
    /// Restores a mark from storage.
    #[must_use]
    pub const fn new(prekey: PrekeyId, bytes: [u8; MARK_LEN]) -> Self {
        Self { prekey, bytes }
    }

    pub(super) fn derive(prekey: PrekeyId, chain: &[u8; 32]) -> Self {
        let hash = blake3::derive_key(MARK_CONTEXT, chain);
        Self { prekey, bytes: *hash.first_chunk().expect("a hash is longer than a mark") }
    }

    /// The prekey that opened the envelope; the mark is of use for as long as the prekey is there.
    #[must_use]
    pub const fn prekey(&self) -> PrekeyId {
        self.prekey
    }

    /// The mark's bytes, as they stand in storage.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; MARK_LEN] {
        &self.bytes
    }
}

/// Bytes of a mark.
pub const MARK_LEN: usize = 8;
const MARK_CONTEXT: &str = "rohrpost envelope mark v1";
