//! Streams of frames and cells: fixed length, so nothing is ever allocated by a claim.

use std::sync::Arc;

use quinn::{Connection, RecvStream, SendStream};
use rohrpost_packet::{Buffer, BufferPool, HEADROOM};

/// Where the buffers of arriving frames and cells come from.
#[derive(Clone)]
pub enum Buffers {
    /// From the pool of a node: its packets have one bound, and what finds no buffer is shed.
    Pool(Arc<BufferPool>),
    /// Each is made as it is needed: for clients, who get one cell per slot.
    Heap,
}

impl Buffers {
    /// A buffer for a frame of `frame_len` bytes; `None` if the pool has none.
    pub(crate) fn take(&self, frame_len: usize) -> Option<Buffer> {
        match self {
            Self::Pool(pool) => pool.take(),
            Self::Heap => Some(Buffer::unpooled(frame_len - HEADROOM)),
        }
    }
}

/// Receives frames or cells of one link.
pub struct FrameReceiver {
    source: Source,
    frame_len: usize,
    buffers: Buffers,
    /// Also keeps the link open for as long as its frames are wanted.
    connection: Connection,
}

/// A peer's stream appears with its first frame, which may be a while after the handshake.
enum Source {
    Expected,
    Open(RecvStream),
}

impl FrameReceiver {
    pub(crate) const fn new(connection: Connection, frame_len: usize, buffers: Buffers) -> Self {
        Self { source: Source::Expected, frame_len, buffers, connection }
    }

    /// The next frame; `None` if there was no buffer for it and it was shed. Not cancel-safe: a
    /// frame half read is lost with the link.
    ///
    /// # Errors
    /// The link is gone.
    pub async fn recv(&mut self) -> Result<Option<Buffer>, LinkError> {
        loop {
            match &mut self.source {
                Source::Open(stream) => {
                    return read_frame(stream, self.frame_len, &self.buffers).await;
                }
                Source::Expected => {
                    let stream = self.connection.accept_uni().await.map_err(|_| LinkError)?;
                    self.source = Source::Open(stream);
                }
            }
        }
    }
}

/// Takes a buffer only once a frame has begun to arrive, so that idle links hold none.
async fn read_frame(
    stream: &mut RecvStream,
    frame_len: usize,
    buffers: &Buffers,
) -> Result<Option<Buffer>, LinkError> {
    let mut head = [0; HEADROOM];
    stream.read_exact(&mut head).await.map_err(|_| LinkError)?;
    let Some(mut buffer) = buffers.take(frame_len) else {
        let mut left = frame_len - HEADROOM;
        while left > 0 {
            let chunk = stream.read_chunk(left, true).await.map_err(|_| LinkError)?;
            left -= chunk.ok_or(LinkError)?.bytes.len();
        }
        return Ok(None);
    };
    let (begin, rest) = buffer.split_at_mut(HEADROOM);
    begin.copy_from_slice(&head);
    stream.read_exact(rest).await.map_err(|_| LinkError)?;
    Ok(Some(buffer))
}

/// A client's side of its link: cells up, cells down.
pub struct ClientLink {
    /// To the relay.
    pub sender: CellSender,
    /// From the relay.
    pub receiver: FrameReceiver,
}

/// Sends cells.
pub struct CellSender {
    stream: SendStream,
    connection: Connection,
}

impl ClientLink {
    pub(crate) async fn open(connection: Connection, cell_len: usize) -> Result<Self, LinkError> {
        let stream = connection.open_uni().await.map_err(|_| LinkError)?;
        let sender = CellSender { stream, connection: connection.clone() };
        let receiver = FrameReceiver::new(connection, cell_len, Buffers::Heap);
        Ok(Self { sender, receiver })
    }
}

impl CellSender {
    /// Sends a cell.
    ///
    /// # Errors
    /// The link is gone.
    pub async fn send(&mut self, cell: &[u8]) -> Result<(), LinkError> {
        self.stream.write_all(cell).await.map_err(|_| LinkError)
    }

    /// Ends the link.
    pub fn close(&self) {
        self.connection.close(0_u32.into(), b"");
    }
}

pub(crate) async fn read_exact(
    stream: &mut RecvStream,
    len: usize,
) -> Result<Box<[u8]>, LinkError> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).await.map_err(|_| LinkError)?;
    Ok(bytes.into())
}

/// The link is gone. Why is not told: it would name an address.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("the link is gone")]
pub struct LinkError;
