//! Series of a mix's own cover (`docs/metrics.md`), which only mixes set.

use metrics::{Counter, counter};
use rohrpost_node::series::{ALARMS, LOOPS_LATE, LOOPS_LOST, LOOPS_RETURNED, LOOPS_SENT};
use rohrpost_proto::mix::watch::Alarm;

/// The series of a mix among those of its node.
pub(crate) struct MixMetrics {
    /// Own loops that left.
    pub(crate) loops_sent: Counter,
    /// Own loops that came back.
    pub(crate) loops_returned: Counter,
    /// Own loops that came back late; they count as returned too.
    pub(crate) loops_late: Counter,
    /// Own loops that did not come back within a minute.
    pub(crate) loops_lost: Counter,
}

impl MixMetrics {
    /// Handles to the series that the node has registered.
    pub(crate) fn of_node() -> Self {
        Self {
            loops_sent: counter!(LOOPS_SENT),
            loops_returned: counter!(LOOPS_RETURNED),
            loops_late: counter!(LOOPS_LATE),
            loops_lost: counter!(LOOPS_LOST),
        }
    }

    /// Counts an attack that was noticed.
    pub(crate) fn alarm(alarm: Alarm) {
        counter!(ALARMS, "alarm" => alarm.as_str()).increment(1);
    }
}
