//! A client's side: dials its relay, shows no key.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::time::timeout;

use crate::endpoint::{HANDSHAKE, PeerAddress, SERVER_NAME};
use crate::stream::ClientLink;
use crate::tls::{LinkKind, client_config};

/// Dials relays from a socket of its own.
pub struct ClientConnector {
    endpoint: quinn::Endpoint,
}

impl ClientConnector {
    /// Binds a socket for addresses like `peer`'s. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The system gives no UDP socket.
    pub fn bind(peer: &PeerAddress) -> io::Result<Self> {
        let v4 = peer.addresses.first().is_none_or(SocketAddr::is_ipv4);
        let any: SocketAddr =
            if v4 { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        Ok(Self { endpoint: quinn::Endpoint::client(any)? })
    }

    /// Dials a relay and opens a client link with cells of `cell_len` bytes.
    ///
    /// # Errors
    /// It does not answer, or is not the relay of the roster.
    pub async fn connect(
        &self,
        peer: &PeerAddress,
        cell_len: usize,
    ) -> Result<ClientLink, ConnectError> {
        let config = client_config(LinkKind::Client, &peer.identity, None);
        let mut last = ConnectError::Address;
        for address in &peer.addresses {
            let dialed = self.endpoint.connect_with(config.clone(), *address, SERVER_NAME);
            let Ok(connecting) = dialed else { continue };
            last = match timeout(HANDSHAKE, connecting).await {
                Ok(Ok(connection)) => {
                    let link = ClientLink::open(connection, cell_len).await;
                    return link.map_err(|_| ConnectError::Refused(*address));
                }
                Ok(Err(_)) => ConnectError::Refused(*address),
                Err(_) => ConnectError::NoAnswer(*address),
            };
        }
        Err(last)
    }
}

/// Why a relay cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// None of its addresses can be dialed from here.
    #[error("none of the relay's addresses can be dialed from this host")]
    Address,
    /// Nothing came back.
    #[error("no UDP answer from {0} within 5 s; is the relay up, and UDP let through?")]
    NoAnswer(SocketAddr),
    /// Something answered, but is not the relay of the roster, or closed the link.
    #[error("{0} refused the link, or is not the relay of the roster; is the roster up to date?")]
    Refused(SocketAddr),
}
