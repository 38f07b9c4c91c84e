//! Control links: length-prefixed messages both ways, each side sending its newest when it changes.

use std::sync::Arc;

use quinn::{Connection, RecvStream, SendStream};
use rohrpost_packet::NodeNumber;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::endpoint::{ControlLink, Dialer, NodeEndpoint, PeerAddress};
use crate::outbox::{Backoff, LinkChange};
use crate::stream::{LinkError, read_exact};
use crate::tls::LinkKind;

/// The newest message that a side has to send; older ones are skipped.
type Newest = watch::Receiver<Option<Arc<[u8]>>>;

/// Both ends of a control link on this side, and its bound.
#[derive(Clone)]
pub struct ControlChannels {
    /// The message to send: the newest at once, and again whenever it changes.
    pub outgoing: watch::Receiver<Option<Arc<[u8]>>>,
    /// The queue for messages that arrive, each with the number of the node that sent it.
    pub incoming: mpsc::Sender<(NodeNumber, Vec<u8>)>,
    /// Bytes that a message may have; a longer one ends the link.
    pub max_len: usize,
}

/// A control link that a node holds to a relay; the link's task ends when this is dropped.
pub struct ControlDialer {
    task: AbortHandle,
}

impl ControlDialer {
    /// Maintains a control link to `peer` over these channels. `changed` is called with the link's
    /// state whenever it changes.
    #[must_use]
    pub fn connect(
        endpoint: &NodeEndpoint,
        peer: PeerAddress,
        channels: ControlChannels,
        changed: impl Fn(LinkChange) + Send + Sync + 'static,
    ) -> Self {
        let number = peer.number;
        let dialer = endpoint.dialer(LinkKind::Control, peer);
        let task = tokio::spawn(maintain(dialer, number, channels, changed));
        Self { task: task.abort_handle() }
    }
}

impl Drop for ControlDialer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn maintain(
    dialer: Dialer,
    peer: NodeNumber,
    channels: ControlChannels,
    changed: impl Fn(LinkChange),
) {
    let mut backoff = Backoff::new();
    loop {
        if let Ok(connection) = dialer.dial().await {
            if let Ok((send, recv)) = connection.open_bi().await {
                backoff = Backoff::new();
                changed(LinkChange::Up);
                let _ = run(send, recv, peer, channels.clone()).await;
                changed(LinkChange::Down { lost: 0 });
            }
            connection.close(0_u32.into(), b"");
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Runs a control link that a node has opened, until it is gone: the other side of
/// [`ControlDialer`].
///
/// # Errors
/// The link is gone, or the peer sent a message longer than the bound.
pub async fn exchange(
    link: ControlLink,
    peer: NodeNumber,
    channels: ControlChannels,
) -> Result<(), LinkError> {
    let connection: Connection = link.0;
    let (send, recv) = connection.accept_bi().await.map_err(|_| LinkError)?;
    let result = run(send, recv, peer, channels).await;
    connection.close(0_u32.into(), b"");
    result
}

async fn run(
    send: SendStream,
    recv: RecvStream,
    peer: NodeNumber,
    channels: ControlChannels,
) -> Result<(), LinkError> {
    let ControlChannels { outgoing, incoming, max_len } = channels;
    tokio::select! {
        result = write_newest(send, outgoing) => result,
        result = read_all(recv, peer, incoming, max_len) => result,
    }
}

async fn write_newest(mut send: SendStream, mut outgoing: Newest) -> Result<(), LinkError> {
    loop {
        let newest = outgoing.borrow_and_update().clone();
        if let Some(message) = newest {
            let len = u32::try_from(message.len()).map_err(|_| LinkError)?;
            send.write_all(&len.to_be_bytes()).await.map_err(|_| LinkError)?;
            send.write_all(&message).await.map_err(|_| LinkError)?;
        }
        outgoing.changed().await.map_err(|_| LinkError)?;
    }
}

async fn read_all(
    mut recv: RecvStream,
    peer: NodeNumber,
    incoming: mpsc::Sender<(NodeNumber, Vec<u8>)>,
    max_len: usize,
) -> Result<(), LinkError> {
    loop {
        let message = read_message(&mut recv, max_len).await?;
        incoming.send((peer, message)).await.map_err(|_| LinkError)?;
    }
}

/// Reads a message; the buffer grows with the bytes that arrive, not with the length claimed.
async fn read_message(recv: &mut RecvStream, max_len: usize) -> Result<Vec<u8>, LinkError> {
    let head = read_exact(recv, 4).await?;
    let head = head.first_chunk().expect("four bytes were read");
    let len = usize::try_from(u32::from_be_bytes(*head)).map_err(|_| LinkError)?;
    if len > max_len {
        return Err(LinkError);
    }
    let mut message = Vec::new();
    while message.len() < len {
        let part = read_exact(recv, (len - message.len()).min(PART)).await?;
        message.extend_from_slice(&part);
    }
    Ok(message)
}

/// Bytes allocated ahead of what has arrived.
const PART: usize = 4096;
