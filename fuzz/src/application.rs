//! Model of the application around a courier: what it stores of the contact's messages as far as
//! they have come, and of its own ones until they are over.

use std::collections::{BTreeMap, BTreeSet};

use rohrpost_packet::envelope::{FragmentPosition, Kind, MessageId};
use rohrpost_proto::courier::{Complete, Message, Part};
use rohrpost_proto::time::Time;
use zeroize::Zeroizing;

use crate::fragment::fragment_len;
use crate::toy::Toy;

/// Model of the client's store: what it has of the contact's messages.
#[derive(Clone, Default)]
pub struct Kept {
    /// Bound below which all messages are over.
    pub below: u64,
    open: BTreeMap<u64, Open>,
    told: BTreeSet<u64>,
}

#[derive(Clone)]
struct Open {
    message: MessageId,
    kind: Kind,
    count: u32,
    indices: BTreeSet<u32>,
}

/// Model of an entry in the client's outbox.
#[derive(Clone)]
pub struct Posted {
    /// Identifier of the message.
    pub id: MessageId,
    /// Time at which the message is given up.
    pub expires: Time,
    /// True once the message is given up, and a tombstone goes in its place.
    pub tombstone: bool,
    /// Bytes of the message's body.
    pub len: usize,
    /// Fragments that the contact says have come.
    pub acknowledged: BTreeSet<u32>,
}

impl Kept {
    /// Stores a fragment on the disk; those of another message of its number are gone.
    pub fn keep(&mut self, part: &Part) {
        let Part { message, kind, position, .. } = *part;
        let new = || Open { message, kind, count: position.count, indices: BTreeSet::new() };
        let open = self.open.entry(part.sequence).or_insert_with(new);
        if (open.message, open.kind, open.count) != (message, kind, position.count) {
            *open = new();
        }
        open.indices.insert(position.index);
    }

    /// Takes messages that the courier tells of: whole, once, in order.
    pub fn complete(&mut self, messages: &[Complete], below: u64) {
        let mut last = None;
        for complete in messages {
            let open = &self.open[&complete.sequence];
            assert!(open.is_whole() && open.message == complete.message);
            assert!(open.kind == complete.kind);
            if complete.kind != Kind::Address {
                assert!(self.told.insert(complete.sequence), "told twice");
                assert!(last.replace(complete.sequence) < Some(complete.sequence), "out of order");
            }
        }
        assert!(below >= self.below);
        self.below = below;
        self.open.retain(|sequence, _| *sequence >= below);
    }

    /// Parts that a courier is told of after a restart.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let parts = self.open.iter().flat_map(|(sequence, open)| {
            let Open { message, kind, count, indices } = open;
            indices.iter().map(|index| Part {
                sequence: *sequence,
                message: *message,
                kind: *kind,
                position: FragmentPosition { index: *index, count: *count },
            })
        });
        parts.collect()
    }

    /// Checks that an acknowledgement names nothing that is not stored; by the layout of
    /// `docs/packet-format.md` §9.
    pub fn check_acknowledgement(&self, mut body: &[u8]) {
        let [_, runs, partial, _] = take(&mut body);
        assert_eq!(u64::from_be_bytes(take(&mut body)), self.below);
        for _ in 0..runs {
            let first = u64::from_be_bytes(take(&mut body));
            let length = u16::from_be_bytes(take(&mut body));
            assert!((first..first + u64::from(length)).all(|run| self.open[&run].is_whole()));
        }
        for _ in 0..partial {
            let open = &self.open[&u64::from_be_bytes(take(&mut body))];
            let [ranges] = take(&mut body);
            for _ in 0..ranges {
                let first = u32::from_be_bytes(take(&mut body));
                let length = u32::from_be_bytes(take(&mut body));
                assert!((first..first + length).all(|index| open.indices.contains(&index)));
            }
        }
        assert!(body.is_empty());
    }
}

impl Open {
    fn is_whole(&self) -> bool {
        u32::try_from(self.indices.len()) == Ok(self.count)
    }
}

impl Posted {
    /// Number of the message's fragments.
    #[must_use]
    pub fn count(&self) -> u32 {
        let count = if self.tombstone { 1 } else { self.len.div_ceil(ROOM).max(1) };
        u32::try_from(count).expect("a few fragments")
    }

    /// Tells whether all of the message has come.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        (0..self.count()).all(|index| self.acknowledged.contains(&index))
    }

    /// The message as the courier takes it.
    #[must_use]
    pub fn message(&self, sequence: u64) -> Message {
        Message {
            id: self.id,
            kind: if self.tombstone { Kind::Tombstone } else { Kind::Content },
            sequence,
            minutes: 0,
            expires: self.expires,
            left: None,
            body: Zeroizing::new(vec![1; if self.tombstone { 0 } else { self.len }]),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, after) = rest.split_first_chunk().expect("an acknowledgement is whole");
    *rest = after;
    *taken
}

/// Bytes of text in a fragment.
pub const ROOM: usize = fragment_len::<Toy>() - 44;
