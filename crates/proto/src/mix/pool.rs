//! The pool of a mix: packets wait for the delay that their builders drew.
//!
//! A hashed timing wheel (Varghese and Lauck 1987, scheme 6): inserting and expiring cost the same
//! however many packets wait. All memory is taken when the pool is made.
//!
//! A packet leaves with the first tick at or after the moment it is due, never before. Those of one
//! tick leave in the order in which they are due, not in that of their arrival: exponential delays
//! have no memory, so this order tells nothing of who came first.

mod shares;

use std::time::Duration;

use rohrpost_packet::Suite;

use crate::frame::OutgoingFrame;
use crate::hop::Refusal;
use crate::time::Time;
use shares::Shares;
pub use shares::Source;

/// Packets by the tick at which they are due. Bounded; the newest is shed.
pub struct Pool<S: Suite> {
    /// First entry of each bucket's list. A bucket holds what is due in its tick of any turn of the
    /// wheel.
    buckets: Box<[Option<Place>]>,
    /// Bitmap of the buckets that have entries, one bit each.
    occupied: [u64; BUCKETS / 64],
    /// Every entry that the pool can hold, in use or free.
    entries: Vec<Entry<S>>,
    /// First of the free entries.
    free: Option<Place>,
    /// Packets of the ticks that have passed, next one last.
    ready: Vec<Waiting<S>>,
    bound: usize,
    /// Places that each link holds, and may.
    shares: Shares,
    waiting: usize,
    inserted: u64,
    /// The last tick that was looked at; everything due up to it is in `ready`.
    passed: u64,
}

/// Index into the entries.
type Place = u32;

struct Entry<S: Suite> {
    packet: Option<Waiting<S>>,
    next: Option<Place>,
}

struct Waiting<S: Suite> {
    due: Time,
    /// Order of arrival; breaks ties, so that runs with one seed are alike.
    order: u64,
    /// Link whose share the packet takes a place of.
    source: Source,
    outgoing: OutgoingFrame<S>,
}

impl<S: Suite> Pool<S> {
    /// Bytes of a pool for `bound` packets from `links` links, beside the packets.
    #[must_use]
    pub const fn memory_len(bound: usize, links: usize) -> usize {
        bound * (size_of::<Entry<S>>() + size_of::<Waiting<S>>())
            + BUCKETS * size_of::<Option<Place>>()
            + Shares::memory_len(links)
    }

    /// Makes a pool for `bound` packets from `links` links and the own cover; [`Self::memory_len`]
    /// tells what it takes beside the packets.
    #[must_use]
    pub fn new(bound: usize, links: usize) -> Self {
        Self {
            buckets: vec![None; BUCKETS].into(),
            occupied: [0; BUCKETS / 64],
            entries: Vec::with_capacity(bound),
            free: None,
            ready: Vec::with_capacity(bound),
            bound,
            shares: Shares::new(bound, links),
            waiting: 0,
            inserted: 0,
            passed: 0,
        }
    }

    /// Holds a packet of `source` until `due`.
    ///
    /// # Errors
    /// The pool is full, or the share of the source used up.
    pub fn insert(
        &mut self,
        due: Time,
        source: Source,
        outgoing: OutgoingFrame<S>,
    ) -> Result<(), Refusal> {
        if self.waiting >= self.bound || !self.shares.take(source) {
            return Err(Refusal::Overload);
        }
        self.waiting += 1;
        self.inserted += 1;
        let packet = Waiting { due, order: self.inserted, source, outgoing };
        let tick = tick_of(due);
        if tick <= self.passed {
            // The packet is due in a tick that was looked at already: it leaves at once, in its
            // place.
            let at = self.ready.partition_point(|other| other.rank() > packet.rank());
            self.ready.insert(at, packet);
        } else {
            self.file(bucket_of(tick), packet);
        }
        Ok(())
    }

    /// Takes the next packet that is due, with the time at which it was due.
    pub fn pop(&mut self, now: Time) -> Option<(Time, OutgoingFrame<S>)> {
        let tick = now.micros() / TICK_MICROS;
        if tick > self.passed && self.ready.is_empty() {
            self.pass(tick);
        }
        let packet = self.ready.pop()?;
        self.waiting -= 1;
        self.shares.give_back(packet.source);
        Some((packet.due, packet.outgoing))
    }

    /// Time at which [`Self::pop`] is to be called next: the first tick that may have something
    /// due. Packets of a later turn of the wheel may wake it early, at most once per turn (two
    /// seconds).
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        if let Some(packet) = self.ready.last() {
            return Some(packet.due);
        }
        let start = bucket_of(self.passed + 1);
        let ahead = (0..BUCKETS / 64 + 1).find_map(|word| self.first_occupied(start, word))?;
        let ahead = u64::try_from(ahead).unwrap_or(0);
        Some(Time::from_micros((self.passed + 1 + ahead) * TICK_MICROS))
    }

    /// Number of packets that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.waiting
    }

    /// Tells whether no packet waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Distance from bucket `start` to the first occupied one in the `word`-th word from its own.
    fn first_occupied(&self, start: usize, word: usize) -> Option<usize> {
        let index = (start / 64 + word) % (BUCKETS / 64);
        let mut bits = self.occupied[index];
        if word == 0 {
            bits &= u64::MAX << (start % 64);
        }
        let bit = usize::try_from(bits.trailing_zeros()).unwrap_or(64);
        (bits != 0).then(|| (index * 64 + bit + BUCKETS - start) % BUCKETS)
    }

    /// Puts a packet at the head of a bucket's list.
    fn file(&mut self, bucket: usize, packet: Waiting<S>) {
        let entry = Entry { packet: Some(packet), next: self.buckets[bucket] };
        let place = match self.free {
            Some(place) => {
                let held = &mut self.entries[index(place)];
                self.free = held.next;
                *held = entry;
                place
            }
            None => {
                self.entries.push(entry);
                Place::try_from(self.entries.len() - 1).expect("pools are far below 2³² packets")
            }
        };
        self.buckets[bucket] = Some(place);
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
    }

    /// Moves everything that is due up to `tick` to the ready ones.
    fn pass(&mut self, tick: u64) {
        let buckets = (tick - self.passed).min(u64::try_from(BUCKETS).unwrap_or(u64::MAX));
        for ahead in 1..=buckets {
            let bucket = bucket_of(self.passed + ahead);
            if self.occupied[bucket / 64] & (1 << (bucket % 64)) != 0 {
                self.empty(bucket, tick);
            }
        }
        self.passed = tick;
        self.ready.sort_unstable_by_key(|packet| std::cmp::Reverse(packet.rank()));
    }

    /// Takes from a bucket what is due up to `tick`; what belongs to a later turn stays.
    fn empty(&mut self, bucket: usize, tick: u64) {
        let mut next = self.buckets[bucket].take();
        self.occupied[bucket / 64] &= !(1 << (bucket % 64));
        while let Some(place) = next {
            let entry = &mut self.entries[index(place)];
            next = entry.next;
            let stays = entry.packet.as_ref().is_some_and(|packet| tick_of(packet.due) > tick);
            if stays {
                entry.next = self.buckets[bucket];
                self.buckets[bucket] = Some(place);
                self.occupied[bucket / 64] |= 1 << (bucket % 64);
            } else {
                self.ready.extend(entry.packet.take());
                entry.next = self.free;
                self.free = Some(place);
            }
        }
    }
}

impl<S: Suite> Waiting<S> {
    const fn rank(&self) -> (Time, u64) {
        (self.due, self.order)
    }
}

/// The first tick at or after this moment.
const fn tick_of(due: Time) -> u64 {
    due.micros().div_ceil(TICK_MICROS)
}

fn bucket_of(tick: u64) -> usize {
    usize::try_from(tick % BUCKETS as u64).expect("smaller than the number of buckets")
}

fn index(place: Place) -> usize {
    usize::try_from(place).expect("a place is 32 bits")
}

/// Length of a tick: what a delay is rounded up by at most, a four-hundredth of the default mean.
pub const TICK: Duration = Duration::from_micros(TICK_MICROS);
const TICK_MICROS: u64 = 500;
/// Buckets of the wheel: one turn takes two seconds, ten times the default mean.
const BUCKETS: usize = 4096;

#[cfg(test)]
mod tests;
