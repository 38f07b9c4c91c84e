//! Single-use reply blocks (`docs/packet-format.md` §8).
//!
//! A reply looks like any packet to each mix. Whoever replies learns the first hop only.

use std::marker::PhantomData;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::identifier::{NodeNumber, ReplyId, ShortGeneration};
use crate::packet::Packet;
use crate::payload::{Body, Garbage};
use crate::payload::{PayloadKey, lay_out};
use crate::size::HOPS;
use crate::suite::Suite;
use crate::wrap::{PathHop, WrapError};
use crate::wrap::{build_header, payload_keys};

/// A reply block: first hop, header, and the key of the innermost payload layer.
///
/// There is no `Clone` or `Debug`, and [`Surb::reply`] uses the block up: a second use would be a
/// replay.
pub struct Surb<S> {
    first_hop: NodeNumber,
    first_generation: ShortGeneration,
    key: PayloadKey,
    header: Box<[u8]>,
    suite: PhantomData<S>,
}

impl<S: Suite> Surb<S> {
    /// Bytes on the wire: first hop 4, generation 2, zero 2, key 32, header.
    pub const ENCODED_LEN: usize = 40 + S::HEADER_LEN;

    /// The mix in the first layer to which the reply goes.
    #[must_use]
    pub const fn first_hop(&self) -> NodeNumber {
        self.first_hop
    }

    /// Generation of the key of the mix to which the reply goes.
    #[must_use]
    pub const fn first_generation(&self) -> ShortGeneration {
        self.first_generation
    }

    /// Makes the reply that carries `body` (at most `S::BODY_LEN` bytes, padded with zeros).
    ///
    /// # Errors
    /// The body is too long.
    pub fn reply(self, body: &[u8]) -> Result<Packet<S>, WrapError> {
        if body.len() > S::BODY_LEN {
            return Err(WrapError::Body { len: body.len(), limit: S::BODY_LEN });
        }
        let mut packet = Packet::<S>::zeroed();
        packet.header_mut().copy_from_slice(&self.header);
        let payload = packet.payload_mut();
        lay_out(payload, body);
        self.key.cipher().encrypt(payload);
        Ok(packet)
    }

    /// Writes the block into `out`, of [`Self::ENCODED_LEN`] bytes.
    pub fn encode(&self, out: &mut [u8]) {
        out[..4].copy_from_slice(&self.first_hop.get().to_be_bytes());
        out[4..6].copy_from_slice(&self.first_generation.get().to_be_bytes());
        out[6..8].fill(0);
        out[8..40].copy_from_slice(self.key.expose());
        out[40..Self::ENCODED_LEN].copy_from_slice(&self.header);
    }

    /// Reads a block from the wire.
    ///
    /// # Errors
    /// The length or the reserved bytes are wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, SurbError> {
        if bytes.len() != Self::ENCODED_LEN {
            return Err(SurbError::Length);
        }
        if bytes[6..8] != [0; 2] {
            return Err(SurbError::Reserved);
        }
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&bytes[8..40]);
        Ok(Self {
            first_hop: NodeNumber::new(u32::from_be_bytes([
                bytes[0], bytes[1], bytes[2], bytes[3],
            ])),
            first_generation: ShortGeneration::new(u16::from_be_bytes([bytes[4], bytes[5]])),
            key: PayloadKey::new(key),
            header: bytes[40..].into(),
            suite: PhantomData,
        })
    }
}

/// Secrets that the maker of a SURB holds to read the reply; wiped when dropped.
pub struct SurbOpener<S> {
    id: ReplyId,
    hops: Vec<PayloadKey>,
    key: PayloadKey,
    suite: PhantomData<S>,
}

impl<S: Suite> SurbOpener<S> {
    /// The identifier that the last hop hands over beside the payload.
    #[must_use]
    pub const fn id(&self) -> ReplyId {
        self.id
    }

    /// Opens a reply's payload in place.
    ///
    /// # Errors
    /// The payload was changed on the way, or has another length.
    pub fn open(self, payload: &mut [u8]) -> Result<Body, Garbage> {
        if payload.len() != S::PAYLOAD_LEN {
            return Err(Garbage);
        }
        for key in self.hops.iter().rev() {
            key.cipher().encrypt(payload);
        }
        self.key.cipher().decrypt(payload);
        Body::from_payload(payload)
    }
}

/// Builds a reply block over `hops` (one to four, the first in layer 0).
///
/// Fewer than four end at a mix: the mix's own loop. The header is then padded with random bytes to
/// four layers, so that no hop before can tell.
///
/// # Errors
/// The path does not fit, or a key is unusable.
pub fn build_surb<S: Suite>(
    first_hop: NodeNumber,
    hops: &[PathHop<'_, S>],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Surb<S>, SurbOpener<S>), WrapError> {
    let first = hops.first().filter(|_| hops.len() <= HOPS).ok_or(WrapError::Path)?;
    let mut header = vec![0; S::HEADER_LEN].into_boxed_slice();
    rng.fill_bytes(&mut header);
    let keys = build_header(0, hops, &mut header, rng)?;
    let id = keys.last().expect("there is a hop for each key, and at least one").tag.into();
    let key = PayloadKey::random(rng);
    let surb = Surb {
        first_hop,
        first_generation: first.key.generation().short(),
        key: key.duplicate(),
        header,
        suite: PhantomData,
    };
    Ok((surb, SurbOpener { id, hops: payload_keys(keys), key, suite: PhantomData }))
}

/// Reason why a reply block is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum SurbError {
    /// The block does not have the suite's length.
    #[error("not the length of a reply block")]
    Length,
    /// Reserved bytes are not zero.
    #[error("reserved bytes of the reply block are not zero")]
    Reserved,
}
