//! Series of a mix's own cover (`docs/metrics.md`), which only mixes set.

use metrics::{Counter, Gauge, counter, gauge};
use rohrpost_node::series::{LOOPS_LOST, LOOPS_RETURNED, LOOPS_SENT, VIRTUAL_CLIENTS};

/// The series of a mix among those of its node.
pub(crate) struct MixMetrics {
    /// Own loops that left.
    pub(crate) loops_sent: Counter,
    /// Own loops that came back.
    pub(crate) loops_returned: Counter,
    /// Own loops that did not come back within a minute.
    pub(crate) loops_lost: Counter,
    pub(crate) virtual_clients: Gauge,
}

impl MixMetrics {
    /// Handles to the series that the node has registered.
    pub(crate) fn of_node() -> Self {
        Self {
            loops_sent: counter!(LOOPS_SENT),
            loops_returned: counter!(LOOPS_RETURNED),
            loops_lost: counter!(LOOPS_LOST),
            virtual_clients: gauge!(VIRTUAL_CLIENTS),
        }
    }
}
