//! Incoming messages of one correspondent: fragments in any order, messages in theirs.
//!
//! A fragment is handed to the application once, acknowledged after the application has stored and
//! committed it, and never asked for again. A message is complete when all of its fragments are
//! committed, and is told of when those before it have been. A correspondent numbers its messages
//! upwards; an *incarnation* is the upper half of the number. One that goes on from an older copy
//! of its store begins a new incarnation, and what it had not finished before is over.

use std::collections::BTreeMap;

use rohrpost_packet::envelope::{Fragment, FragmentPosition, Kind, MessageId};

use super::acknowledgement::Acknowledgement;
use super::fragments::Fragments;

/// Reassembly of what has come from one correspondent.
///
/// At most [`OPEN_MESSAGES`] messages are open, and of them no more fragments have come than
/// [`OPEN_SIZE`] of the largest have, beside those of the next message.
pub(super) struct Reassembly {
    /// Number of the next message: every message before it is over.
    next: u64,
    open: BTreeMap<u64, Assembly>,
    /// Fragments of the largest message.
    most: u32,
}

/// A message of which something has come.
struct Assembly {
    message: MessageId,
    kind: Kind,
    /// Fragments handed to the application.
    came: Fragments,
    /// Fragments that the application has committed; a subset of `came`.
    committed: Fragments,
    /// True once the application knows that the message is complete.
    told: bool,
}

/// A fragment of a message, as it has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Number of the message.
    pub sequence: u64,
    /// Identifier of the message.
    pub message: MessageId,
    /// Purpose of the message.
    pub kind: Kind,
    /// Place of the fragment in the message.
    pub position: FragmentPosition,
}

/// A message that is complete, and whose turn has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Complete {
    /// Number of the message.
    pub sequence: u64,
    /// Identifier of the message.
    pub message: MessageId,
    /// Purpose of the message.
    pub kind: Kind,
}

impl Part {
    /// The part that this fragment carries.
    #[must_use]
    pub const fn of(fragment: &Fragment) -> Self {
        let Fragment { message, kind, sequence, position, .. } = fragment;
        Self { sequence: *sequence, message: *message, kind: *kind, position: *position }
    }
}

/// Outcome of a commit.
pub(super) struct Committed {
    /// True if the fragment was not committed before.
    pub(super) new: bool,
    /// Messages that are complete by it, in order.
    pub(super) complete: Vec<Complete>,
}

/// Outcome of an incoming fragment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// Hand the fragment to the application.
    New,
    /// The fragment is there already; its sender has not heard so.
    Known,
    /// The fragment finds no room: its sender gets no word of it.
    Silent,
}

impl Reassembly {
    /// An empty reassembly, for a correspondent whose messages have at most `most` fragments.
    pub(super) const fn new(most: u32) -> Self {
        Self { next: 0, open: BTreeMap::new(), most }
    }

    /// Restores what a former run of this client has stored: all messages before `below` are over,
    /// and of the later ones these parts are there. Gives the messages that are complete by that.
    pub(super) fn resume(most: u32, below: u64, parts: &[Part]) -> (Self, Vec<Complete>) {
        let mut reassembly = Self { next: below, ..Self::new(most) };
        for part in parts {
            if reassembly.take(part) == Taken::New
                && let Some(open) = reassembly.open.get_mut(&part.sequence)
            {
                open.committed.insert(part.position.index);
            }
        }
        let mut complete = Vec::new();
        for (sequence, open) in &mut reassembly.open {
            if open.kind == Kind::Address {
                complete.extend(open.tell(*sequence));
            }
        }
        reassembly.advance(&mut complete);
        (reassembly, complete)
    }

    /// Bound below which every message is over.
    pub(super) const fn below(&self) -> u64 {
        self.next
    }

    /// Notes a part of a message.
    pub(super) fn take(&mut self, part: &Part) -> Taken {
        let (sequence, position) = (part.sequence, part.position);
        if sequence < self.next {
            return Taken::Known;
        }
        let start = self.next.max(incarnation(sequence) << 32);
        if sequence - start >= WINDOW || position.count > self.most {
            return Taken::Silent;
        }
        if let Some(open) = self.open.get(&sequence) {
            if part.kind == Kind::Tombstone && !open.committed.is_complete() {
                self.open.remove(&sequence);
            } else if part.kind == Kind::Tombstone || open.kind == Kind::Tombstone {
                return Taken::Known;
            } else if open.message != part.message || open.came.count() != position.count {
                return Taken::Silent;
            }
        }
        let full = self.fragments() >= OPEN_SIZE * self.most || self.open.len() >= OPEN_MESSAGES;
        if sequence != start && full {
            return Taken::Silent;
        }
        let open = self.open.entry(sequence).or_insert_with(|| Assembly {
            message: part.message,
            kind: part.kind,
            came: Fragments::none(position.count),
            committed: Fragments::none(position.count),
            told: false,
        });
        if open.committed.contains(position.index) {
            return Taken::Known;
        }
        open.came.insert(position.index);
        Taken::New
    }

    /// Commits a fragment that the application has stored; gives what is complete by that, in
    /// order.
    pub(super) fn commit(&mut self, sequence: u64, index: u32) -> Committed {
        let mut complete = Vec::new();
        let mut new = false;
        if let Some(open) = self.open.get_mut(&sequence)
            && open.came.contains(index)
        {
            new = open.committed.insert(index);
            // An address does not wait for the messages before it.
            if open.kind == Kind::Address {
                complete.extend(open.tell(sequence));
            }
        }
        self.advance(&mut complete);
        Committed { new, complete }
    }

    /// Makes the acknowledgement of what has come.
    pub(super) fn acknowledgement(&self) -> Acknowledgement {
        let mut acknowledgement =
            Acknowledgement { below: self.next, ..Acknowledgement::default() };
        for (sequence, open) in &self.open {
            if !open.committed.is_complete() {
                let ranges: Vec<_> = open.committed.ranges().collect();
                if !ranges.is_empty() {
                    acknowledgement.partial.push((*sequence, ranges));
                }
                continue;
            }
            match acknowledgement.runs.last_mut() {
                Some((first, length)) if *first + u64::from(*length) == *sequence => *length += 1,
                _ => acknowledgement.runs.push((*sequence, 1)),
            }
        }
        acknowledgement
    }

    fn advance(&mut self, complete: &mut Vec<Complete>) {
        loop {
            if self.open.get(&self.next).is_some_and(|open| open.committed.is_complete()) {
                if let Some(mut open) = self.open.remove(&self.next) {
                    complete.extend(open.tell(self.next));
                }
                self.next += 1;
                continue;
            }
            // The last incarnation of all has none after it.
            let Some(born) = (incarnation(self.next) + 1).checked_mul(1 << 32) else {
                return;
            };
            let mut newer = self.open.range(born..).filter(|(_, open)| open.committed.held() > 0);
            let Some(incarnation) = newer.next().map(|(sequence, _)| incarnation(*sequence)) else {
                return;
            };
            let later = self.open.split_off(&(incarnation << 32));
            for (sequence, mut open) in std::mem::replace(&mut self.open, later) {
                complete.extend(open.tell(sequence));
            }
            self.next = incarnation << 32;
        }
    }

    fn fragments(&self) -> u32 {
        self.open.values().map(|open| open.came.held()).sum()
    }
}

impl Assembly {
    /// The message, if it is complete and the application has not been told.
    fn tell(&mut self, sequence: u64) -> Option<Complete> {
        let new = self.committed.is_complete() && !self.told;
        self.told |= new;
        new.then_some(Complete { sequence, message: self.message, kind: self.kind })
    }
}

/// Incarnation of a message's number: it rises when a correspondent goes on from an older copy of
/// its store.
const fn incarnation(sequence: u64) -> u64 {
    sequence >> 32
}

/// Messages of one correspondent that are open at once, on both sides.
pub(super) const WINDOW: u64 = 256;
/// Size of open messages, in the largest messages: 48 MiB of the application's disk.
const OPEN_SIZE: u32 = 3;
/// Open messages at most: those of two incarnations.
const OPEN_MESSAGES: usize = 512;

#[cfg(test)]
mod tests;
