//! Gauges that only relays set (`docs/metrics.md`). Counts of people are rounded up to a power of
//! two.

use metrics::{Gauge, gauge};
use rohrpost_node::series::{MAILBOXES, SESSIONS};

/// The series of a relay among those of its node.
pub(crate) struct RelayMetrics {
    sessions: Gauge,
    mailboxes: Gauge,
}

impl RelayMetrics {
    /// Handles to the series that the node has registered.
    pub(crate) fn of_node() -> Self {
        Self { sessions: gauge!(SESSIONS), mailboxes: gauge!(MAILBOXES) }
    }

    pub(crate) fn set_sessions(&self, count: usize) {
        self.sessions.set(rounded(count));
    }

    pub(crate) fn set_mailboxes(&self, count: usize) {
        self.mailboxes.set(rounded(count));
    }
}

fn rounded(count: usize) -> f64 {
    let rounded = if count == 0 { 0 } else { count.next_power_of_two() };
    f64::from(u32::try_from(rounded).unwrap_or(u32::MAX))
}
