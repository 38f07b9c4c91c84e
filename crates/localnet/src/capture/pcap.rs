//! Classic pcap. Written: IP packets without a link layer, nanoseconds, as Wireshark and tcpdump
//! read it. Read: either byte order, micro- or nanoseconds, IP with or without Ethernet.

use std::io::{self, Read, Write};
use std::time::Duration;

/// A pcap file that is being written.
pub struct PcapWriter<W: Write>(W);

impl<W: Write> PcapWriter<W> {
    /// Begins a file with its header.
    ///
    /// # Errors
    /// The output does not take the header.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&NANOS.to_le_bytes())?;
        out.write_all(&VERSION.0.to_le_bytes())?;
        out.write_all(&VERSION.1.to_le_bytes())?;
        // Time zone and accuracy of the stamps: always zero.
        out.write_all(&[0; 8])?;
        out.write_all(&SNAP_LEN.to_le_bytes())?;
        out.write_all(&LINKTYPE_RAW.to_le_bytes())?;
        Ok(Self(out))
    }

    /// Adds a packet of `len` bytes, of which `kept` are its first ones; `at` counts from the Unix
    /// epoch.
    ///
    /// # Errors
    /// The output does not take the bytes.
    pub fn write(&mut self, at: Duration, kept: &[u8], len: u32) -> io::Result<()> {
        let seconds = u32::try_from(at.as_secs()).map_err(io::Error::other)?;
        let kept_len = u32::try_from(kept.len()).map_err(io::Error::other)?;
        for field in [seconds, at.subsec_nanos(), kept_len, len] {
            self.0.write_all(&field.to_le_bytes())?;
        }
        self.0.write_all(kept)
    }

    /// Hands on what is still buffered.
    ///
    /// # Errors
    /// The output does not take the bytes.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A packet of a capture.
pub struct Record {
    /// Time at which the packet passed, since the Unix epoch.
    pub at: Duration,
    /// Bytes that were kept of it, from the IP header on; empty if it is no IPv4.
    pub bytes: Vec<u8>,
}

/// Reads a capture packet by packet.
pub struct PcapReader<R: Read> {
    input: R,
    number: Number,
    nanos_per_unit: u32,
    link: Link,
    /// Bytes read so far.
    offset: u64,
}

/// Reads a number in the byte order of the file.
type Number = fn([u8; 4]) -> u32;

#[derive(Clone, Copy)]
enum Link {
    Raw,
    Ethernet,
}

impl<R: Read> PcapReader<R> {
    /// Reads the file's header.
    ///
    /// # Errors
    /// The file is no classic pcap of IP packets.
    pub fn new(mut input: R) -> Result<Self, PcapError> {
        let mut header = [0; FILE_HEADER];
        let read = fill(&mut input, &mut header)?;
        let magic = header[..4].try_into().expect("four bytes");
        let (little, big): (Number, Number) = (u32::from_le_bytes, u32::from_be_bytes);
        let (number, nanos_per_unit) = match (little(magic), big(magic)) {
            (MICROS, _) => (little, 1000),
            (NANOS, _) => (little, 1),
            (_, MICROS) => (big, 1000),
            (_, NANOS) => (big, 1),
            (PCAPNG, _) => return Err(PcapError::NextGeneration),
            _ => return Err(PcapError::Magic(magic)),
        };
        if read < FILE_HEADER {
            return Err(PcapError::Truncated { offset: 0 });
        }
        let link = match field(&header, 20, number) & 0x0fff_ffff {
            1 => Link::Ethernet,
            12 | 101 | 228 => Link::Raw,
            other => return Err(PcapError::Link(other)),
        };
        Ok(Self { input, number, nanos_per_unit, link, offset: offset(FILE_HEADER) })
    }

    /// The next packet.
    ///
    /// # Errors
    /// The file is damaged or cut off.
    fn record(&mut self) -> Result<Option<Record>, PcapError> {
        let mut header = [0; RECORD_HEADER];
        let read = fill(&mut self.input, &mut header)?;
        if read == 0 {
            return Ok(None);
        }
        let field = |at| field(&header, at, self.number);
        let (seconds, fraction, kept) = (field(0), field(4), field(8));
        if read == RECORD_HEADER && kept > MOST_KEPT {
            return Err(PcapError::Length { offset: self.offset, len: kept });
        }
        let mut bytes = vec![0; usize::try_from(kept).unwrap_or(0)];
        if read < RECORD_HEADER || fill(&mut self.input, &mut bytes)? < bytes.len() {
            return Err(PcapError::Truncated { offset: self.offset });
        }
        self.offset += offset(RECORD_HEADER + bytes.len());
        let nanos = u64::from(fraction) * u64::from(self.nanos_per_unit);
        let at = Duration::from_secs(seconds.into()) + Duration::from_nanos(nanos);
        Ok(Some(Record { at, bytes: self.link.packet(bytes) }))
    }
}

impl<R: Read> Iterator for PcapReader<R> {
    type Item = Result<Record, PcapError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record().transpose()
    }
}

fn field(header: &[u8], at: usize, number: Number) -> u32 {
    number(header[at..at + 4].try_into().expect("four bytes"))
}

impl Link {
    /// The IPv4 packet of a frame; empty if there is none.
    fn packet(self, mut frame: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Raw => frame,
            Self::Ethernet if frame.get(12..14) == Some(&[8, 0]) => frame.split_off(14),
            Self::Ethernet => Vec::new(),
        }
    }
}

/// Fills `buffer` as far as the input goes.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let (len, mut rest) = (buffer.len(), buffer);
    io::copy(&mut input.take(offset(len)), &mut rest)?;
    Ok(len - rest.len())
}

fn offset(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Faults of a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PcapError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The file begins with other bytes than a pcap.
    #[error(
        "it begins with {0:02x?}, so it is no pcap; captures come from `rohrpost-ops localnet --capture FILE`"
    )]
    Magic([u8; 4]),
    /// The file is of the newer format pcapng.
    #[error("it is a pcapng; `editcap -F nsecpcap OLD NEW` makes a pcap of it")]
    NextGeneration,
    /// The packets are of a link layer that is not read here.
    #[error(
        "its link type is {0}; only raw IP (101) and Ethernet (1) are read: capture again with `rohrpost-ops localnet --capture` or `tcpdump -i lo`"
    )]
    Link(u32),
    /// The file ends within a packet.
    #[error(
        "it ends in the middle of a packet that begins at byte {offset}: the capture was cut off, or the disk was full; `head -c {offset} OLD > NEW` keeps what is whole"
    )]
    Truncated {
        /// Byte of the file at which that packet begins.
        offset: u64,
    },
    /// A packet claims more bytes than any capture keeps.
    #[error(
        "the packet at byte {offset} claims {len} bytes: the file is damaged there; `head -c {offset} OLD > NEW` keeps what is whole"
    )]
    Length {
        /// Byte of the file at which that packet begins.
        offset: u64,
        /// Bytes that it claims.
        len: u32,
    },
}

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// Magic of a file with stamps in microseconds.
const MICROS: u32 = 0xa1b2_c3d4;
/// Magic of a file with stamps in nanoseconds.
const NANOS: u32 = 0xa1b2_3c4d;
const PCAPNG: u32 = 0x0a0d_0d0a;
const VERSION: (u16, u16) = (2, 4);
const SNAP_LEN: u32 = 65_535;
/// IPv4 or IPv6, told apart by the first nibble.
const LINKTYPE_RAW: u32 = 101;
/// The most that any capture program keeps of a packet.
const MOST_KEPT: u32 = 262_144;

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of these packets, as the capture writes it.
    fn file(packets: &[(Duration, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = PcapWriter::new(&mut bytes).unwrap();
        for (at, packet) in packets {
            writer.write(*at, packet, 1228).unwrap();
        }
        bytes
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<(Duration, Vec<u8>)>, PcapError> {
        let records = PcapReader::new(bytes)?;
        records.map(|record| record.map(|record| (record.at, record.bytes))).collect()
    }

    const AT: Duration = Duration::new(1_700_000_000, 123_456_789);

    #[test]
    fn what_the_capture_writes_is_read() {
        let later = AT + Duration::from_secs(7);
        let bytes = file(&[(AT, &[1; 64]), (later, &[2; 1228])]);
        assert_eq!(read_all(&bytes).unwrap(), [(AT, vec![1; 64]), (later, vec![2; 1228])]);
        assert!(read_all(&file(&[])).unwrap().is_empty());
    }

    #[test]
    fn the_other_byte_order_and_microseconds_are_read() {
        for (magic, fraction, nanos) in [(NANOS, 123_456_789, 123_456_789), (MICROS, 5, 5_000)] {
            let mut bytes = Vec::new();
            let fields = [magic, 0x0002_0004, 0, 0, 65_535, 101, 1_700_000_000, fraction, 3, 9];
            fields.iter().for_each(|field: &u32| bytes.extend(field.to_be_bytes()));
            bytes.extend([7; 3]);
            let at = Duration::new(1_700_000_000, nanos);
            assert_eq!(read_all(&bytes).unwrap(), [(at, vec![7; 3])]);
        }
    }

    #[test]
    fn ethernet_is_taken_off_and_other_protocols_are_empty() {
        let frame = |kind: u8| [&[9; 12][..], &[8, kind], &[5; 4]].concat();
        let mut bytes = file(&[(AT, &frame(0)), (AT, &frame(6))]);
        bytes[20] = 1;
        assert_eq!(read_all(&bytes).unwrap(), [(AT, vec![5; 4]), (AT, vec![])]);
    }

    #[test]
    fn a_cut_is_named_with_its_place() {
        let whole = file(&[(AT, &[1; 64]), (AT, &[2; 64])]);
        for len in 0..whole.len() {
            let cut = read_all(&whole[..len]);
            match len {
                0..4 => assert!(matches!(cut, Err(PcapError::Magic(_))), "{len}"),
                24 => assert!(cut.unwrap().is_empty()),
                104 => assert_eq!(cut.unwrap().len(), 1),
                _ => {
                    let place = [0, 24, 104][usize::from(len > 24) + usize::from(len > 104)];
                    let error = cut.err().unwrap();
                    let expected =
                        matches!(error, PcapError::Truncated { offset } if offset == place);
                    assert!(expected, "{len}: {error}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_pcap_or_damaged_is_named() {
        let whole = file(&[(AT, &[1; 64])]);
        let change = |at: usize, with: &[u8]| {
            let mut bytes = whole.clone();
            bytes[at..at + with.len()].copy_from_slice(with);
            read_all(&bytes).err().unwrap()
        };
        assert!(matches!(change(0, b"PK\x03\x04"), PcapError::Magic(_)));
        assert!(matches!(change(0, &[0x0a, 0x0d, 0x0d, 0x0a]), PcapError::NextGeneration));
        assert!(matches!(change(20, &[113]), PcapError::Link(113)));
        let damaged = change(24 + 8, &[0xff; 4]);
        assert!(matches!(damaged, PcapError::Length { offset: 24, .. }), "{damaged}");
    }
}
