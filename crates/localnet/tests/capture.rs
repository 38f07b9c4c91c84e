//! A capture ends when it is told to, whatever else passes on the machine's loopback.

use std::collections::HashSet;
use std::io::Write as _;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rohrpost_localnet::capture::{CaptureError, Sniffer};
use tempfile::TempDir;

/// Sends to a port of its own, without a pause that a capture could end in, until it is dropped.
struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Neighbour {
    fn start() -> Self {
        let [from, to] =
            [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port"));
        to.set_nonblocking(true).expect("a socket can be made not to wait");
        let port = to.local_addr().expect("the socket is bound");
        from.connect(port).expect("loopback is there");
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                from.send(&DATAGRAM).expect("loopback takes a datagram");
                while to.recv(&mut [0; 128]).is_ok() {}
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// Opens a capture. Where the right is missing this says so past the test harness, and fails if the
/// environment demands it.
fn open(file: &Path) -> Option<Sniffer> {
    let opened = Sniffer::open(file);
    if let Err(error @ CaptureError::Permission(_)) = &opened {
        assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, but: {error}");
        let _ = writeln!(std::io::stderr(), "SKIPPED: no capture was tested: {error}");
        return None;
    }
    Some(opened.expect("the directory is writable, and this is Linux"))
}

#[test]
fn a_capture_ends_while_others_go_on() {
    let scratch = TempDir::new().unwrap();
    let Some(sniffer) = open(&scratch.path().join("end.pcap")) else { return };
    let _neighbour = Neighbour::start();
    let node = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = node.local_addr().unwrap();
    let capture = sniffer.start(HashSet::from([address])).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    for _ in 0..DATAGRAMS {
        client.send_to(&DATAGRAM, address).unwrap();
    }
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(capture.finish()));
    let ended = ended.recv_timeout(Duration::from_secs(5));
    let counts = ended.expect("the capture ends within five seconds").unwrap();
    assert_eq!(counts.kept, DATAGRAMS, "all that had passed, and nothing of the others");
}

const DATAGRAMS: u64 = 20;
/// A datagram with the form of QUIC's short header.
const DATAGRAM: [u8; 100] = [0x40; 100];
/// Variable that is set where captures must work, so that a missing right fails the test.
const REQUIRED: &str = "ROHRPOST_REQUIRE_CAPTURE";
