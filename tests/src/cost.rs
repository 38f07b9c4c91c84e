//! What a run costs: the CPU time of its thread.

use std::fs;
use std::time::Duration;

/// CPU time of the calling thread since the clock was started. Tests run side by side, each on a
/// thread of its own, so the process's time would count the neighbours.
#[derive(Clone, Copy)]
pub struct CpuClock {
    started: Duration,
}

impl CpuClock {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: thread_time() }
    }

    /// CPU time since then, to be read by the same thread. Zero where the system does not tell.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        thread_time().saturating_sub(self.started)
    }
}

/// First number of Linux' `schedstat`: nanoseconds on a CPU.
fn thread_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
