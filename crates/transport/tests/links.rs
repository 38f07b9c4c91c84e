//! Links over real sockets on loopback.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::{Buffer, BufferPool, HEADROOM, NodeNumber};
use rohrpost_proto::directory::board::{Audience, Board};
use rohrpost_proto::directory::control::Place;
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_transport::{
    Accepted, Arrival, BindError, Buffers, ConnectError, ControlChannels, ControlDialer,
    EndpointConfig, FrameReceiver, LINK_WINDOW, LinkChange, LinkError, NodeEndpoint, Pace,
    PacketOutbox, PeerAddress, Peers, Segmentation, ServedLink, connect, exchange,
};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

const LEN: usize = 2568;
const RELAY: u8 = 1;
const MIX: u8 = 2;
const STRANGER: u8 = 9;

fn key(node: u8) -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed(&[node; 32]))
}

fn number(node: u8) -> NodeNumber {
    NodeNumber::new(u32::from(node))
}

fn frame(filled: u8) -> Buffer {
    vec![filled; LEN].into_boxed_slice().into()
}

/// Waits for the next frame or cell, which must have had a buffer.
async fn received(frames: &mut FrameReceiver) -> Vec<u8> {
    within(frames.recv()).await.expect("the link is up").expect("there are buffers").to_vec()
}

/// A node that knows relay 1 and mix 2 and takes packets from the mix.
fn endpoint(node: u8, listen: SocketAddr) -> Result<NodeEndpoint, BindError> {
    endpoint_with(node, listen, Buffers::Heap)
}

fn endpoint_with(
    node: u8,
    listen: SocketAddr,
    buffers: Buffers,
) -> Result<NodeEndpoint, BindError> {
    let peers = [RELAY, MIX].map(|peer| (key(peer).public(), number(peer)));
    let config = EndpointConfig {
        peers: Peers { nodes: HashMap::from(peers), predecessors: HashSet::from([number(MIX)]) },
        relay: node == RELAY,
        frame_len: LEN,
        buffers,
        segmentation: Segmentation::Single,
    };
    NodeEndpoint::bind(listen, key(node), config)
}

fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// Channels whose messages have at most 6000 bytes.
fn channels(
    board: watch::Receiver<Board>,
    incoming: mpsc::Sender<(NodeNumber, Vec<u8>)>,
) -> ControlChannels {
    ControlChannels {
        board,
        audience: Audience::All,
        incoming,
        max_len: 6000,
        pace: Some(Pace::default()),
    }
}

fn address(of: &NodeEndpoint, node: u8) -> PeerAddress {
    PeerAddress {
        number: number(node),
        identity: key(node).public(),
        addresses: vec![of.local_addr().expect("the socket is bound")],
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(30), future).await.expect("within 30 s")
}

fn outbox(from: &NodeEndpoint, to: PeerAddress) -> (PacketOutbox, mpsc::Receiver<LinkChange>) {
    let (sender, states) = mpsc::channel(16);
    let outbox = PacketOutbox::connect(from, to, 100, move |up| {
        let _ = sender.try_send(up);
    });
    (outbox, states)
}

#[tokio::test]
async fn frames_arrive_whole_and_in_order_from_a_node_of_the_roster() {
    let (relay, mix) = (endpoint(RELAY, any()).unwrap(), endpoint(MIX, any()).unwrap());
    let (outbox, mut states) = outbox(&mix, address(&relay, RELAY));
    assert_eq!(within(states.recv()).await, Some(LinkChange::Up));
    for i in 0..50 {
        outbox.try_send(frame(i)).unwrap();
    }
    let Some(Accepted::Packet { from, mut frames, .. }) = within(relay.accept()).await else {
        panic!("no packet link")
    };
    assert_eq!(from, number(MIX));
    for i in 0..50 {
        assert_eq!(received(&mut frames).await, vec![i; LEN]);
    }
    let bytes = u64::try_from(50 * LEN).unwrap();
    assert_eq!(outbox.sent_bytes(), bytes);
    assert_eq!(relay.received_bytes(), BTreeMap::from([(number(MIX), bytes)]));
}

/// Checks that a long flow in one direction keeps moving.
///
/// The side that only receives sends nothing but padded acknowledgements, credits and pings, which
/// must not get into each other's way: 60 megabytes are 900 credits. Frames leave a few at a time,
/// as from a mix, in changing numbers, so that credits meet every count of acknowledgements on the
/// way. A stand costs seconds, until a ping ends it or the link idles out; the whole takes one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_flow_one_way_does_not_come_to_a_stand() {
    let (relay, mix) = (endpoint(RELAY, any()).unwrap(), endpoint(MIX, any()).unwrap());
    let (outbox, mut states) = outbox(&mix, address(&relay, RELAY));
    assert_eq!(within(states.recv()).await, Some(LinkChange::Up));
    outbox.try_send(frame(1)).unwrap();
    let Some(Accepted::Packet { mut frames, .. }) = within(relay.accept()).await else {
        panic!("no packet link")
    };
    within(async {
        frames.recv().await.unwrap();
        for round in 0..6_000_usize {
            let burst = 1 + round * round % 7;
            for _ in 0..burst {
                outbox.try_send(frame(1)).unwrap();
            }
            for _ in 0..burst {
                let received = frames.recv().await;
                assert!(received.is_ok(), "the link was lost in round {round}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn strangers_and_nodes_out_of_order_are_refused() {
    let relay = endpoint(RELAY, any()).unwrap();
    let stranger = endpoint(STRANGER, any()).unwrap();
    let (_outbox, mut strange) = outbox(&stranger, address(&relay, RELAY));
    let mix = endpoint(MIX, any()).unwrap();
    let (_backwards, mut backwards) = outbox(&relay, address(&mix, MIX));
    within(async {
        while relay.refused() == 0 || mix.refused() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(strange.try_recv().is_err(), "a refused link is never up");
    assert!(backwards.try_recv().is_err(), "a refused link is never up");
}

#[tokio::test]
async fn a_peer_with_another_key_is_not_spoken_to() {
    let relay = endpoint(RELAY, any()).unwrap();
    let mut wrong = address(&relay, RELAY);
    wrong.identity = key(STRANGER).public();
    let refused = within(connect(&wrong, LEN, Segmentation::Offload)).await;
    assert!(matches!(refused, Err(ConnectError::Refused(_))));
}

#[tokio::test]
async fn an_outbox_comes_back_after_its_peer() {
    let mix = endpoint(MIX, any()).unwrap();
    let relay = endpoint(RELAY, any()).unwrap();
    let peer = address(&relay, RELAY);
    let (outbox, mut states) = outbox(&mix, peer.clone());
    assert_eq!(within(states.recv()).await, Some(LinkChange::Up));
    drop(relay);
    assert_eq!(within(states.recv()).await, Some(LinkChange::Down { lost: 0 }));
    assert!(outbox.try_send(frame(0)).is_err());
    let again = within(async {
        loop {
            match endpoint(RELAY, peer.addresses[0]) {
                Ok(endpoint) => break endpoint,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert_eq!(within(states.recv()).await, Some(LinkChange::Up));
    outbox.try_send(frame(7)).unwrap();
    let Some(Accepted::Packet { mut frames, .. }) = within(again.accept()).await else {
        panic!("no packet link")
    };
    assert_eq!(received(&mut frames).await, vec![7; LEN]);
}

/// Polls the relay's side of a link, which has no task, as the ticks of a session do.
async fn polled(served: &mut ServedLink) -> Arrival {
    within(async {
        loop {
            if let Some(arrival) = served.poll_cell().expect("the link is up") {
                return arrival;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_client_without_a_key_sends_and_receives_cells() {
    let relay = endpoint(RELAY, any()).unwrap();
    let peer = address(&relay, RELAY);
    let mut client = within(connect(&peer, LEN, Segmentation::Single)).await.unwrap();
    let Some(Accepted::Client(mut served)) = within(relay.accept()).await else {
        panic!("no client link")
    };
    assert!(served.poll_cell().unwrap().is_none(), "nothing has come yet");
    for i in 1..4 {
        client.sender.send(&[i; LEN]).await.unwrap();
    }
    for i in 1..4 {
        let Arrival::Cell(cell) = polled(&mut served).await else { panic!("there are buffers") };
        assert_eq!(*cell, [i; LEN]);
    }
    assert_eq!(served.send(frame(4)), Ok(true));
    assert_eq!(received(&mut client.receiver).await, [4; LEN]);
    drop(client);
    within(async {
        while served.poll_cell().is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(served.send(frame(5)).is_err(), "a link that is gone takes no cell");
}

/// A change of the way between a client and its relay.
enum Move {
    /// The client's packets come from an address of this host.
    From(&'static str),
    /// The relay's address leads to another process; that before is not heard any more.
    To(SocketAddr),
}

/// A NAT between a client and its relay, and how it changes.
async fn translate(inside: UdpSocket, mut relay: SocketAddr, mut moves: mpsc::Receiver<Move>) {
    let bind = async |host: &str| UdpSocket::bind((host, 0)).await.expect("a host of loopback");
    let (mut up, mut down) = ([0; 2048], [0; 2048]);
    let mut outside = bind("127.0.0.1").await;
    let mut client = None;
    loop {
        tokio::select! {
            Ok((len, from)) = inside.recv_from(&mut up) => {
                client = Some(from);
                let _ = outside.send_to(&up[..len], relay).await;
            }
            Ok((len, _)) = outside.recv_from(&mut down) => {
                let client = client.expect("the relay answers the client");
                let _ = inside.send_to(&down[..len], client).await;
            }
            Some(change) = moves.recv() => match change {
                Move::From(host) => outside = bind(host).await,
                Move::To(other) => (relay, outside) = (other, bind("127.0.0.1").await),
            },
            else => return,
        }
    }
}

/// Checks that a client stays linked when its NAT takes another port, and not when it has moved to
/// another host: kept, the link would tell an observer of both networks who moved.
#[tokio::test]
async fn a_client_keeps_its_link_over_another_port_and_not_over_another_host() {
    let relay = endpoint(RELAY, any()).unwrap();
    let inside = UdpSocket::bind(any()).await.unwrap();
    let peer =
        PeerAddress { addresses: vec![inside.local_addr().unwrap()], ..address(&relay, RELAY) };
    let (moves, moved) = mpsc::channel(1);
    let nat = tokio::spawn(translate(inside, relay.local_addr().unwrap(), moved));
    let mut client = within(connect(&peer, LEN, Segmentation::Single)).await.unwrap();
    let Some(Accepted::Client(mut served)) = within(relay.accept()).await else {
        panic!("no client link")
    };
    client.sender.send(&[1; LEN]).await.unwrap();
    assert!(matches!(polled(&mut served).await, Arrival::Cell(_)));
    for number in 2..4 {
        moves.send(Move::From("127.0.0.1")).await.unwrap();
        client.sender.send(&[number; LEN]).await.unwrap();
        assert!(matches!(polled(&mut served).await, Arrival::Cell(_)), "from another port");
    }
    moves.send(Move::From("127.0.0.2")).await.unwrap();
    client.sender.send(&[9; LEN]).await.unwrap();
    within(async {
        while !matches!(served.poll_cell(), Err(LinkError)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(served);
    assert!(within(client.receiver.recv()).await.is_err(), "the relay has closed the link");
    nat.abort();
}

/// Checks that a client whose relay was killed and started anew learns so from the new process. Else its
/// link would be silent for ten seconds.
#[tokio::test]
async fn a_restarted_relay_tells_clients_that_their_links_are_gone() {
    let (before, after) = (endpoint(RELAY, any()).unwrap(), endpoint(RELAY, any()).unwrap());
    let inside = UdpSocket::bind(any()).await.unwrap();
    let peer =
        PeerAddress { addresses: vec![inside.local_addr().unwrap()], ..address(&before, RELAY) };
    let (moves, moved) = mpsc::channel(1);
    let nat = tokio::spawn(translate(inside, before.local_addr().unwrap(), moved));
    let mut client = within(connect(&peer, LEN, Segmentation::Single)).await.unwrap();
    let Some(Accepted::Client(_served)) = within(before.accept()).await else {
        panic!("no client link")
    };
    moves.send(Move::To(after.local_addr().unwrap())).await.unwrap();
    client.sender.send(&[1; LEN]).await.unwrap();
    let told = timeout(Duration::from_secs(5), client.receiver.recv()).await;
    assert!(told.expect("the new process says so").is_err());
    nat.abort();
}

/// Checks that the cells for a client that never reads are shed, once QUIC's window is full, and
/// that no more than a few wait for it.
#[tokio::test]
async fn cells_for_a_client_that_does_not_read_are_shed() {
    let relay = endpoint(RELAY, any()).unwrap();
    let _client =
        within(connect(&address(&relay, RELAY), LEN, Segmentation::Single)).await.unwrap();
    let Some(Accepted::Client(mut served)) = within(relay.accept()).await else {
        panic!("no client link")
    };
    let most = 2 * LINK_WINDOW / LEN;
    let sent = (0..most).take_while(|_| served.send(frame(1)) == Ok(true)).count();
    assert!(sent < most, "{sent} cells were taken");
}

/// Checks that a frame without a buffer is read and shed, and that the frames after it arrive when
/// buffers are free again.
#[tokio::test]
async fn frames_without_a_buffer_are_shed_and_the_link_goes_on() {
    let pool = BufferPool::new(1, LEN - HEADROOM);
    let buffers = Buffers::Pool(Arc::clone(&pool));
    let relay = endpoint_with(RELAY, any(), buffers).unwrap();
    let mix = endpoint(MIX, any()).unwrap();
    let (outbox, mut states) = outbox(&mix, address(&relay, RELAY));
    assert_eq!(within(states.recv()).await, Some(LinkChange::Up));
    for i in 1..4 {
        outbox.try_send(frame(i)).unwrap();
    }
    let Some(Accepted::Packet { mut frames, .. }) = within(relay.accept()).await else {
        panic!("no packet link")
    };
    let first = within(frames.recv()).await.unwrap().expect("there is one buffer");
    assert!(within(frames.recv()).await.unwrap().is_none(), "and no second one");
    assert_eq!(*first, [1; LEN]);
    drop(first);
    assert_eq!(received(&mut frames).await, vec![3; LEN]);
    assert_eq!(pool.fill(), (1, 1));
}

#[tokio::test]
async fn control_messages_go_both_ways_and_long_ones_end_the_link() {
    let (relay, mix) = (endpoint(RELAY, any()).unwrap(), endpoint(MIX, any()).unwrap());
    let post = |board: &mut Board, place: Place, len: usize| {
        board.post(Audience::All, place, vec![3; len].into());
    };
    let board = |len| {
        let mut board = Board::default();
        post(&mut board, Place::Announcement, len);
        board
    };
    let (from_mix, mix_says) = watch::channel(board(5000));
    let (to_mix, mut mix_hears) = mpsc::channel(8);
    let (states_in, mut states) = mpsc::channel(16);
    let changed = move |up| {
        let _ = states_in.try_send(up);
    };
    let peer = address(&relay, RELAY);
    let _dialer = ControlDialer::connect(&mix, peer, channels(mix_says, to_mix), changed);
    let Some(Accepted::Control { from, link, .. }) = within(relay.accept()).await else {
        panic!("no control link")
    };
    assert_eq!(from, number(MIX));
    let (_from_relay, relay_says) = watch::channel(board(10));
    let (to_relay, mut relay_hears) = mpsc::channel(8);
    let run = tokio::spawn(exchange(link, from, channels(relay_says, to_relay)));
    assert_eq!(within(relay_hears.recv()).await.unwrap().1.len(), 5000);
    assert_eq!(within(mix_hears.recv()).await.unwrap(), (number(RELAY), vec![3; 10]));
    from_mix.send_modify(|board| post(board, Place::Announcement, 5001));
    from_mix.send_modify(|board| post(board, Place::Clock, 5002));
    for len in [5001, 5002] {
        assert_eq!(within(relay_hears.recv()).await.unwrap().1.len(), len);
    }
    from_mix.send_modify(|board| post(board, Place::Clock, 6001));
    assert!(within(run).await.unwrap().is_err());
    assert_eq!(within(states.recv()).await, Some(LinkChange::Up));
    assert_eq!(within(states.recv()).await, Some(LinkChange::Down { lost: 0 }));
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_remedy() {
    let relay = endpoint(RELAY, any()).unwrap();
    let address = relay.local_addr().unwrap();
    let error = endpoint(MIX, address).err().expect("the port is taken").to_string();
    let port = address.port().to_string();
    assert!(error.contains(&port) && error.contains("choose another port"), "{error}");
}
