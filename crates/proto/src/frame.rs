//! Units of packet links and client links: an 8-byte header and a packet, one length always.

mod chunk;

use std::marker::PhantomData;

use rand_core::CryptoRng;
use rohrpost_packet::{
    Buffer, HEADROOM, NodeNumber, Packet, ReplyId, SessionId, ShortGeneration, Suite,
};

pub use chunk::{Chunk, ChunkAssembler, MAX_DOCUMENT_LEN, chunks};

use crate::time::Time;
use crate::wire::{Malformed, Reader};

/// Bytes before the packet in a frame or cell.
pub const HEADER_LEN: usize = HEADROOM;

/// Bytes of every frame and cell of suite `S`.
#[must_use]
pub const fn frame_len<S: Suite>() -> usize {
    HEADER_LEN + S::PACKET_LEN
}

/// A packet on its way to a node, with the generation of the key it was built for:
/// kind 1, 0, generation u16, 0 u32, packet.
pub struct Frame<S: Suite> {
    /// Short generation of the receiving node's key, which it selects.
    pub generation: ShortGeneration,
    /// The packet that the frame carries.
    pub packet: Packet<S>,
}

impl<S: Suite> Frame<S> {
    /// The frame as it stands on the link, in the packet's own buffer.
    #[must_use]
    pub fn encode(self) -> Buffer {
        header(self.packet.into_buffer(), FRAME_PACKET, self.generation, 0)
    }

    /// Reads a frame off a link, in place.
    ///
    /// # Errors
    /// The bytes are no frame of this suite.
    pub fn decode(bytes: impl Into<Buffer>) -> Result<Self, Malformed> {
        let buffer = bytes.into();
        let mut reader = Reader::new(&buffer);
        reader.expect(FRAME_PACKET)?;
        reader.zeros::<1>()?;
        let generation = ShortGeneration::new(reader.u16()?);
        reader.zeros::<4>()?;
        let packet = Packet::from_buffer(buffer).map_err(|_| Malformed)?;
        Ok(Self { generation, packet })
    }
}

/// A frame and the node it goes to.
pub struct OutgoingFrame<S: Suite> {
    /// The node to which the frame goes.
    pub to: NodeNumber,
    /// The frame for that node.
    pub frame: Frame<S>,
}

/// A cell from a client to its entry relay, sent exactly once per slot.
pub enum UpCell<S: Suite> {
    /// The first cell of a session, which names the session. The rest of the cell is random.
    Hello(SessionId),
    /// A packet for a mix of the first layer.
    Packet {
        /// The mix to which the packet goes.
        first_hop: NodeNumber,
        /// Generation of the mix's key.
        generation: ShortGeneration,
        /// The packet for the mix.
        packet: Packet<S>,
    },
    /// Random bytes, while there is no list of keys to build a packet with.
    Idle,
}

impl<S: Suite> UpCell<S> {
    /// Encodes the cell as it stands on the link; `rng` fills what carries nothing.
    #[must_use]
    pub fn encode(self, rng: &mut (impl CryptoRng + ?Sized)) -> Buffer {
        let none = ShortGeneration::new(0);
        let mut random = || Packet::<S>::random(rng).into_buffer();
        match self {
            Self::Hello(session) => {
                let mut cell = header(random(), UP_HELLO, none, 0);
                cell[HEADER_LEN..HEADER_LEN + 16].copy_from_slice(session.as_bytes());
                cell
            }
            Self::Packet { first_hop, generation, packet } => {
                header(packet.into_buffer(), UP_PACKET, generation, first_hop.get())
            }
            Self::Idle => header(random(), UP_IDLE, none, 0),
        }
    }

    /// Tells whether an encoded cell names a session.
    #[must_use]
    pub fn is_hello(cell: &[u8]) -> bool {
        cell.first() == Some(&UP_HELLO)
    }

    /// Reads a cell off a client link, in place.
    ///
    /// # Errors
    /// The bytes are no cell of this suite.
    pub fn decode(bytes: impl Into<Buffer>) -> Result<Self, Malformed> {
        let buffer = bytes.into();
        let mut reader = Reader::new(&buffer);
        let kind = reader.u8()?;
        reader.zeros::<1>()?;
        let generation = ShortGeneration::new(reader.u16()?);
        let first_hop = NodeNumber::new(reader.u32()?);
        let session = Reader::new(reader.take(S::PACKET_LEN)?).array()?;
        let packet = Packet::from_buffer(buffer).map_err(|_| Malformed)?;
        match kind {
            UP_HELLO => Ok(Self::Hello(SessionId::new(session))),
            UP_PACKET => Ok(Self::Packet { first_hop, generation, packet }),
            UP_IDLE => Ok(Self::Idle),
            _ => Err(Malformed),
        }
    }
}

/// A cell from the entry relay to a client, sent exactly once per slot: a reply or a dummy, and
/// beside either a piece of the relay's network document. Reply id 16, document time u64, chunk
/// area `S::HEADER_LEN - 24`, payload.
pub struct DownCell<S: Suite> {
    /// The tick at which the relay sent the cell, by which clients set their document time.
    pub time: Time,
    /// The reply, if one waits.
    pub reply: Option<(ReplyId, Box<[u8]>)>,
    /// A piece of the network document, once the relay has one.
    pub chunk: Option<Chunk>,
    suite: PhantomData<S>,
}

impl<S: Suite> DownCell<S> {
    /// Makes a cell with these contents; the payload has `S::PAYLOAD_LEN` bytes.
    #[must_use]
    pub const fn new(
        time: Time,
        reply: Option<(ReplyId, Box<[u8]>)>,
        chunk: Option<Chunk>,
    ) -> Self {
        Self { time, reply, chunk, suite: PhantomData }
    }

    /// The cell as it stands on the link, in a buffer of its own.
    #[must_use]
    pub fn encode(&self) -> Buffer {
        let mut buffer = Buffer::unpooled(S::PACKET_LEN);
        self.write(&mut buffer);
        buffer
    }

    /// Writes the cell into a buffer of zeros, of a cell's length.
    pub fn write(&self, out: &mut [u8]) {
        let (head, area) = out.split_at_mut(HEADER_LEN);
        if let Some(chunk) = &self.chunk {
            chunk.encode(&mut area[ID_LEN + TIME_LEN..S::HEADER_LEN]);
        }
        area[ID_LEN..ID_LEN + TIME_LEN].copy_from_slice(&self.time.micros().to_be_bytes());
        head[0] = DOWN_DUMMY;
        if let Some((id, payload)) = &self.reply {
            head[0] = DOWN_REPLY;
            area[..ID_LEN].copy_from_slice(id.as_bytes());
            area[S::HEADER_LEN..].copy_from_slice(payload);
        }
    }

    /// Reads a cell off a client link.
    ///
    /// # Errors
    /// The bytes are no cell of this suite.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let kind = reader.u8()?;
        reader.zeros::<7>()?;
        let id = ReplyId::new(reader.array()?);
        let time = Time::from_micros(reader.u64()?);
        if time > Time::LATEST {
            return Err(Malformed);
        }
        let chunk = Chunk::decode(reader.take(S::HEADER_LEN - ID_LEN - TIME_LEN)?)?;
        let payload = reader.take(S::PAYLOAD_LEN)?;
        reader.end()?;
        let reply = match kind {
            DOWN_REPLY => Some((id, payload.into())),
            DOWN_DUMMY => None,
            _ => return Err(Malformed),
        };
        Ok(Self::new(time, reply, chunk))
    }
}

/// Bytes of a network document that one down cell carries beside its payload.
#[must_use]
pub const fn chunk_len<S: Suite>() -> usize {
    S::HEADER_LEN - ID_LEN - TIME_LEN - chunk::CHUNK_HEADER_LEN
}

/// Writes the eight bytes before a packet: kind, 0, generation u16, word u32.
fn header(mut buffer: Buffer, kind: u8, generation: ShortGeneration, word: u32) -> Buffer {
    buffer[0] = kind;
    buffer[1] = 0;
    buffer[2..4].copy_from_slice(&generation.get().to_be_bytes());
    buffer[4..HEADER_LEN].copy_from_slice(&word.to_be_bytes());
    buffer
}

const ID_LEN: usize = 16;
const TIME_LEN: usize = 8;
const FRAME_PACKET: u8 = 1;
const UP_HELLO: u8 = 1;
const UP_PACKET: u8 = 2;
const UP_IDLE: u8 = 3;
const DOWN_REPLY: u8 = 1;
const DOWN_DUMMY: u8 = 2;

#[cfg(test)]
mod tests;
