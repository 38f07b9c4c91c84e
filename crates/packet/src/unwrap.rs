//! Opening one layer (`docs/packet-format.md` §7).
//!
//! The order at a hop is: decapsulate, header AEAD, then the caller's replay test-and-set with
//! [`Opened::tag`], then the payload. Everything that fails is to be dropped in silence.

use crate::identifier::{ReplayTag, ReplyId};
use crate::kem::KemError;
use crate::key::HopSecretKey;
use crate::packet::Packet;
use crate::payload::PayloadKey;
use crate::payload::{Body, Garbage};
use crate::reveal::{Secret, reveal};
use crate::route::{Route, RouteError};
use crate::schedule::hop_keys;
use crate::size::{HOPS, ROUTE_LEN};
use crate::suite::Suite;

/// A packet whose header layer is open, before its replay check.
pub struct Opened<S: Suite> {
    packet: Packet<S>,
    layer: usize,
    route: Route,
    tag: ReplayTag,
    payload: PayloadKey,
}

/// Opens the header layer that belongs to the hop in `layer` (0 to 3).
///
/// # Errors
/// The reason why the packet is to be dropped.
pub fn open_header<S: Suite>(
    mut packet: Packet<S>,
    layer: usize,
    key: &HopSecretKey<S>,
) -> Result<Opened<S>, UnwrapError> {
    if layer >= HOPS {
        return Err(UnwrapError::Layer);
    }
    let header = &mut packet.header_mut()[..(HOPS - layer) * S::LAYER_LEN];
    let (ciphertext, sealed) = header.split_at_mut(S::CIPHERTEXT_LEN);
    let shared = S::decapsulate(key.secret(), ciphertext)?;
    let keys = hop_keys(&shared, layer, key.public(), ciphertext);
    reveal(Secret::Shared, shared.expose());
    reveal(Secret::Header, keys.header.expose());
    reveal(Secret::Payload, keys.payload.expose());
    if !keys.header.open(sealed) {
        return Err(UnwrapError::Header);
    }
    let route = sealed.first_chunk::<ROUTE_LEN>().expect("a layer is longer than its route");
    let route = Route::decode(route)?;
    Ok(Opened { packet, layer, route, tag: keys.tag, payload: keys.payload })
}

impl<S: Suite> Opened<S> {
    /// The instruction for this hop.
    #[must_use]
    pub const fn route(&self) -> &Route {
        &self.route
    }

    /// The mark by which this hop refuses a second copy.
    #[must_use]
    pub const fn tag(&self) -> &ReplayTag {
        &self.tag
    }

    /// Makes the packet for the next hop: inner layers moved to the front, and everything between
    /// them and the payload zero, whatever came in. Copying what stood there would let two nodes
    /// pass a mark through an honest one.
    #[must_use]
    pub fn forward(mut self) -> Packet<S> {
        let inner = (HOPS - self.layer - 1) * S::LAYER_LEN;
        let from = S::CIPHERTEXT_LEN + ROUTE_LEN;
        let header = self.packet.header_mut();
        header.copy_within(from..from + inner, 0);
        header[inner..].fill(0);
        self.open_payload();
        self.packet
    }

    /// Opens the body, at the last hop of a packet down to a mailbox.
    ///
    /// # Errors
    /// The payload was changed on the way.
    pub fn deliver(mut self) -> Result<Body, Garbage> {
        self.open_payload();
        Body::from_payload(self.packet.payload())
    }

    /// The reply identifier and the payload for the maker of the SURB, at the last hop, which
    /// cannot read the payload.
    #[must_use]
    pub fn reply(mut self) -> (ReplyId, Box<[u8]>) {
        self.open_payload();
        (self.tag.into(), self.packet.payload().into())
    }

    /// Takes this hop's layer off the payload.
    fn open_payload(&mut self) {
        let cipher = self.payload.cipher();
        reveal(Secret::Rounds, cipher.expose().as_flattened());
        cipher.decrypt(self.packet.payload_mut());
    }
}

/// Reason why a packet is dropped before its payload is touched; always the fault of a peer.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum UnwrapError {
    /// The path has no such layer.
    #[error("a path has four layers")]
    Layer,
    /// The encapsulation is unusable.
    #[error("decapsulation failed")]
    Decapsulation(#[from] KemError),
    /// The header's tag does not verify.
    #[error("the header does not verify")]
    Header,
    /// The authenticated route is malformed.
    #[error("the route is malformed")]
    Route(#[from] RouteError),
}
