//! The packet socket: every IPv4 packet of the machine, stamped by the kernel.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimeout, ReceiveTimestampns, RxqOvfl};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket,
};
use nix::sys::time::{TimeSpec, TimeVal};

/// Gets every IPv4 packet of the machine, without a link layer.
pub(super) struct PacketSocket {
    socket: OwnedFd,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

/// A packet.
pub(super) struct Packet<'a> {
    /// Time at which the packet passed, since the Unix epoch.
    pub(super) at: Duration,
    /// Beginning of the packet, at most [`BUFFER`] bytes.
    pub(super) bytes: &'a [u8],
    /// Packets that the kernel had no room for so far.
    pub(super) missed: u32,
}

impl PacketSocket {
    /// Opens a socket for one protocol, not all: then the system hands over each packet of the
    /// loopback once.
    pub(super) fn open() -> io::Result<Self> {
        let (family, kind) = (AddressFamily::Packet, SockType::Datagram);
        let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, SockProtocol::EthIp)?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        setsockopt(&socket, RxqOvfl, &1)?;
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(0, PATIENCE_MICROS))?;
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN; what is missed is counted anyway.
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            let _ = setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER);
        }
        let control = nix::cmsg_space!(TimeSpec, u32);
        Ok(Self { socket, buffer: vec![0; BUFFER], control })
    }

    /// The next packet; none if none comes for a while.
    pub(super) fn next(&mut self) -> io::Result<Option<Packet<'_>>> {
        let mut parts = [IoSliceMut::new(&mut self.buffer)];
        let (socket, control) = (self.socket.as_raw_fd(), Some(&mut self.control[..]));
        let received = recvmsg::<()>(socket, &mut parts, control, MsgFlags::empty());
        let received = match received {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (mut at, mut missed) = (Duration::ZERO, 0);
        for message in received.cmsgs()? {
            match message {
                ControlMessageOwned::ScmTimestampns(time) => at = Duration::from(time),
                ControlMessageOwned::RxqOvfl(count) => missed = count,
                _ => {}
            }
        }
        let len = received.bytes;
        Ok(Some(Packet { at, bytes: &self.buffer[..len], missed }))
    }
}

/// More than any datagram of a link; of longer packets of other programs the rest is cut.
const BUFFER: usize = 2048;
/// Bytes that may wait for the thread: about 25 000 datagrams.
const RECEIVE_BUFFER: usize = 64 * 1024 * 1024;
/// Longest wait of the socket.
const PATIENCE_MICROS: i64 = 50_000;
