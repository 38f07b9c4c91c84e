//! The observer of all links: sees when something leaves, between whom, and how long it is.

use rohrpost_proto::time::Time;

use crate::Address;

/// What a record is about. The observer cannot see it; the tests compare by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A cell of a client link, up or down.
    Cell,
    /// An answer that leaves a mailbox relay at a common tick.
    Answer,
    /// Any other packet between nodes.
    Transit,
}

/// Something left.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Record {
    /// When.
    pub at: Time,
    /// From.
    pub from: Address,
    /// To.
    pub to: Address,
    /// Bytes.
    pub len: usize,
    /// For the tests.
    pub kind: Kind,
}

impl Record {
    /// All that an observer can write down, as bytes.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {:?} {:?} {}\n", self.at.micros(), self.from, self.to, self.len)
    }
}
