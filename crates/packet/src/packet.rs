//! The packet: one length for a suite, on every link, at every layer.

use std::marker::PhantomData;

use rand_core::CryptoRng;

use crate::buffer::{Buffer, HEADROOM};
use crate::suite::Suite;

/// A packet of `S::PACKET_LEN` bytes: header of four layers, then payload. The packet lies in a
/// [`Buffer`], behind the room for a frame's header.
pub struct Packet<S> {
    buffer: Buffer,
    suite: PhantomData<S>,
}

impl<S: Suite> Packet<S> {
    /// Copies a packet from its bytes.
    ///
    /// # Errors
    /// The length is not the suite's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WrongLength> {
        if bytes.len() != S::PACKET_LEN {
            return Err(WrongLength);
        }
        let mut packet = Self::zeroed();
        packet.bytes_mut().copy_from_slice(bytes);
        Ok(packet)
    }

    /// Takes a packet that lies behind a frame's header, without a copy.
    ///
    /// # Errors
    /// The length is not that of the header and the suite's packet.
    pub fn from_buffer(buffer: Buffer) -> Result<Self, WrongLength> {
        if buffer.len() != HEADROOM + S::PACKET_LEN {
            return Err(WrongLength);
        }
        Ok(Self { buffer, suite: PhantomData })
    }

    /// Random bytes of a packet's length; no node can open them.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut packet = Self::zeroed();
        rng.fill_bytes(packet.bytes_mut());
        packet
    }

    /// The packet as it stands on a link.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer[HEADROOM..]
    }

    /// Gives up the buffer; what stands in the room before the packet is undefined.
    #[must_use]
    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }

    pub(crate) fn zeroed() -> Self {
        Self { buffer: Buffer::unpooled(S::PACKET_LEN), suite: PhantomData }
    }

    pub(crate) fn header_mut(&mut self) -> &mut [u8] {
        &mut self.bytes_mut()[..S::HEADER_LEN]
    }

    pub(crate) fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.bytes_mut()[S::HEADER_LEN..]
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.as_bytes()[S::HEADER_LEN..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[HEADROOM..]
    }
}

/// Failure to read a packet: the bytes have another length than the suite's packets.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not the length of a packet")]
pub struct WrongLength;
