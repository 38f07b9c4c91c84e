//! Reading of a packet without any key: IPv4 (RFC 791), UDP (RFC 768), and the form of QUIC's
//! header (RFC 9000, section 17; RFC 8999 for versions that are not ours).

use std::net::{Ipv4Addr, SocketAddr};

/// A UDP datagram in an IPv4 packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Address of the sender.
    pub from: SocketAddr,
    /// Address of the receiver.
    pub to: SocketAddr,
    /// Bytes that UDP carries.
    pub len: u16,
    /// The QUIC header that it begins with.
    pub header: QuicHeader,
}

/// Form of a QUIC header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum QuicHeader {
    /// Begins a handshake; later Handshake packets may share the datagram.
    Initial,
    /// Early data, which no link of ours sends.
    EarlyData,
    /// The handshake.
    Handshake,
    /// Asks a client to prove its address.
    Retry,
    /// Another version.
    Version,
    /// Any packet after the handshake.
    Short,
}

impl Datagram {
    /// Reads a packet, of which the headers are enough; nothing if it is no datagram, or a
    /// fragment.
    #[must_use]
    pub fn of(packet: &[u8]) -> Option<Self> {
        let header_len = usize::from(packet.first()? & 0x0f) * 4;
        let header = packet.get(..header_len.max(IPV4_HEADER))?;
        let udp = packet.get(header_len..)?;
        let payload = udp.get(UDP_HEADER..)?;
        // Flags and offset: only "don't fragment" may be set.
        let whole = u16::from_be_bytes([header[6] & 0xbf, header[7]]) == 0;
        if header[0] >> 4 != 4 || header[9] != PROTOCOL_UDP || !whole {
            return None;
        }
        let end = |address: usize, port: usize| {
            let address: [u8; 4] = *header[address..].first_chunk()?;
            let port = u16::from_be_bytes(*udp[port..].first_chunk()?);
            Some(SocketAddr::from((Ipv4Addr::from(address), port)))
        };
        Some(Self {
            from: end(12, 0)?,
            to: end(16, 2)?,
            len: u16::from_be_bytes([udp[4], udp[5]]).checked_sub(8)?,
            header: QuicHeader::of(payload)?,
        })
    }

    /// The bytes that a capture keeps of the packet: handshakes whole, else IP and UDP headers and
    /// QUIC's short header with some room, for what follows is ciphertext.
    #[must_use]
    pub fn kept<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        match self.header {
            QuicHeader::Short => &packet[..packet.len().min(SHORT_KEPT)],
            _ => packet,
        }
    }
}

impl QuicHeader {
    fn of(payload: &[u8]) -> Option<Self> {
        let first = payload.first()?;
        if first & 0x80 == 0 {
            return Some(Self::Short);
        }
        if payload.get(1..5)? != QUIC_1 {
            return Some(Self::Version);
        }
        Some(match first >> 4 & 3 {
            0 => Self::Initial,
            1 => Self::EarlyData,
            2 => Self::Handshake,
            _ => Self::Retry,
        })
    }

    /// Name of the form in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "Initial",
            Self::EarlyData => "0-RTT",
            Self::Handshake => "Handshake",
            Self::Retry => "Retry",
            Self::Version => "other version",
            Self::Short => "after the handshake",
        }
    }
}

const IPV4_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const PROTOCOL_UDP: u8 = 17;
const QUIC_1: [u8; 4] = 1_u32.to_be_bytes();
const SHORT_KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload: &[u8]) -> Vec<u8> {
        let len = |more: usize| u16::try_from(more + payload.len()).unwrap().to_be_bytes();
        let (ip, udp) = (len(28), len(8));
        let ip = [0x45, 0, ip[0], ip[1], 0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2];
        let udp = [0x11, 0x51, 0x30, 0x39, udp[0], udp[1], 0, 0];
        [&ip[..], &udp, payload].concat()
    }

    #[test]
    fn ends_length_and_header_are_read() {
        let bytes = packet(&[0x40; 1200]);
        let datagram = Datagram::of(&bytes).unwrap();
        let expected = Datagram {
            from: "127.0.0.1:4433".parse().unwrap(),
            to: "127.0.0.2:12345".parse().unwrap(),
            len: 1200,
            header: QuicHeader::Short,
        };
        assert_eq!(datagram, expected);
        assert_eq!(Datagram::of(datagram.kept(&bytes)), Some(expected), "what is kept is enough");
    }

    #[test]
    fn headers_are_told_apart_and_handshakes_kept_whole() {
        let headers = [
            (0xc3, 1, QuicHeader::Initial),
            (0xd0, 1, QuicHeader::EarlyData),
            (0xe1, 1, QuicHeader::Handshake),
            (0xf0, 1, QuicHeader::Retry),
            (0xc0, 0, QuicHeader::Version),
        ];
        for (first, version, header) in headers {
            let bytes = packet(&[&[first, 0, 0, 0, version][..], &[9; 1100]].concat());
            let datagram = Datagram::of(&bytes).unwrap();
            assert_eq!(datagram.header, header);
            assert_eq!(datagram.kept(&bytes), bytes);
        }
    }

    #[test]
    fn what_is_no_whole_datagram_is_left_out() {
        let good = packet(&[0x40; 100]);
        for len in 0..=28 {
            assert_eq!(Datagram::of(&good[..len]), None, "{len} bytes");
        }
        for (place, value, what) in
            [(0, 0x65, "IPv6"), (9, 6, "TCP"), (6, 0x20, "more fragments"), (7, 1, "a fragment")]
        {
            let mut other = good.clone();
            other[place] = value;
            assert_eq!(Datagram::of(&other), None, "{what}");
        }
    }
}
