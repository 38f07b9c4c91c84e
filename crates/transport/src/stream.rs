//! Streams of frames and cells: fixed length, so nothing is ever allocated by a claim.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quinn::{Connection, RecvStream, SendStream};

/// Receives frames or cells of one link.
pub struct FrameReceiver {
    source: Source,
    frame_len: usize,
    /// Where the stream's bytes are counted, if they are.
    bytes: Option<Arc<AtomicU64>>,
    /// Also keeps the link open for as long as its frames are wanted.
    connection: Connection,
}

/// A peer's stream appears with its first frame, which may be a while after the handshake.
enum Source {
    Expected,
    Open(RecvStream),
}

impl FrameReceiver {
    pub(crate) const fn new(
        connection: Connection,
        frame_len: usize,
        bytes: Option<Arc<AtomicU64>>,
    ) -> Self {
        Self { source: Source::Expected, frame_len, bytes, connection }
    }

    /// The next frame. Not cancel-safe: a frame half read is lost with the link.
    ///
    /// # Errors
    /// The link is gone.
    pub async fn recv(&mut self) -> Result<Box<[u8]>, LinkError> {
        loop {
            match &mut self.source {
                Source::Open(stream) => {
                    return read_counted(stream, self.frame_len, self.bytes.as_deref()).await;
                }
                Source::Expected => {
                    let stream = self.connection.accept_uni().await.map_err(|_| LinkError)?;
                    self.source = Source::Open(stream);
                }
            }
        }
    }
}

/// A client link: cells up, cells down.
pub struct ClientLink {
    /// To the peer.
    pub sender: CellSender,
    /// From the peer.
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
        Ok(Self { sender, receiver: FrameReceiver::new(connection, cell_len, None) })
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
    read_counted(stream, len, None).await
}

/// Reads `len` bytes, and counts them as QUIC delivers them.
async fn read_counted(
    stream: &mut RecvStream,
    len: usize,
    count: Option<&AtomicU64>,
) -> Result<Box<[u8]>, LinkError> {
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        let read = stream.read(&mut bytes[filled..]).await.map_err(|_| LinkError)?;
        let read = read.ok_or(LinkError)?;
        if let Some(count) = count {
            count.fetch_add(u64::try_from(read).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        filled += read;
    }
    Ok(bytes.into())
}

/// The link is gone. Why is not told: it would name an address.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("the link is gone")]
pub struct LinkError;
