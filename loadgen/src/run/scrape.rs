//! A node's metrics as it exports them (`docs/metrics.md`): two looks, and what happened in
//! between.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rohrpost_localnet::NodePages;
use rohrpost_measure::exposition::{Exposition, risen};
use rohrpost_measure::histogram::Histogram;
use rohrpost_measure::process::Usage;

/// A node that is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// Name of the node; its metrics' address if nothing better is known.
    pub(crate) name: String,
    /// True if it delays packets; unknown for a node given by its address alone.
    pub(crate) is_mix: Option<bool>,
    /// Process of the node, if that is a child.
    pub(crate) pid: Option<u32>,
    pub(crate) metrics: SocketAddr,
}

/// Look at a node: counters since its start, gauges now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Look {
    pub(crate) usage: Usage,
    pub(crate) received: f64,
    pub(crate) sent: f64,
    /// Packets dropped, by reason.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Lateness of departures in seconds.
    pub(crate) lateness: Histogram,
}

impl Watched {
    /// Looks at the node; none if its metrics do not answer. CPU and memory of a child are taken
    /// from the system, which is exact; else from the metrics, which change once per their tick.
    pub(crate) async fn look(&self) -> Option<Look> {
        let mut look = Look::of(&NodePages::at(self.metrics).metrics().await.ok()?);
        if let Some(usage) = self.pid.and_then(Usage::of) {
            look.usage = usage;
        }
        Some(look)
    }
}

impl Look {
    fn of(page: &Exposition) -> Self {
        let value = |series| page.value(series).unwrap_or(0.0);
        Self {
            usage: Usage {
                cpu: value("process_cpu_seconds_total"),
                resident: page.counter("process_resident_memory_bytes"),
            },
            received: value("rohrpost_packets_received_total"),
            sent: value("rohrpost_packets_sent_total"),
            dropped: page.dropped(),
            lateness: page.lateness(),
        }
    }

    /// Events since an earlier look.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            usage: self.usage.since(earlier.usage),
            received: self.received - earlier.received,
            sent: self.sent - earlier.sent,
            dropped: risen(&self.dropped, &earlier.dropped),
            lateness: self.lateness.since(&earlier.lateness),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str = "# HELP rohrpost_packets_received_total Packets.\n\
        # TYPE rohrpost_packets_received_total counter\n\
        rohrpost_packets_received_total 100\n\n\
        rohrpost_packets_dropped_total{reason=\"replay\"} 0\n\
        rohrpost_packets_dropped_total{reason=\"overload\"} 2\n\
        rohrpost_departure_lateness_seconds_bucket{le=\"0.001\"} 10\n\
        rohrpost_departure_lateness_seconds_bucket{le=\"0.002\"} 20\n\
        rohrpost_departure_lateness_seconds_bucket{le=\"+Inf\"} 20\n\
        process_cpu_seconds_total 1.50\n\
        process_resident_memory_bytes 2048\n";
    const LATER: &str = "rohrpost_packets_received_total 400\n\
        rohrpost_packets_sent_total 50\n\
        rohrpost_packets_dropped_total{reason=\"replay\"} 0\n\
        rohrpost_packets_dropped_total{reason=\"overload\"} 7\n\
        rohrpost_departure_lateness_seconds_bucket{le=\"0.001\"} 100\n\
        rohrpost_departure_lateness_seconds_bucket{le=\"0.002\"} 115\n\
        rohrpost_departure_lateness_seconds_bucket{le=\"+Inf\"} 120\n\
        process_cpu_seconds_total 4.00\n\
        process_resident_memory_bytes 4096\n";

    #[test]
    fn the_difference_of_two_looks_is_what_happened_in_between() {
        let look = |text| Look::of(&Exposition::parse(text));
        let between = look(LATER).since(&look(EARLIER));
        assert_eq!((between.received, between.sent), (300.0, 50.0));
        assert_eq!(between.usage, Usage { cpu: 2.5, resident: 4096 });
        assert_eq!(between.dropped, BTreeMap::from([("overload".to_owned(), 5)]));
        let buckets = vec![(0.001, 90.0), (0.002, 95.0), (f64::INFINITY, 100.0)];
        assert_eq!(between.lateness, Histogram::new(buckets));
    }
}
