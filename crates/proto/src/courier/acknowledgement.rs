//! An acknowledgement: which of the other side's messages have come (`docs/packet-format.md` §9).
//!
//! ```text
//! version 3 ‖ told u8 ‖ waiting u8 ‖ partial u8 ‖ since u32 ‖ address u64 ‖ floor u64
//!   ‖ told × (number - floor u8 ‖ tag u32)
//!   ‖ waiting × (number - floor u8 ‖ tag u32)
//!   ‖ partial × (number - floor u8 ‖ tag u32 ‖ ranges u8 ‖ ranges × (first u32 ‖ length u32))
//! ```
//!
//! An acknowledgement says what is there, not what is new, so that any later one makes up for one
//! that was lost. It names messages, by number and a part of their id: a number that was given
//! twice, by a store and by an older copy of it, acknowledges nothing.

use rohrpost_packet::envelope::MessageId;
#[cfg(doc)]
use rohrpost_packet::envelope::Standing;

use crate::wire::{Malformed, Reader};

/// Record of which messages of one correspondent have come.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Acknowledgement {
    /// Incarnation since which the acknowledging client counts: what an older one has acknowledged
    /// of messages that are not over may not be there any more.
    pub(super) since: u32,
    /// Version of the newest address that has come.
    pub(super) address: u64,
    /// Number before which every message is over, by the word of the acknowledged side itself.
    pub(super) floor: u64,
    /// Messages from `floor` on that the reader was told of.
    pub(super) told: Vec<Name>,
    /// Whole messages that wait for others.
    pub(super) waiting: Vec<Name>,
    /// Messages of which some fragments have come.
    pub(super) partial: Vec<Partial>,
}

/// What a contact has acknowledged, as the letters to it repeat: by that a client notices that it
/// goes on from an older copy of its store. The highest number is not enough: what comes after the
/// copy was made may fill a gap below.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Acknowledged {
    /// Number after the highest of the messages to the contact that have come whole.
    pub below: u64,
    /// Which of those before it have come whole: bit n is that of number `below - 1 - n`. What is
    /// further below was over when the highest one came: so many messages are open at once.
    pub whole: u128,
    /// Incarnation in which the contact counted them; zero before its first acknowledgement.
    pub since: u32,
}

/// Name of a message in an acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Name {
    pub(super) sequence: u64,
    /// The first four bytes of the message's id.
    pub(super) tag: u32,
}

/// A message of which some fragments have come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Partial {
    pub(super) name: Name,
    /// Ranges of fragments, first and how many.
    pub(super) ranges: Vec<(u32, u32)>,
}

/// Proof that this client goes on from an older copy of its store: the contact knows of messages
/// that it does not know to have sent.
#[derive(Debug)]
pub(super) struct OlderCopy;

impl Acknowledged {
    /// Takes note of a message that has come whole.
    pub(super) fn add(&mut self, sequence: u64) {
        let after = sequence.saturating_add(1);
        if let Some(by) = after.checked_sub(self.below) {
            let by = u32::try_from(by).ok();
            self.whole = by.and_then(|by| self.whole.checked_shl(by)).unwrap_or(0);
            self.below = after;
        }
        let bit = u32::try_from(self.below - after).ok().and_then(|bit| 1_u128.checked_shl(bit));
        self.whole |= bit.unwrap_or(0);
    }
}

impl Name {
    pub(super) fn of(sequence: u64, message: MessageId) -> Self {
        let [a, b, c, d, ..] = *message.as_bytes();
        Self { sequence, tag: u32::from_be_bytes([a, b, c, d]) }
    }

    /// Name of the message in what letters repeat ([`Standing::told`]).
    pub(super) fn short(self) -> u16 {
        let [a, b, ..] = self.tag.to_be_bytes();
        u16::from_be_bytes([a, b]).max(1)
    }

    fn encode(self, floor: u64, bytes: &mut Vec<u8>) -> bool {
        let offset = u8::try_from(self.sequence.wrapping_sub(floor)).ok();
        if let Some(offset) = offset {
            bytes.push(offset);
            bytes.extend_from_slice(&self.tag.to_be_bytes());
        }
        offset.is_some()
    }

    fn decode(reader: &mut Reader<'_>, floor: u64) -> Result<Self, Malformed> {
        let sequence = floor.checked_add(reader.u8()?.into()).ok_or(Malformed)?;
        Ok(Self { sequence, tag: reader.u32()? })
    }
}

impl Acknowledgement {
    /// Encodes at most `room` bytes, which must be some 60; what does not fit is left for the next
    /// one.
    pub(super) fn encode(&self, room: usize) -> Vec<u8> {
        let mut bytes = vec![VERSION, 0, 0, 0];
        bytes.extend_from_slice(&self.since.to_be_bytes());
        bytes.extend_from_slice(&self.address.to_be_bytes());
        bytes.extend_from_slice(&self.floor.to_be_bytes());
        for (count, names) in [(1, &self.told), (2, &self.waiting)] {
            for name in names.iter().take(MOST) {
                if bytes.len() + NAME_LEN > room || !name.encode(self.floor, &mut bytes) {
                    return bytes;
                }
                bytes[count] += 1;
            }
        }
        for Partial { name, ranges } in self.partial.iter().take(MOST) {
            let left = room.saturating_sub(bytes.len() + NAME_LEN + 1) / RANGE_LEN;
            let ranges = &ranges[..ranges.len().min(left).min(MOST)];
            let Ok(count @ 1..) = u8::try_from(ranges.len()) else {
                return bytes;
            };
            if !name.encode(self.floor, &mut bytes) {
                return bytes;
            }
            bytes.push(count);
            for (first, length) in ranges {
                bytes.extend_from_slice(&first.to_be_bytes());
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            bytes[3] += 1;
        }
        bytes
    }

    /// Reads the body of an acknowledgement. The memory that it takes is in proportion to its
    /// length.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        reader.expect(VERSION)?;
        let [told, waiting, partial] = [reader.u8()?, reader.u8()?, reader.u8()?];
        let since = reader.u32()?;
        let [address, floor] = [reader.u64()?, reader.u64()?];
        let mut names = |count| {
            let names = (0..count).map(|_| Name::decode(&mut reader, floor));
            names.collect::<Result<Vec<_>, Malformed>>()
        };
        let (told, waiting) = (names(told)?, names(waiting)?);
        let mut part = || {
            let name = Name::decode(&mut reader, floor)?;
            let count = reader.u8()?;
            let ranges = (0..count).map(|_| Ok((reader.u32()?, reader.u32()?)));
            Ok(Partial { name, ranges: ranges.collect::<Result<_, Malformed>>()? })
        };
        let partial = (0..partial).map(|_| part()).collect::<Result<_, Malformed>>()?;
        reader.end()?;
        Ok(Self { since, address, floor, told, waiting, partial })
    }

    /// Names of all messages of which something has come.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> {
        let partial = self.partial.iter().map(|partial| partial.name);
        self.whole().chain(partial)
    }

    /// Names of all messages that have come whole.
    pub(super) fn whole(&self) -> impl Iterator<Item = Name> {
        self.told.iter().chain(&self.waiting).copied()
    }

    /// Fragments of a message that have come, if not all have.
    pub(super) fn ranges(&self, name: Name) -> &[(u32, u32)] {
        let partial = self.partial.iter().find(|partial| partial.name == name);
        partial.map_or(&[], |partial| &partial.ranges)
    }
}

const VERSION: u8 = 3;
const NAME_LEN: usize = 5;
const RANGE_LEN: usize = 8;
/// Entries of each list at most, as their counts are bytes.
const MOST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(sequence: u64) -> Name {
        Name::of(sequence, MessageId::new([u8::try_from(sequence).unwrap(); 16]))
    }

    fn acknowledgement() -> Acknowledgement {
        Acknowledgement {
            since: 3,
            address: 4,
            floor: 7,
            told: [7, 8].map(name).to_vec(),
            waiting: vec![name(20)],
            partial: vec![
                Partial { name: name(14), ranges: vec![(0, 5), (9, 100)] },
                Partial { name: name(15), ranges: vec![(1, 1)] },
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = acknowledgement().encode(400);
        let hex = "030201020000000300000000000000040000000000000007\
                   000707070701080808080d14141414070e0e0e0e02000000000000000500000009\
                   00000064080f0f0f0f010000000100000001";
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), hex);
        assert_eq!(Acknowledgement::decode(&bytes).unwrap(), acknowledgement());
        let has = |sequence| acknowledgement().whole().any(|whole| whole == name(sequence));
        assert_eq!((0..25).filter(|n| has(*n)).collect::<Vec<_>>(), [7, 8, 20]);
        let other = Name::of(8, MessageId::new([1; 16]));
        assert!(acknowledgement().whole().all(|whole| whole != other), "another message");
        assert_eq!(acknowledgement().ranges(name(15)), [(1, 1)]);
    }

    /// Checks that what has come is known in whatever order it came, as far as the bits reach.
    #[test]
    fn what_has_come_whole_is_a_set() {
        let mut acknowledged = Acknowledged::default();
        let come = [7, 5, 200, 201, 74, 73, 190];
        come.into_iter().for_each(|sequence| acknowledged.add(sequence));
        assert_eq!(acknowledged.below, 202);
        let set = (0..128).filter(|bit| acknowledged.whole >> bit & 1 == 1);
        assert!(set.map(|bit| 201 - bit).eq([201, 200, 190, 74]), "73 is too far below");
        acknowledged.add(u64::MAX);
        assert_eq!((acknowledged.below, acknowledged.whole), (u64::MAX, 1));
    }

    #[test]
    fn a_full_window_fits_an_envelope_of_either_suite() {
        use super::super::reassembly::WINDOW;
        use rohrpost_packet::Classic;
        use rohrpost_packet::envelope::fragment_body_len;

        let told: Vec<_> = (0..WINDOW).map(name).collect();
        let full = Acknowledgement { told, ..Acknowledgement::default() };
        let read = Acknowledgement::decode(&full.encode(fragment_body_len::<Classic>())).unwrap();
        assert_eq!(read, full);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        for room in 32..400 {
            let bytes = acknowledgement().encode(room);
            assert!(bytes.len() <= room);
            let read = Acknowledgement::decode(&bytes).unwrap();
            assert_eq!(read.floor, 7);
            assert!(read.whole().count() <= 3 && read.partial.len() <= 2);
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
