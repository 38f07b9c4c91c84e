//! The capture: what an observer of this machine's loopback sees of a local network, as a pcap.
//!
//! A packet socket takes every IPv4 packet of the machine; kept are the UDP datagrams with one of
//! the network's nodes at an end, clients' among them, and of nothing else a single byte. Stamped
//! by the kernel as they pass, so a busy machine does not blur the times. Datagrams after the
//! handshake are kept by their headers, for what follows is ciphertext.

mod datagram;
mod manifest;
mod pcap;
mod ports;
mod socket;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

pub use datagram::{Datagram, QuicHeader};
pub use manifest::{Manifest, ManifestClient, ManifestLink, ManifestNode};
pub use pcap::{PcapError, PcapReader, PcapWriter, Record};
pub(crate) use ports::own_udp_ports;
use socket::PacketSocket;

/// A capture that could begin: the system has granted the socket.
pub struct Sniffer {
    socket: PacketSocket,
    out: PcapWriter<BufWriter<File>>,
    path: PathBuf,
}

/// A running capture; it goes on until [`Self::finish`].
pub struct Capture {
    path: PathBuf,
    /// Socket that sends to itself: the first datagram from it is the end of the capture.
    knock: UdpSocket,
    thread: JoinHandle<io::Result<Counts>>,
}

/// Counts of a finished capture.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Datagrams in the file.
    pub kept: u64,
    /// Datagrams of any program that the kernel had no room for.
    pub missed: u64,
}

impl Sniffer {
    /// Opens the socket and begins the file.
    ///
    /// # Errors
    /// The right `CAP_NET_RAW` is missing, or the file cannot be written.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let socket = PacketSocket::open().map_err(CaptureError::socket)?;
        let out = File::create(path).map(BufWriter::new).and_then(PcapWriter::new);
        let out = out.map_err(|source| CaptureError::file(path, source))?;
        Ok(Self { socket, out, path: path.to_owned() })
    }

    /// Captures from now on what the nodes at these addresses send and get.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn start(self, nodes: HashSet<SocketAddr>) -> Result<Capture, CaptureError> {
        let Self { socket, out, path } = self;
        let knock = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(CaptureError::Socket)?;
        let end = knock.local_addr().map_err(CaptureError::Socket)?;
        knock.connect(end).map_err(CaptureError::Socket)?;
        let thread = std::thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || record(socket, out, &nodes, end))
            .map_err(CaptureError::Socket)?;
        Ok(Capture { path, knock, thread })
    }
}

impl Capture {
    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the capture, with all that has passed until now in the file.
    ///
    /// # Errors
    /// The file could not be written, or the socket failed.
    pub fn finish(self) -> Result<Counts, CaptureError> {
        while !self.thread.is_finished() {
            // One that finds no room on its way is followed by another.
            let _ = self.knock.send(&[0]);
            std::thread::sleep(KNOCKS);
        }
        let counts = self.thread.join().unwrap_or_else(|_| Err(io::Error::other("a bug")));
        counts.map_err(|source| CaptureError::file(&self.path, source))
    }

    /// Writes the manifest beside the file.
    ///
    /// # Errors
    /// The manifest cannot be written.
    pub fn write_manifest(capture: &Path, manifest: &Manifest) -> Result<(), CaptureError> {
        let path = Manifest::path(capture);
        std::fs::write(&path, manifest.render()).map_err(|source| CaptureError::file(&path, source))
    }
}

/// Takes datagrams until all that passed before the end are taken: the first datagram from `end`
/// closes the capture. Whatever passes on the machine's loopback may go on for ever, and the
/// machine's clock may be set meanwhile; the order of packets tells the end by neither.
fn record(
    mut socket: PacketSocket,
    mut out: PcapWriter<BufWriter<File>>,
    nodes: &HashSet<SocketAddr>,
    end: SocketAddr,
) -> io::Result<Counts> {
    let mut counts = Counts::default();
    loop {
        let Some(packet) = socket.next()? else { continue };
        counts.missed = counts.missed.max(u64::from(packet.missed));
        let Some(datagram) = Datagram::of(packet.bytes) else { continue };
        if datagram.from == end {
            break;
        }
        if nodes.contains(&datagram.from) || nodes.contains(&datagram.to) {
            let len = u32::from(datagram.len) + HEADERS;
            out.write(packet.at, datagram.kept(packet.bytes), len)?;
            counts.kept += 1;
        }
    }
    out.flush()?;
    Ok(counts)
}

/// Failures of a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The right is missing.
    #[error(
        "--capture needs the right to see the packets of this machine (CAP_NET_RAW); run it as \
         root, or give the program the right: sudo setcap cap_net_raw+ep {0}"
    )]
    Permission(PathBuf),
    /// The system gives no socket.
    #[error("the system gives no packet socket: {0}; --capture works on Linux only")]
    Socket(io::Error),
    /// The file.
    #[error("cannot write {path}: {source}; is there room, and is the directory yours?")]
    File {
        /// The file.
        path: PathBuf,
        /// Answer of the system.
        source: io::Error,
    },
}

impl CaptureError {
    fn socket(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::PermissionDenied {
            let program = std::env::current_exe();
            Self::Permission(program.unwrap_or_else(|_| PathBuf::from("PROGRAM")))
        } else {
            Self::Socket(source)
        }
    }

    fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    /// 77 without the right, 73 for the file, 71 else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Permission(_) => 77,
            Self::File { .. } => 73,
            Self::Socket(_) => 71,
        }
    }
}

/// Time between two datagrams that end a capture.
const KNOCKS: Duration = Duration::from_millis(50);
/// IPv4 and UDP headers; loopback has no options.
const HEADERS: u32 = 28;
