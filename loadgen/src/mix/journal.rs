//! Journal of a load: when each packet left the generator and arrived at the sink, and for how long
//! it was to be delayed. One entry for each packet, 20 bytes, all taken when the packets are built.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rohrpost_packet::Delay;

/// Entries for the packets with marks from `first` on.
pub(super) struct Journal {
    first: u64,
    epoch: Instant,
    drawn: Vec<Delay>,
    /// Nanoseconds since the epoch; zero stands for never.
    departed: Vec<AtomicU64>,
    arrived: Vec<AtomicU64>,
}

/// Times of a packet that left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trip {
    /// Departure since the journal's beginning.
    pub(super) departed: Duration,
    /// Arrival since the journal's beginning; none if the packet did not arrive.
    pub(super) arrived: Option<Duration>,
    /// The delay that its builder drew.
    pub(super) drawn: Duration,
}

impl Trip {
    /// Time between generator and sink.
    pub(super) fn realised(&self) -> Option<Duration> {
        Some(self.arrived?.saturating_sub(self.departed))
    }

    /// Time on top of the drawn delay: two links, and the mix's own work.
    pub(super) fn excess(&self) -> Option<Duration> {
        Some(self.realised()?.saturating_sub(self.drawn))
    }
}

impl Journal {
    pub(super) fn new(first: u64, drawn: Vec<Delay>) -> Self {
        let blank = || (0..drawn.len()).map(|_| AtomicU64::new(0)).collect();
        Self { first, epoch: Instant::now(), departed: blank(), arrived: blank(), drawn }
    }

    /// The journal of another load of the same packets.
    pub(super) fn again(&self) -> Self {
        Self::new(self.first, self.drawn.clone())
    }

    /// The longest delay that was drawn.
    pub(super) fn longest(&self) -> Duration {
        self.drawn.iter().map(|delay| delay.duration()).max().unwrap_or_default()
    }

    /// The packet leaves now; to be called before it is handed over.
    pub(super) fn depart(&self, mark: u64) {
        let _ = self.write(&self.departed, mark, self.now());
    }

    /// Takes back that a packet has left.
    pub(super) fn hold_back(&self, mark: u64) {
        let _ = self.write(&self.departed, mark, 0);
    }

    /// Notes that a packet has arrived; tells whether the mark is of this load.
    pub(super) fn arrive(&self, mark: u64) -> bool {
        self.write(&self.arrived, mark, self.now())
    }

    /// Time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The packets that left, in the order of the stock.
    pub(super) fn trips(&self) -> impl Iterator<Item = Trip> {
        let at = |cell: &AtomicU64| {
            Some(cell.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Duration::from_nanos)
        };
        self.drawn.iter().zip(&self.departed).zip(&self.arrived).filter_map(
            move |((drawn, departed), arrived)| {
                let departed = at(departed)?;
                Some(Trip { departed, arrived: at(arrived), drawn: drawn.duration() })
            },
        )
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    fn write(&self, cells: &[AtomicU64], mark: u64, value: u64) -> bool {
        let index = mark.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let cell = index.and_then(|index| cells.get(index));
        cell.is_some_and(|cell| {
            cell.store(value, Ordering::Relaxed);
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trips_are_of_packets_that_left() {
        let journal = Journal::new(10, vec![Delay::from_micros(5); 3]);
        journal.depart(10);
        journal.depart(11);
        journal.depart(12);
        journal.hold_back(11);
        assert!(journal.arrive(12));
        assert!(!journal.arrive(9) && !journal.arrive(13), "of another stock");
        let trips: Vec<_> = journal.trips().collect();
        assert_eq!(trips.len(), 2);
        assert_eq!(trips[0].arrived, None);
        assert_eq!(trips[0].excess(), None);
        assert!(trips[1].arrived.unwrap() >= trips[1].departed);
    }
}
