//! Writes classic pcap: IP packets without a link layer, nanoseconds, as Wireshark and tcpdump read
//! it.

use std::io::{self, Write};
use std::time::Duration;

/// A pcap file that is being written.
pub struct PcapWriter<W: Write>(W);

impl<W: Write> PcapWriter<W> {
    /// Begins a file with its header.
    ///
    /// # Errors
    /// The output does not take the header.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC_NANOSECONDS.to_le_bytes())?;
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

/// Classic pcap with stamps in nanoseconds.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const VERSION: (u16, u16) = (2, 4);
const SNAP_LEN: u32 = 65_535;
/// IPv4 or IPv6, told apart by the first nibble.
const LINKTYPE_RAW: u32 = 101;
