//! Fragments that a contact can write: of any content, by the layout of `docs/packet-format.md` §9.

use arbitrary::Arbitrary;
use rohrpost_packet::envelope::{FragmentPosition, Kind, MessageId};
use rohrpost_proto::courier::Part;

/// A number of a message, near enough to others to meet them.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Number {
    incarnation: u8,
    offset: u16,
    far: bool,
}

/// Choice of a fragment of a message.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct PartChoice {
    kind: u8,
    number: Number,
    message: u8,
    index: u8,
    count: u16,
}

/// Contents of an acknowledgement.
#[derive(Arbitrary, Clone, Debug)]
pub struct AcknowledgementChoice {
    below: Number,
    runs: Vec<(Number, u16)>,
    partial: Vec<(Number, Vec<(u8, u32)>)>,
}

impl Number {
    /// The number of the message. Most are small; some are the last of their incarnation, or of
    /// all.
    #[must_use]
    pub fn get(self) -> u64 {
        let incarnation =
            if self.incarnation > 250 { u32::MAX } else { u32::from(self.incarnation % 4) };
        let offset = u32::from(self.offset % 300);
        let offset = if self.far { u32::MAX - offset } else { offset };
        u64::from(incarnation) << 32 | u64::from(offset)
    }
}

impl PartChoice {
    /// The part of a message, never an acknowledgement.
    #[must_use]
    pub fn part(&self) -> Part {
        let count = match self.count {
            // This is as long as no message can be.
            u16::MAX => u32::MAX,
            count => (u32::from(count) >> 12).max(1),
        };
        let kind = [Kind::Content, Kind::Content, Kind::Address, Kind::Tombstone];
        Part {
            sequence: self.number.get(),
            message: MessageId::new([self.message % 4; 16]),
            kind: kind[usize::from(self.kind % 4)],
            position: FragmentPosition { index: u32::from(self.index) % count, count },
        }
    }
}

impl AcknowledgementChoice {
    /// Encodes the body of an acknowledgement, at most 676 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![1, 0, 0, 0];
        bytes.extend_from_slice(&self.below.get().to_be_bytes());
        for (first, length) in self.runs.iter().take(8) {
            bytes.extend_from_slice(&first.get().to_be_bytes());
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes[1] += 1;
        }
        for (number, ranges) in self.partial.iter().take(8) {
            let ranges = &ranges[..ranges.len().min(8)];
            bytes.extend_from_slice(&number.get().to_be_bytes());
            bytes.push(u8::try_from(ranges.len()).expect("at most eight"));
            for (first, length) in ranges {
                bytes.extend_from_slice(&u32::from(*first).to_be_bytes());
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            bytes[2] += 1;
        }
        bytes
    }

    /// Tells whether the acknowledgement says that this fragment has come. Where it names a
    /// message's parts twice, the first time counts.
    #[must_use]
    pub fn covers(&self, sequence: u64, fragment: u32) -> bool {
        let within = |(first, length): &(Number, u16)| {
            sequence.checked_sub(first.get()).is_some_and(|behind| behind < u64::from(*length))
        };
        let range = |(first, length): &(u8, u32)| {
            fragment.checked_sub(u32::from(*first)).is_some_and(|behind| behind < *length)
        };
        let mut partial = self.partial.iter().take(8);
        let part = partial.find(|(number, _)| number.get() == sequence);
        sequence < self.below.get()
            || self.runs.iter().take(8).any(within)
            || part.is_some_and(|(_, ranges)| ranges.iter().take(8).any(range))
    }
}

/// Encodes a fragment of a message.
#[must_use]
pub fn fragment(part: &Part, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0];
    bytes.extend_from_slice(part.message.as_bytes());
    bytes.extend_from_slice(&part.sequence.to_be_bytes());
    bytes.extend_from_slice(&part.position.index.to_be_bytes());
    bytes.extend_from_slice(&part.position.count.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let len = u16::try_from(body.len()).expect("a fragment is short");
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&[part.kind.byte(), 0]);
    bytes.extend_from_slice(body);
    bytes
}
