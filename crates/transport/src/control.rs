//! Control links: length-prefixed messages both ways, each side sending what its board has for the other.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::board::{Audience, Board};
use rohrpost_proto::directory::carousel::room;
use rohrpost_proto::lock::Unpoison;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::endpoint::{Addresses, ControlLink, Dialer, NodeEndpoint, PeerAddress};
use crate::outbox::{Backoff, LinkChange};
use crate::stream::{LinkError, read_exact};
use crate::tls::LinkKind;

/// Both ends of a control link on this side, and its bound.
#[derive(Clone)]
pub struct ControlChannels {
    /// The board from which messages are sent: all that are there at once, and from then on what is
    /// posted.
    pub board: watch::Receiver<Board>,
    /// What the other side is, for which of them are for it.
    pub audience: Audience,
    /// The queue for messages that arrive, each with the number of the node that sent it.
    pub incoming: mpsc::Sender<(NodeNumber, Vec<u8>)>,
    /// Bytes that a message may have; a longer one ends the link.
    pub max_len: usize,
    /// The pace of all links that share it, if they do.
    pub pace: Option<Pace>,
}

/// A pace that links share, of 8 MB a second: packets on other links do not wait behind a relay that
/// has much to tell hundreds of nodes.
#[derive(Clone)]
pub struct Pace(Arc<Mutex<Instant>>);

impl Default for Pace {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Pace {
    /// Waits for the turn of so many bytes.
    async fn wait(&self, len: u32) {
        let turn = {
            let mut next = self.0.lock().unpoison();
            let turn = (*next).max(Instant::now());
            *next = turn + room::PER_BYTE * len;
            turn
        };
        sleep_until(turn).await;
    }
}

/// A control link that a node holds to a relay; the link's task ends when this is dropped.
pub struct ControlDialer {
    addresses: Addresses,
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
        let (dialer, addresses) = endpoint.dialer(LinkKind::Control, peer);
        let task = tokio::spawn(maintain(dialer, number, channels, changed));
        Self { addresses, task: task.abort_handle() }
    }

    /// Has the node dialed at these addresses from now on, when the link is down.
    pub fn readdress(&self, addresses: &[SocketAddr]) {
        self.addresses.replace(addresses);
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
        sleep(backoff.next()).await;
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
    let ControlChannels { board, audience, incoming, max_len, pace } = channels;
    tokio::select! {
        result = write_board(send, board, audience, pace) => result,
        result = read_all(recv, peer, incoming, max_len) => result,
    }
}

/// Writes what the board has for this audience, at a pace at which packets on other links do not wait
/// behind it.
async fn write_board(
    mut send: SendStream,
    mut board: watch::Receiver<Board>,
    audience: Audience,
    pace: Option<Pace>,
) -> Result<(), LinkError> {
    let (mut told, first) = board.borrow_and_update().first(audience);
    for message in first {
        write(&mut send, &message, pace.as_ref()).await?;
    }
    loop {
        let next = board.borrow_and_update().after(told, audience);
        let Some((number, message)) = next else {
            board.changed().await.map_err(|_| LinkError)?;
            continue;
        };
        told = number;
        write(&mut send, &message, pace.as_ref()).await?;
    }
}

async fn write(
    send: &mut SendStream,
    message: &[u8],
    pace: Option<&Pace>,
) -> Result<(), LinkError> {
    let len = u32::try_from(message.len()).map_err(|_| LinkError)?;
    if let Some(pace) = pace {
        pace.wait(len).await;
    }
    send.write_all(&len.to_be_bytes()).await.map_err(|_| LinkError)?;
    send.write_all(message).await.map_err(|_| LinkError)?;
    sleep(PER_BYTE * len).await;
    Ok(())
}

/// Reads messages, no faster than twice the pace at which they are written: what a peer sends, its
/// signatures among it, costs little however much it sends.
async fn read_all(
    mut recv: RecvStream,
    peer: NodeNumber,
    incoming: mpsc::Sender<(NodeNumber, Vec<u8>)>,
    max_len: usize,
) -> Result<(), LinkError> {
    loop {
        let message = read_message(&mut recv, max_len).await?;
        let pause = PER_BYTE / 2 * u32::try_from(message.len()).unwrap_or(u32::MAX);
        incoming.send((peer, message)).await.map_err(|_| LinkError)?;
        sleep(pause).await;
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

/// Pause after a message for each of its bytes: 500 kB a second.
const PER_BYTE: Duration = Duration::from_micros(2);
/// Bytes allocated ahead of what has arrived.
const PART: usize = 4096;
