//! Building packets, inside out (`docs/packet-format.md` §3 to §6).

use rand_core::CryptoRng;

use crate::kem::KemError;
use crate::key::HopPublicKey;
use crate::packet::Packet;
use crate::payload::{PayloadKey, lay_out};
use crate::route::Route;
use crate::schedule::{HopKeys, hop_keys};
use crate::size::{HOPS, ROUTE_LEN, TAG_LEN};
use crate::suite::Suite;

/// A hop of a path as the builder of the packet sees it.
pub struct PathHop<'a, S: Suite> {
    /// The hop's current public key.
    pub key: &'a HopPublicKey<S>,
    /// The instruction for the hop.
    pub route: Route,
}

/// Wraps `body` (at most `S::BODY_LEN` bytes, padded with zeros) for `hops`, of which the first
/// stands in layer `first_layer` (0 to 3) and the last in layer 3.
///
/// A mix in layer j starts at `j + 1`; its packet then looks like any other there: the shorter
/// header, zeros, the payload.
///
/// # Errors
/// The path or the body does not fit, or a key is unusable.
pub fn wrap<S: Suite>(
    first_layer: usize,
    hops: &[PathHop<'_, S>],
    body: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Packet<S>, WrapError> {
    if hops.is_empty() || first_layer + hops.len() != HOPS {
        return Err(WrapError::Path);
    }
    if body.len() > S::BODY_LEN {
        return Err(WrapError::Body { len: body.len(), limit: S::BODY_LEN });
    }
    let mut packet = Packet::<S>::zeroed();
    let header = &mut packet.header_mut()[..hops.len() * S::LAYER_LEN];
    let keys = build_header(first_layer, hops, header, rng)?;
    let payload = packet.payload_mut();
    lay_out(payload, body);
    for key in keys.iter().rev() {
        key.payload.cipher().encrypt(payload);
    }
    Ok(packet)
}

/// Writes the nested layers into `header` and returns the keys, first hop first.
///
/// Layer i is `c ‖ AEAD(k_header; route ‖ inner layers) ‖ tag` and spans
/// `header[i(c + 32) .. len − 16i]`. What `header` holds inside the innermost layer stays: nothing
/// for a whole path, random padding for a SURB that ends at a mix.
pub(crate) fn build_header<S: Suite>(
    first_layer: usize,
    hops: &[PathHop<'_, S>],
    header: &mut [u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<HopKeys>, WrapError> {
    let step = S::CIPHERTEXT_LEN + ROUTE_LEN;
    let len = header.len();
    let mut keys = Vec::with_capacity(hops.len());
    for (index, hop) in hops.iter().enumerate() {
        let ciphertext = &mut header[index * step..][..S::CIPHERTEXT_LEN];
        let shared = S::encapsulate(hop.key.as_bytes(), ciphertext, rng)?;
        keys.push(hop_keys(&shared, first_layer + index, hop.key, ciphertext));
    }
    for (index, (hop, keys)) in hops.iter().zip(&keys).enumerate().rev() {
        let layer = &mut header[index * step + S::CIPHERTEXT_LEN..len - TAG_LEN * index];
        hop.route.encode(&mut layer[..ROUTE_LEN]);
        keys.header.seal(layer);
    }
    Ok(keys)
}

/// The payload keys of a path, first hop first.
pub(crate) fn payload_keys(keys: Vec<HopKeys>) -> Vec<PayloadKey> {
    keys.into_iter().map(|keys| keys.payload).collect()
}

/// Reason why a packet could not be built; always a fault of the builder, never of a peer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WrapError {
    /// The hops do not end in the last layer, or there are none.
    #[error("the path does not fit the layers")]
    Path,
    /// The body is longer than the suite's.
    #[error("a body of {len} bytes is longer than {limit}")]
    Body {
        /// Bytes of body that were given.
        len: usize,
        /// Bytes of body that fit.
        limit: usize,
    },
    /// A hop's key is unusable.
    #[error("a hop's key is unusable")]
    Key(#[from] KemError),
}
