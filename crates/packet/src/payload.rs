//! The payload: a wide-block permutation per hop over a body with a zero prefix
//! (`docs/packet-format.md` §5 and §6).

use std::ops::Deref;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::lioness::Lioness;
use crate::size::PREFIX_LEN;

/// Key of one payload layer; wiped when dropped.
pub(crate) struct PayloadKey(Zeroizing<[u8; 32]>);

impl PayloadKey {
    pub(crate) const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    pub(crate) fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        Self(bytes)
    }

    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn cipher(&self) -> Lioness {
        Lioness::new(&self.0)
    }
}

/// Writes zero prefix, body and zero padding into `payload`, which is all zero.
pub(crate) fn lay_out(payload: &mut [u8], body: &[u8]) {
    payload[PREFIX_LEN..PREFIX_LEN + body.len()].copy_from_slice(body);
}

/// Content of a payload, read by the last hop or by the maker of a SURB: `S::BODY_LEN` bytes, wiped
/// when dropped.
pub struct Body(Zeroizing<Vec<u8>>);

impl Body {
    /// Checks the zero prefix in constant time and takes the body that follows.
    pub(crate) fn from_payload(payload: &[u8]) -> Result<Self, Garbage> {
        let (prefix, body) = payload.split_at(PREFIX_LEN);
        if !bool::from(prefix.ct_eq(&[0; PREFIX_LEN])) {
            return Err(Garbage);
        }
        Ok(Self(Zeroizing::new(body.to_vec())))
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Failure of the prefix check: the payload was changed on the way, or never meant for this key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the payload is garbage")]
pub struct Garbage;
