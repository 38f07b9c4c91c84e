//! Queue of what is due, and when.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use rohrpost_packet::{Buffer, NodeNumber};
use rohrpost_proto::time::Time;

/// Something that happens to a party.
pub(super) enum Happening {
    /// A frame reaches a node, from the one before.
    Frame(NodeNumber, NodeNumber, Buffer),
    /// A cell reaches an entry relay, over a link.
    Up(NodeNumber, u64, Buffer),
    /// A cell reaches a client, over a link.
    Down(usize, u64, Buffer),
    /// A client links to its entry relay.
    Join(usize),
    /// The first cell of a client's link has come by now, or the link is no good.
    FirstCell(usize, u64),
    /// A client's slot, on a link.
    Slot(usize, u64),
    /// A client's cell leaves, on a link; it was not ready at its slot.
    Departure(usize, u64, Buffer),
    /// A mix has packets or cover that are due.
    Mix(NodeNumber),
    /// A relay's session tick.
    Sessions(NodeNumber),
    /// A relay's common tick.
    Answers(NodeNumber),
    /// A node announces its keys, in one of its incarnations.
    Announce(NodeNumber, u64),
    /// A step of a relay's duty for the directory is due, in one of its incarnations.
    Directory(NodeNumber, u64),
    /// A message reaches a node over a control link, from another.
    Control(NodeNumber, NodeNumber, Arc<[u8]>),
    /// Another network document starts, by which a mix goes.
    Follow(NodeNumber),
}

/// Events by time, in the order in which they were added where times are equal. Holds what is on
/// its way over the links, and one to three events per party.
#[derive(Default)]
pub(super) struct Schedule {
    queue: BinaryHeap<Reverse<Due>>,
    added: u64,
}

struct Due {
    at: Time,
    order: u64,
    happening: Happening,
}

impl Schedule {
    pub(super) fn add(&mut self, at: Time, happening: Happening) {
        self.added += 1;
        self.queue.push(Reverse(Due { at, order: self.added, happening }));
    }

    /// The next event, unless it is later than `end`.
    pub(super) fn next_until(&mut self, end: Time) -> Option<(Time, Happening)> {
        if self.queue.peek()?.0.at > end {
            return None;
        }
        self.queue.pop().map(|Reverse(due)| (due.at, due.happening))
    }

    /// Number of events that have been taken or wait.
    pub(super) const fn added(&self) -> u64 {
        self.added
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}
