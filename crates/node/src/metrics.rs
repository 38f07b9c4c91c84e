//! The metrics of a node (`docs/metrics.md`): closed labels, every series from the start, nothing
//! about a client, a mailbox or a message, real traffic and cover never apart.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge};
use metrics::{describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use rohrpost_proto::hop::Refusal;

use crate::error::NodeError;
use crate::usage::Usage;

/// All series of a node process. Values are rendered once per tick.
pub struct Metrics {
    handle: PrometheusHandle,
    snapshot: RwLock<String>,
    /// Packets that came in over links, cover included.
    pub received: Counter,
    /// Packets that went out over links, cover included.
    pub sent: Counter,
    dropped: Vec<Counter>,
    /// How late packets leave a mix, or ticks of a relay run.
    pub lateness: Histogram,
    /// Packet links of this node to the next layer that are up.
    pub packet_links: Gauge,
    /// Control links of this node to relays that are up.
    pub control_links: Gauge,
    /// Links that peers were refused.
    pub links_refused: Counter,
    /// Number of the newest document.
    pub document_number: Gauge,
    /// Nodes in it.
    pub document_nodes: Gauge,
    /// Its age.
    pub document_age: Gauge,
    /// 1 once ready.
    pub ready: Gauge,
    /// Own loops that left.
    pub loops_sent: Counter,
    /// Own loops that came back.
    pub loops_returned: Counter,
    /// Own loops that did not come back within a minute.
    pub loops_lost: Counter,
    /// Virtual clients of a mix.
    pub virtual_clients: Gauge,
    /// Sessions of a relay, rounded up to a power of two.
    pub sessions: Gauge,
    /// Mailboxes of a relay, rounded up to a power of two.
    pub mailboxes: Gauge,
    /// Fill of the newest key's replay set.
    pub replay_fill: Gauge,
    /// What the process takes at most.
    pub memory_ceiling: Gauge,
    usage: Usage,
}

impl Metrics {
    /// Installs the process's recorder and registers every series at zero.
    ///
    /// # Errors
    /// The process has a recorder already.
    pub fn install(tick: Duration, revision: &'static str) -> Result<Self, NodeError> {
        let lateness = "rohrpost_departure_lateness_seconds".to_owned();
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(lateness), LATENESS_BUCKETS)
            .map_err(|_| NodeError::TaskEnded("metrics"))?;
        let handle = builder.install_recorder().map_err(|_| NodeError::TaskEnded("metrics"))?;
        describe();
        gauge!("rohrpost_build_info", "version" => env!("CARGO_PKG_VERSION"), "revision" => revision)
            .set(1.0);
        gauge!("rohrpost_tick_seconds").set(tick.as_secs_f64());
        let dropped = Refusal::ALL
            .iter()
            .map(|reason| counter!("rohrpost_packets_dropped_total", "reason" => reason.as_str()));
        let metrics = Self {
            handle,
            snapshot: RwLock::default(),
            received: counter!("rohrpost_packets_received_total"),
            sent: counter!("rohrpost_packets_sent_total"),
            dropped: dropped.collect(),
            lateness: histogram!("rohrpost_departure_lateness_seconds"),
            packet_links: gauge!("rohrpost_links_up", "kind" => "packet"),
            control_links: gauge!("rohrpost_links_up", "kind" => "control"),
            links_refused: counter!("rohrpost_links_refused_total"),
            document_number: gauge!("rohrpost_document_number"),
            document_nodes: gauge!("rohrpost_document_nodes"),
            document_age: gauge!("rohrpost_document_age_seconds"),
            ready: gauge!("rohrpost_ready"),
            loops_sent: counter!("rohrpost_loops_sent_total"),
            loops_returned: counter!("rohrpost_loops_returned_total"),
            loops_lost: counter!("rohrpost_loops_lost_total"),
            virtual_clients: gauge!("rohrpost_virtual_clients"),
            sessions: gauge!("rohrpost_sessions"),
            mailboxes: gauge!("rohrpost_mailboxes"),
            replay_fill: gauge!("rohrpost_replay_fill_ratio"),
            memory_ceiling: gauge!("rohrpost_memory_ceiling_bytes"),
            usage: Usage::start(),
        };
        metrics.refresh();
        Ok(metrics)
    }

    /// Counts a dropped packet.
    pub fn drop_packet(&self, reason: Refusal) {
        let place = Refusal::ALL.iter().position(|each| *each == reason);
        if let Some(counter) = place.and_then(|place| self.dropped.get(place)) {
            counter.increment(1);
        }
    }

    /// People's counts: rounded up to a power of two.
    pub fn set_people(gauge: &Gauge, count: usize) {
        let rounded = if count == 0 { 0 } else { count.next_power_of_two() };
        gauge.set(f64::from(u32::try_from(rounded).unwrap_or(u32::MAX)));
    }

    /// Renders the values for the time until the next tick.
    pub fn refresh(&self) {
        self.handle.run_upkeep();
        let text = self.handle.render() + &self.usage.render();
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// The text of the last tick.
    #[must_use]
    pub fn text(&self) -> String {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn describe() {
    let gauges = [
        ("rohrpost_build_info", "Version and revision; always 1."),
        ("rohrpost_tick_seconds", "Values change once per this."),
        (
            "rohrpost_ready",
            "1 when the links that are needed are up and a fresh document is at hand.",
        ),
        ("rohrpost_links_up", "Links of this node to others that are up."),
        ("rohrpost_document_number", "Number of the newest document."),
        ("rohrpost_document_nodes", "Nodes in the newest document."),
        ("rohrpost_document_age_seconds", "Age of the newest document; zero before the first."),
        ("rohrpost_virtual_clients", "Virtual clients that keep this mix's cover."),
        ("rohrpost_sessions", "Sessions of this relay, rounded up to a power of two."),
        ("rohrpost_mailboxes", "Mailboxes of this relay, rounded up to a power of two."),
        ("rohrpost_replay_fill_ratio", "Fill of the replay set of the newest key."),
        ("rohrpost_memory_ceiling_bytes", "Memory that the process takes at most, by its limits."),
    ];
    for (name, help) in gauges {
        describe_gauge!(name, help);
    }
    let counters = [
        ("rohrpost_packets_received_total", "Packets that came in over links, cover included."),
        ("rohrpost_packets_sent_total", "Packets that went out over links, cover included."),
        ("rohrpost_packets_dropped_total", "Packets dropped, by reason."),
        (
            "rohrpost_links_refused_total",
            "Links that peers were refused: failed handshakes, strangers, nodes out of order.",
        ),
        ("rohrpost_loops_sent_total", "Own loops that left."),
        ("rohrpost_loops_returned_total", "Own loops that came back."),
        ("rohrpost_loops_lost_total", "Own loops that did not come back within a minute."),
    ];
    for (name, help) in counters {
        describe_counter!(name, help);
    }
    let help = "Time between when a packet or tick was due and when it left.";
    describe_histogram!("rohrpost_departure_lateness_seconds", Unit::Seconds, help);
}

/// Fine below 10 ms, where a median and a 99th percentile of a node in good order lie.
const LATENESS_BUCKETS: &[f64] = &[
    0.0001, 0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02,
    0.05, 0.1, 0.3, 1.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_from_the_start_with_its_help() {
        let metrics = Metrics::install(Duration::from_secs(1), "test").unwrap();
        let text = metrics.text();
        for reason in Refusal::ALL {
            let series =
                format!("rohrpost_packets_dropped_total{{reason=\"{}\"}} 0", reason.as_str());
            assert!(text.contains(&series), "{series} is missing");
        }
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let name = line.split(['{', ' ']).next().unwrap();
            let name = name.trim_end_matches("_bucket").trim_end_matches("_sum");
            let name = name.trim_end_matches("_count");
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
        }
        metrics.drop_packet(Refusal::Replay);
        assert_eq!(metrics.text(), text, "nothing changes before the tick");
        metrics.refresh();
        assert!(metrics.text().contains("reason=\"replay\"} 1"));
    }
}
