//! A client's side: dials its relay and shows no key.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use quinn::{Connecting, Endpoint};
use tokio::time::timeout;

use crate::endpoint::{PeerAddress, SERVER_NAME};
use crate::race;
use crate::shape::{Segmentation, Shape};
use crate::stream::{ClientLink, LinkError};
use crate::tls::{LinkKind, client_config};

/// Dials a relay at its addresses, each time from a new socket, and opens a client link with cells of
/// `cell_len` bytes. Must be called within a tokio runtime.
///
/// # Errors
/// The relay does not answer, or what answers is not the relay of the roster.
pub async fn connect(
    peer: &PeerAddress,
    cell_len: usize,
    segmentation: Segmentation,
) -> Result<ClientLink, ConnectError> {
    let shape = Shape { segmentation, frame_len: cell_len };
    let attempts = dial(peer, shape).map(|(address, connecting)| {
        // A relay that never grants the stream must not hold its client up for ever.
        answer(address, async move {
            ClientLink::open(connecting.await.map_err(|_| LinkError)?, cell_len).await
        })
    });
    race::first(attempts).await.map_err(|last| last.unwrap_or(ConnectError::Address))
}

/// Dials a relay or mix as a client would and ends the link at once. Gives the time that the handshake
/// took, in which the node has shown that it holds its identity key. Must be called within a tokio
/// runtime.
///
/// # Errors
/// The node does not answer, or what answers is not the node of the roster.
pub async fn reach(peer: &PeerAddress, cell_len: usize) -> Result<Duration, ConnectError> {
    let shape = Shape { segmentation: Segmentation::default(), frame_len: cell_len };
    let attempts = dial(peer, shape).map(|(address, connecting)| {
        answer(address, async move {
            let begun = Instant::now();
            connecting.await.map_err(|_| LinkError)?.close(0_u32.into(), b"");
            Ok(begun.elapsed())
        })
    });
    race::first(attempts).await.map_err(|last| last.unwrap_or(ConnectError::Address))
}

/// Dials the addresses of a node in their order, each when it is asked for.
fn dial(peer: &PeerAddress, shape: Shape) -> impl Iterator<Item = (SocketAddr, Connecting)> {
    let config = client_config(LinkKind::Client, &peer.identity, None, shape);
    peer.addresses.iter().filter_map(move |address| {
        let endpoint = Endpoint::client(any(address)).ok()?;
        let dialed = endpoint.connect_with(config.clone(), *address, SERVER_NAME);
        Some((*address, dialed.ok()?))
    })
}

/// Waits for what an address gives, for its time.
async fn answer<T>(
    address: SocketAddr,
    opening: impl Future<Output = Result<T, LinkError>>,
) -> Result<T, ConnectError> {
    match timeout(TIME_OUT, opening).await {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(LinkError)) => Err(ConnectError::Refused(address)),
        Err(_) => Err(ConnectError::NoAnswer(address)),
    }
}

/// An unbound address of this host, of the address family of `peer`.
fn any(peer: &SocketAddr) -> SocketAddr {
    if peer.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    }
}

/// Reason why a relay cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The relay has no address that can be dialed from here.
    #[error("none of the relay's addresses can be dialed from this host")]
    Address,
    /// Nothing came back from this address.
    #[error("no UDP answer from {0} within 10 s; is the relay up, and UDP let through?")]
    NoAnswer(SocketAddr),
    /// Something answered, but is not the relay of the roster, or closed the link.
    #[error("{0} refused the link, or is not the relay of the roster; is the roster up to date?")]
    Refused(SocketAddr),
}

/// Time to wait for an answer of each address: a person waits for it, and a bad network may take
/// three tries.
const TIME_OUT: Duration = Duration::from_secs(10);
