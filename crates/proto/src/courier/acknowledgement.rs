//! An acknowledgement: which of the other side's messages have come (`docs/packet-format.md` §9).
//!
//! ```text
//! version 1 ‖ runs u8 ‖ partial u8 ‖ 0 ‖ below u64
//!   ‖ runs × (first u64 ‖ length u16)                         whole messages above `below`
//!   ‖ partial × (sequence u64 ‖ ranges u8 ‖ ranges × (first u32 ‖ length u32))
//! ```
//!
//! An acknowledgement says what is there, not what is new, so that any later one makes up for one
//! that was lost.

use crate::wire::{Malformed, Reader};

/// Record of which messages of one correspondent have come.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Acknowledgement {
    /// Bound below which every message has come, or has been given up by its sender.
    pub(super) below: u64,
    /// Runs of whole messages from `below` on: first, and how many.
    pub(super) runs: Vec<(u64, u16)>,
    /// Messages of which some fragments have come: ranges of them, first and how many.
    pub(super) partial: Vec<(u64, Vec<(u32, u32)>)>,
}

impl Acknowledgement {
    /// Encodes at most `room` bytes, which must be some 40; what does not fit is left for the next
    /// one.
    pub(super) fn encode(&self, room: usize) -> Vec<u8> {
        let mut bytes = vec![VERSION, 0, 0, 0];
        bytes.extend_from_slice(&self.below.to_be_bytes());
        for (first, length) in self.runs.iter().take(MOST) {
            if bytes.len() + RUN_LEN > room {
                return bytes;
            }
            bytes.extend_from_slice(&first.to_be_bytes());
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes[1] += 1;
        }
        for (sequence, ranges) in self.partial.iter().take(MOST) {
            let left = room.saturating_sub(bytes.len() + PARTIAL_LEN) / RANGE_LEN;
            let ranges = &ranges[..ranges.len().min(left).min(MOST)];
            let Ok(count @ 1..) = u8::try_from(ranges.len()) else {
                return bytes;
            };
            bytes.extend_from_slice(&sequence.to_be_bytes());
            bytes.push(count);
            for (first, length) in ranges {
                bytes.extend_from_slice(&first.to_be_bytes());
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            bytes[2] += 1;
        }
        bytes
    }

    /// Reads the body of an acknowledgement. The memory that it takes is in proportion to its
    /// length.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        reader.expect(VERSION)?;
        let (runs, partial) = (reader.u8()?, reader.u8()?);
        reader.zeros::<1>()?;
        let below = reader.u64()?;
        let runs = (0..runs).map(|_| Ok((reader.u64()?, reader.u16()?)));
        let runs = runs.collect::<Result<_, Malformed>>()?;
        let mut part = || {
            let (sequence, count) = (reader.u64()?, reader.u8()?);
            let ranges = (0..count).map(|_| Ok((reader.u32()?, reader.u32()?)));
            Ok((sequence, ranges.collect::<Result<_, Malformed>>()?))
        };
        let partial = (0..partial).map(|_| part()).collect::<Result<_, Malformed>>()?;
        reader.end()?;
        Ok(Self { below, runs, partial })
    }

    /// Tells whether the whole message of this number has come.
    pub(super) fn has(&self, sequence: u64) -> bool {
        let within = |(first, length): &(u64, u16)| {
            sequence.checked_sub(*first).is_some_and(|behind| behind < u64::from(*length))
        };
        sequence < self.below || self.runs.iter().any(within)
    }
}

const VERSION: u8 = 1;
const RUN_LEN: usize = 10;
const PARTIAL_LEN: usize = 9;
const RANGE_LEN: usize = 8;
/// Entries of each list at most, as their counts are bytes.
const MOST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledgement() -> Acknowledgement {
        Acknowledgement {
            below: 7,
            runs: vec![(9, 3), (20, 1)],
            partial: vec![(14, vec![(0, 5), (9, 100)]), (15, vec![(1, 1)])],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = acknowledgement().encode(400);
        let hex = "0102020000000000000000070000000000000009000300000000000000140001\
                   000000000000000e0200000000000000050000000900000064\
                   000000000000000f010000000100000001";
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), hex);
        assert_eq!(Acknowledgement::decode(&bytes).unwrap(), acknowledgement());
        let has = |sequence| acknowledgement().has(sequence);
        assert_eq!((0..25).filter(|n| has(*n)).collect::<Vec<_>>(), {
            let mut all: Vec<u64> = (0..7).collect();
            all.extend([9, 10, 11, 20]);
            all
        });
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        for room in 12..400 {
            let bytes = acknowledgement().encode(room);
            assert!(bytes.len() <= room);
            let read = Acknowledgement::decode(&bytes).unwrap();
            assert_eq!(read.below, 7);
            assert!(read.runs.len() <= 2 && read.partial.len() <= 2);
        }
    }

    #[test]
    fn mutilated_acknowledgements_are_refused_or_read_without_panic() {
        let bytes = acknowledgement().encode(400);
        for len in 0..bytes.len() {
            assert_eq!(Acknowledgement::decode(&bytes[..len]), Err(Malformed));
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bent = bytes.clone();
                bent[at] ^= 1 << bit;
                let _ = Acknowledgement::decode(&bent);
            }
        }
    }
}
