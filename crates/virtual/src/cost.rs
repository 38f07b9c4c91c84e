//! Cost of a run: the CPU time of its thread.

use std::time::Duration;

use rohrpost_measure::process::thread_time;

/// CPU time of the calling thread since the clock was started. Tests run side by side, each on a
/// thread of its own, so the process's time would count the neighbours.
#[derive(Clone, Copy)]
pub struct CpuClock {
    started: Duration,
}

impl CpuClock {
    /// Starts a clock for the calling thread.
    #[must_use]
    pub fn start() -> Self {
        Self { started: thread_time() }
    }

    /// CPU time since the start, to be read by the thread that started the clock.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        thread_time().saturating_sub(self.started)
    }
}
