//! A client's side: dials its relay and shows no key.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::time::timeout;

use crate::endpoint::{PeerAddress, SERVER_NAME};
use crate::shape::{Segmentation, Shape};
use crate::stream::{ClientLink, LinkError};
use crate::tls::{LinkKind, client_config};

/// Dials a relay, each time from a new socket, and opens a client link with cells of `cell_len`
/// bytes. Must be called within a tokio runtime.
///
/// # Errors
/// The relay does not answer, or what answers is not the relay of the roster.
pub async fn connect(
    peer: &PeerAddress,
    cell_len: usize,
    segmentation: Segmentation,
) -> Result<ClientLink, ConnectError> {
    let shape = Shape { segmentation, frame_len: cell_len };
    let config = client_config(LinkKind::Client, &peer.identity, None, shape);
    let mut last = ConnectError::Address;
    for address in &peer.addresses {
        let Ok(endpoint) = quinn::Endpoint::client(any(address)) else { continue };
        let dialed = endpoint.connect_with(config.clone(), *address, SERVER_NAME);
        let Ok(connecting) = dialed else { continue };
        // A relay that never grants the stream must not hold its client up for ever.
        let opened = timeout(TIME_OUT, async {
            let connection = connecting.await.map_err(|_| LinkError)?;
            ClientLink::open(connection, cell_len).await
        });
        last = match opened.await {
            Ok(Ok(link)) => return Ok(link),
            Ok(Err(LinkError)) => ConnectError::Refused(*address),
            Err(_) => ConnectError::NoAnswer(*address),
        };
    }
    Err(last)
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
