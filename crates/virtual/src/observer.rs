//! The observer of all links: sees when something leaves, between whom, and how long it is.

use std::collections::BTreeMap;

use rohrpost_proto::time::Time;

use crate::link::Address;

/// Subject of a record. The observer cannot see it; the tests compare by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A cell of a client link, up or down.
    Cell,
    /// An answer that leaves a mailbox relay at a common tick.
    Answer,
    /// Any other packet between nodes.
    Transit,
}

impl Kind {
    /// All kinds of records, in their order.
    pub const ALL: &'static [Self] = &[Self::Cell, Self::Answer, Self::Transit];
}

/// A cell or packet that left a party, as the observer saw it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Record {
    /// Time of departure, by the true clock.
    pub at: Time,
    /// Party at which the link begins.
    pub from: Address,
    /// Party at which the link ends.
    pub to: Address,
    /// Length of the cell or packet, in bytes.
    pub len: usize,
    /// Kind of record, which only the tests know.
    pub kind: Kind,
}

impl Record {
    /// All that an observer can write down, as bytes.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {:?} {:?} {}\n", self.at.micros(), self.from, self.to, self.len)
    }

    fn digest(&self, hasher: &mut blake3::Hasher) {
        let len = u64::try_from(self.len).unwrap_or(u64::MAX);
        hasher.update(&self.at.micros().to_be_bytes()).update(&self.from.encode());
        hasher.update(&self.to.encode()).update(&len.to_be_bytes());
    }
}

/// Choice of what a run retains of what happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// Every record and every event; grows with the run.
    Everything,
    /// Records go into a hash; of events, only those of fragments are retained: for volume.
    Digest,
}

/// The observer. Whatever it retains, it counts all records and hashes them.
pub struct Observer {
    memory: Memory,
    records: Vec<Record>,
    digests: BTreeMap<Kind, (u64, blake3::Hasher)>,
}

impl Observer {
    pub(crate) const fn new(memory: Memory) -> Self {
        Self { memory, records: Vec::new(), digests: BTreeMap::new() }
    }

    pub(crate) fn see(&mut self, record: Record) {
        let (count, hasher) =
            self.digests.entry(record.kind).or_insert_with(|| (0, blake3::Hasher::new()));
        *count += 1;
        record.digest(hasher);
        if self.memory == Memory::Everything {
            self.records.push(record);
        }
    }

    /// Records of a run that retains everything.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Hash of all records of a kind, in order.
    #[must_use]
    pub fn digest(&self, kind: Kind) -> Option<blake3::Hash> {
        self.digests.get(&kind).map(|(_, hasher)| hasher.finalize())
    }

    /// Number of records of a kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.digests.get(&kind).map_or(0, |(count, _)| *count)
    }
}
