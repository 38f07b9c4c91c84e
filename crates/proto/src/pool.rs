//! The pool of a mix: packets wait for the delay that their builders drew.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rohrpost_packet::Suite;

use crate::frame::Outgoing;
use crate::hop::Refusal;
use crate::time::Time;

/// Packets by the time they are due. Bounded; the newest is shed.
pub struct Pool<S: Suite> {
    heap: BinaryHeap<Reverse<Waiting<S>>>,
    bound: usize,
    inserted: u64,
}

struct Waiting<S: Suite> {
    due: Time,
    /// Breaks ties in order of arrival, so that runs with one seed are alike.
    order: u64,
    outgoing: Outgoing<S>,
}

impl<S: Suite> Pool<S> {
    /// A pool for `bound` packets (each of a packet's length and about 40 bytes).
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self { heap: BinaryHeap::new(), bound, inserted: 0 }
    }

    /// Keeps a packet until `due`.
    ///
    /// # Errors
    /// The pool is full.
    pub fn insert(&mut self, due: Time, outgoing: Outgoing<S>) -> Result<(), Refusal> {
        if self.heap.len() >= self.bound {
            return Err(Refusal::Overload);
        }
        self.inserted += 1;
        self.heap.push(Reverse(Waiting { due, order: self.inserted, outgoing }));
        Ok(())
    }

    /// The next packet that is due, and when it was.
    pub fn pop(&mut self, now: Time) -> Option<(Time, Outgoing<S>)> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(waiting)| (waiting.due, waiting.outgoing))
    }

    /// When the next packet is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(waiting)| waiting.due)
    }

    /// Packets that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<S: Suite> Ord for Waiting<S> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

impl<S: Suite> PartialOrd for Waiting<S> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<S: Suite> PartialEq for Waiting<S> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<S: Suite> Eq for Waiting<S> {}
