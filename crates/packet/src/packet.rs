//! The packet: one length for a suite, on every link, at every layer.

use std::marker::PhantomData;

use rand_core::CryptoRng;

use crate::Suite;

/// A packet of `S::PACKET_LEN` bytes: header of four layers, then payload.
pub struct Packet<S> {
    bytes: Box<[u8]>,
    suite: PhantomData<S>,
}

impl<S: Suite> Packet<S> {
    /// Copies a packet off a link.
    ///
    /// # Errors
    /// The length is not the suite's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WrongLength> {
        Self::from_boxed(bytes.into())
    }

    /// Takes a packet off a link without a copy.
    ///
    /// # Errors
    /// The length is not the suite's.
    pub fn from_boxed(bytes: Box<[u8]>) -> Result<Self, WrongLength> {
        if bytes.len() != S::PACKET_LEN {
            return Err(WrongLength);
        }
        Ok(Self { bytes, suite: PhantomData })
    }

    /// Random bytes of a packet's length; no node can open them.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut packet = Self::zeroed();
        rng.fill_bytes(&mut packet.bytes);
        packet
    }

    /// The packet as it stands on a link.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives up the bytes.
    #[must_use]
    pub fn into_bytes(self) -> Box<[u8]> {
        self.bytes
    }

    pub(crate) fn zeroed() -> Self {
        Self { bytes: vec![0; S::PACKET_LEN].into(), suite: PhantomData }
    }

    pub(crate) fn header_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..S::HEADER_LEN]
    }

    pub(crate) fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[S::HEADER_LEN..]
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[S::HEADER_LEN..]
    }
}

/// The bytes have another length than a packet of the suite.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not the length of a packet")]
pub struct WrongLength;
