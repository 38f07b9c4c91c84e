//! Outbox of a packet link: bounded, and reconnecting by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quinn::Connection;
use rand::RngExt;
use rohrpost_packet::Buffer;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::endpoint::{Addresses, Dialer, NodeEndpoint, PeerAddress};
use crate::tls::LinkKind;

/// A sender of frames to one node; its task ends when it is dropped.
pub struct PacketOutbox {
    frames: mpsc::Sender<Buffer>,
    up: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    addresses: Addresses,
    task: AbortHandle,
}

/// Change in the state of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkChange {
    /// The peer has admitted the link.
    Up,
    /// The link is gone, and with it the frames that it had taken but not handed to QUIC.
    Down {
        /// Number of frames lost with the link.
        lost: usize,
    },
}

/// Reason why a frame was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shed {
    /// The link is down; to send the frame again is left to the sender.
    LinkDown,
    /// The queue is full; the newest frame is shed.
    Full,
}

impl PacketOutbox {
    /// Maintains a packet link to `peer`, with a queue of `bound` frames. `changed` is called with
    /// the link's state whenever it changes.
    #[must_use]
    pub fn connect(
        endpoint: &NodeEndpoint,
        peer: PeerAddress,
        bound: usize,
        changed: impl Fn(LinkChange) + Send + Sync + 'static,
    ) -> Self {
        let (frames, queue) = mpsc::channel(bound);
        let up = Arc::new(AtomicBool::new(false));
        let (dialer, addresses) = endpoint.dialer(LinkKind::Packet, peer);
        let bytes = Arc::new(AtomicU64::new(0));
        let (is_up, written) = (Arc::clone(&up), Arc::clone(&bytes));
        let task = tokio::spawn(maintain(dialer, queue, is_up, written, changed)).abort_handle();
        Self { frames, up, bytes, addresses, task }
    }

    /// Has the node dialed at these addresses from now on, when the link is down.
    pub fn readdress(&self, addresses: &[SocketAddr]) {
        self.addresses.replace(addresses);
    }

    /// Queues a frame for sending.
    ///
    /// # Errors
    /// The reason why the frame was shed.
    pub fn try_send(&self, frame: Buffer) -> Result<(), Shed> {
        if !self.is_up() {
            return Err(Shed::LinkDown);
        }
        self.frames.try_send(frame).map_err(|_| Shed::Full)
    }

    /// Tells whether the link is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Bytes that the link's streams have taken, counted as QUIC takes them.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for PacketOutbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn maintain(
    dialer: Dialer,
    mut queue: mpsc::Receiver<Buffer>,
    up: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    changed: impl Fn(LinkChange),
) {
    let mut backoff = Backoff::new();
    loop {
        if let Ok(connection) = dialer.dial().await {
            backoff = Backoff::new();
            up.store(true, Ordering::Release);
            changed(LinkChange::Up);
            let mut lost = carry(&connection, &mut queue, &bytes).await;
            up.store(false, Ordering::Release);
            // What is left was meant for keys that the node may not have any more.
            while queue.try_recv().is_ok() {
                lost += 1;
            }
            changed(LinkChange::Down { lost });
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Writes all that is queued at once, until the link is gone; tells how many frames it had taken
/// and could not write. Coalescing saves most of the cost of a frame. A frame's buffer is QUIC's
/// until the peer has acknowledged it, and goes back to its pool then.
async fn carry(
    connection: &Connection,
    queue: &mut mpsc::Receiver<Buffer>,
    bytes: &AtomicU64,
) -> usize {
    let Ok(mut stream) = connection.open_uni().await else { return 0 };
    let mut frames = Vec::with_capacity(COALESCE);
    loop {
        let received = tokio::select! {
            received = queue.recv_many(&mut frames, COALESCE) => received,
            _ = connection.closed() => return frames.len(),
        };
        if received == 0 {
            return 0;
        }
        let mut chunks: Vec<Bytes> = frames.drain(..).map(Bytes::from_owner).collect();
        let mut rest = &mut chunks[..];
        while !rest.is_empty() {
            let Ok(written) = stream.write_chunks(rest).await else { return received };
            bytes.fetch_add(u64::try_from(written.bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
            rest = &mut rest[written.chunks..];
        }
    }
}

/// Pauses between attempts: doubling from 0.2 s to 5 s, each drawn from half to the whole, so that
/// nodes do not all come at once after an outage.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self(Duration::from_millis(200))
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0.mul_f64(rand::rng().random_range(0.5..1.0));
        self.0 = (self.0 * 2).min(Duration::from_secs(5));
        pause
    }
}

/// Frames written in one go: 768 KiB hybrid.
const COALESCE: usize = 64;
