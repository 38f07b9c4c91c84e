//! Streams of frames and cells: fixed length, so nothing is ever allocated by a claim.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quinn::{Connection, RecvStream, SendStream};
use rohrpost_packet::{Buffer, BufferPool, HEADROOM};

/// Source of the buffers for arriving frames and cells.
#[derive(Clone)]
pub enum Buffers {
    /// The pool of a node: its packets have one bound, and what finds no buffer is shed.
    Pool(Arc<BufferPool>),
    /// The heap, as each buffer is needed: for clients, who get one cell per slot.
    Heap,
}

impl Buffers {
    /// Takes a buffer for a frame of `frame_len` bytes; `None` if the pool has none.
    pub(crate) fn take(&self, frame_len: usize) -> Option<Buffer> {
        match self {
            Self::Pool(pool) => pool.take(),
            Self::Heap => Some(Buffer::unpooled(frame_len - HEADROOM)),
        }
    }
}

/// A receiver of the frames or cells of one link.
pub struct FrameReceiver {
    source: Source,
    frame_len: usize,
    buffers: Buffers,
    /// Counter of the stream's bytes; `None` if they are not counted.
    bytes: Option<Arc<AtomicU64>>,
    /// Connection that carries the frames; held, so that the link stays open while they are wanted.
    connection: Connection,
}

/// State of a peer's stream, which appears with its first frame; that may be a while after the
/// handshake.
enum Source {
    Expected,
    Open(RecvStream),
}

impl FrameReceiver {
    pub(crate) const fn new(
        connection: Connection,
        frame_len: usize,
        buffers: Buffers,
        bytes: Option<Arc<AtomicU64>>,
    ) -> Self {
        Self { source: Source::Expected, frame_len, buffers, bytes, connection }
    }

    /// Waits for the next frame; `None` if there was no buffer for it and it was shed. Not
    /// cancel-safe: a frame half read is lost with the link.
    ///
    /// # Errors
    /// The link is gone.
    pub async fn recv(&mut self) -> Result<Option<Buffer>, LinkError> {
        loop {
            match &mut self.source {
                Source::Open(stream) => {
                    let bytes = self.bytes.as_deref();
                    return read_frame(stream, self.frame_len, &self.buffers, bytes).await;
                }
                Source::Expected => {
                    let stream = self.connection.accept_uni().await.map_err(|_| LinkError)?;
                    self.source = Source::Open(stream);
                }
            }
        }
    }
}

/// Reads a frame. Takes a buffer only once the frame has begun to arrive, so that idle links hold
/// none.
async fn read_frame(
    stream: &mut RecvStream,
    frame_len: usize,
    buffers: &Buffers,
    bytes: Option<&AtomicU64>,
) -> Result<Option<Buffer>, LinkError> {
    let mut head = [0; HEADROOM];
    read_counted(stream, &mut head, bytes).await?;
    let Some(mut buffer) = buffers.take(frame_len) else {
        let mut left = frame_len - HEADROOM;
        while left > 0 {
            let chunk = stream.read_chunk(left, true).await.map_err(|_| LinkError)?;
            let len = chunk.ok_or(LinkError)?.bytes.len();
            count(bytes, len);
            left -= len;
        }
        return Ok(None);
    };
    let (begin, rest) = buffer.split_at_mut(HEADROOM);
    begin.copy_from_slice(&head);
    read_counted(stream, rest, bytes).await?;
    Ok(Some(buffer))
}

/// A client's side of its link: cells up, cells down.
pub struct ClientLink {
    /// The sender of cells to the relay.
    pub sender: CellSender,
    /// The receiver of cells from the relay.
    pub receiver: FrameReceiver,
}

/// A sender of cells to the relay.
pub struct CellSender {
    stream: SendStream,
    connection: Connection,
}

impl ClientLink {
    pub(crate) async fn open(connection: Connection, cell_len: usize) -> Result<Self, LinkError> {
        let stream = connection.open_uni().await.map_err(|_| LinkError)?;
        let sender = CellSender { stream, connection: connection.clone() };
        let receiver = FrameReceiver::new(connection, cell_len, Buffers::Heap, None);
        Ok(Self { sender, receiver })
    }
}

impl CellSender {
    /// Sends a cell to the relay.
    ///
    /// # Errors
    /// The link is gone.
    pub async fn send(&mut self, cell: &[u8]) -> Result<(), LinkError> {
        self.stream.write_all(cell).await.map_err(|_| LinkError)
    }

    /// Ends the link to the relay.
    pub fn close(&self) {
        self.connection.close(0_u32.into(), b"");
    }
}

pub(crate) async fn read_exact(
    stream: &mut RecvStream,
    len: usize,
) -> Result<Box<[u8]>, LinkError> {
    let mut bytes = vec![0; len];
    read_counted(stream, &mut bytes, None).await?;
    Ok(bytes.into())
}

/// Fills `out`, and counts its bytes as QUIC delivers them.
async fn read_counted(
    stream: &mut RecvStream,
    out: &mut [u8],
    bytes: Option<&AtomicU64>,
) -> Result<(), LinkError> {
    let mut filled = 0;
    while filled < out.len() {
        let read = stream.read(&mut out[filled..]).await.map_err(|_| LinkError)?;
        let read = read.ok_or(LinkError)?;
        count(bytes, read);
        filled += read;
    }
    Ok(())
}

fn count(bytes: Option<&AtomicU64>, len: usize) {
    if let Some(bytes) = bytes {
        bytes.fetch_add(u64::try_from(len).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Loss of a link. The reason is not told: it would name an address.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("the link is gone")]
pub struct LinkError;
