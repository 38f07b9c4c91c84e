//! The clocks of an agent: those of its machine, or the ones that a simulation sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rohrpost_network::{Clock, unix_now};
use rohrpost_proto::time::Time;

/// The clocks by which an agent goes.
#[derive(Clone)]
pub(super) enum Clocks {
    /// The machine's, of which the own goes on from here.
    Machine(Clock),
    /// The ones that a simulation sets.
    Simulated(SimulatedClocks),
}

impl Clocks {
    pub(super) fn of_machine() -> Self {
        Self::Machine(Clock::start())
    }

    /// The machine's clock since the Unix epoch, which may be set at any time.
    pub(super) fn machine(&self) -> Duration {
        match self {
            Self::Machine(_) => unix_now(),
            Self::Simulated(clocks) => SimulatedClocks::read(&clocks.0.machine),
        }
    }

    /// The own clock, which nobody sets; a machine's sleep counts.
    pub(super) fn own(&self) -> Time {
        match self {
            Self::Machine(clock) => clock.now(),
            Self::Simulated(clocks) => {
                Time::from_micros(0) + SimulatedClocks::read(&clocks.0.elapsed)
            }
        }
    }

    /// The present moment, for what is never stored.
    pub(super) fn instant(&self) -> Instant {
        match self {
            Self::Machine(_) => Instant::now(),
            Self::Simulated(clocks) => clocks.0.origin + SimulatedClocks::read(&clocks.0.elapsed),
        }
    }
}

/// The clocks of a simulated machine. Clones are the same clocks.
#[derive(Clone)]
pub struct SimulatedClocks(Arc<Readings>);

struct Readings {
    /// The moment at which no time has passed.
    origin: Instant,
    /// Microseconds that have passed, the machine's sleep among them.
    elapsed: AtomicU64,
    /// Microseconds since the Unix epoch by the machine's clock, right or wrong.
    machine: AtomicU64,
}

impl SimulatedClocks {
    /// Clocks of a machine on which no time has passed.
    #[must_use]
    pub fn new(machine: Time) -> Self {
        Self(Arc::new(Readings {
            origin: Instant::now(),
            elapsed: AtomicU64::new(0),
            machine: AtomicU64::new(machine.micros()),
        }))
    }

    /// Sets the time that has passed since the clocks were made, which never becomes less, and what
    /// the machine's clock shows.
    pub fn set(&self, elapsed: Duration, machine: Time) {
        let elapsed = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.0.elapsed.fetch_max(elapsed, Ordering::Relaxed);
        self.0.machine.store(machine.micros(), Ordering::Relaxed);
    }

    fn read(clock: &AtomicU64) -> Duration {
        Duration::from_micros(clock.load(Ordering::Relaxed))
    }
}
