//! Cells leave whole, whatever the line does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_transport::{
    Accepted, Buffers, EndpointConfig, NodeEndpoint, PeerAddress, Peers, Segmentation, connect,
};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A hybrid cell, which takes eleven datagrams.
const LEN: usize = 12_296;
const DATAGRAMS: usize = 11;
const CELLS: usize = 20;

/// A line between one client and its relay that can hold back what the relay answers.
struct Line {
    address: SocketAddr,
    from_client: Arc<AtomicUsize>,
    mute: Arc<AtomicBool>,
    _ways: JoinSet<()>,
}

impl Line {
    async fn to(relay: SocketAddr) -> Self {
        let any = "127.0.0.1:0";
        let near = Arc::new(UdpSocket::bind(any).await.expect("loopback has a port"));
        let far = Arc::new(UdpSocket::bind(any).await.expect("loopback has a port"));
        far.connect(relay).await.expect("loopback is there");
        let address = near.local_addr().expect("the socket is bound");
        let (from_client, mute) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut ways = JoinSet::new();
        let (count, there, back) = (Arc::clone(&from_client), Arc::clone(&near), Arc::clone(&far));
        let (client, mut known) = tokio::sync::watch::channel(None);
        ways.spawn(async move {
            let mut datagram = [0; 2048];
            while let Ok((len, from)) = there.recv_from(&mut datagram).await {
                client.send_replace(Some(from));
                count.fetch_add(1, Ordering::SeqCst);
                let _ = back.send(&datagram[..len]).await;
            }
        });
        let muted = Arc::clone(&mute);
        ways.spawn(async move {
            let mut datagram = [0; 2048];
            let client = *known.wait_for(Option::is_some).await.expect("the client begins");
            let client = client.expect("the wait was for an address");
            while let Ok(len) = far.recv(&mut datagram).await {
                if !muted.load(Ordering::SeqCst) {
                    let _ = near.send_to(&datagram[..len], client).await;
                }
            }
        });
        Self { address, from_client, mute, _ways: ways }
    }
}

/// Checks that twenty cells leave although none is acknowledged. A congestion window would hold
/// back most of them; the few probes that QUIC sends for lost acknowledgements are not so many.
#[tokio::test]
async fn cells_leave_without_waiting_for_acknowledgements() {
    let key = Arc::new(SigningKey::from_seed(&[1; 32]));
    let config = EndpointConfig {
        peers: Peers::default(),
        relay: true,
        frame_len: LEN,
        buffers: Buffers::Heap,
        segmentation: Segmentation::Single,
    };
    let any = ([127, 0, 0, 1], 0).into();
    let relay = NodeEndpoint::bind(any, Arc::clone(&key), config).expect("loopback has a port");
    let line = Line::to(relay.local_addr().expect("the socket is bound")).await;
    let peer = PeerAddress {
        number: NodeNumber::new(1),
        identity: key.public(),
        addresses: vec![line.address],
    };
    let mut client = connect(&peer, LEN, Segmentation::Single).await.expect("the relay answers");
    let Some(Accepted::Client(_served)) = relay.accept().await else { panic!("no client link") };
    line.mute.store(true, Ordering::SeqCst);
    let mut due = line.from_client.load(Ordering::SeqCst);
    let all = async {
        for _ in 0..CELLS {
            client.sender.send(&[7; LEN]).await.expect("the link is up");
            due += DATAGRAMS;
            while line.from_client.load(Ordering::SeqCst) < due {
                tokio::task::yield_now().await;
            }
        }
    };
    timeout(Duration::from_secs(9), all).await.expect("all cells have left");
}
