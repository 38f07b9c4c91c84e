//! The metrics of a node (`docs/metrics.md`): closed labels, every series from the start, nothing
//! about a client, a mailbox or a message, real traffic and cover never apart.

use std::sync::RwLock;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::lock::Unpoison;

use crate::error::NodeError;
use crate::series::{describe, register_role_series};
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
    /// Delay past their due time with which packets leave a mix, or ticks of a relay run.
    pub lateness: Histogram,
    /// Packet links of this node to the next layer that are up.
    pub packet_links: Gauge,
    /// Control links of this node to relays that are up.
    pub control_links: Gauge,
    /// Links that peers were refused.
    pub links_refused: Counter,
    /// Version of the newest roster.
    pub roster_version: Gauge,
    /// Number of the newest document.
    pub document_number: Gauge,
    /// Number of nodes in the newest document.
    pub document_nodes: Gauge,
    /// 1 while the documents name too little to build packets with, else 0.
    pub document_short: Gauge,
    /// Age of the newest document.
    pub document_age: Gauge,
    /// Seconds by which the own clock is ahead of the relays'.
    pub clock_offset: Gauge,
    /// 1 while the node is ready, else 0.
    pub ready: Gauge,
    /// Fill of the newest key's replay set.
    pub replay_fill: Gauge,
    /// Bytes of memory that the process takes at most.
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
        register_role_series();
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
            roster_version: gauge!("rohrpost_roster_version"),
            document_number: gauge!("rohrpost_document_number"),
            document_nodes: gauge!("rohrpost_document_nodes"),
            document_short: gauge!("rohrpost_document_short"),
            document_age: gauge!("rohrpost_document_age_seconds"),
            clock_offset: gauge!("rohrpost_clock_offset_seconds"),
            ready: gauge!("rohrpost_ready"),
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

    /// Renders the values for the time until the next tick.
    pub fn refresh(&self) {
        self.handle.run_upkeep();
        let text = self.handle.render() + &self.usage.render();
        *self.snapshot.write().unpoison() = text;
    }

    /// The text of the last tick.
    #[must_use]
    pub fn text(&self) -> String {
        self.snapshot.read().unpoison().clone()
    }
}

/// Fine below 10 ms, where a median and a 99th percentile of a node in good order lie.
const LATENESS_BUCKETS: &[f64] = &[
    0.0001, 0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02,
    0.05, 0.1, 0.3, 1.0,
];

#[cfg(test)]
mod tests {
    use rohrpost_proto::mix::watch::Alarm;

    use super::*;
    use crate::series::{
        ALARMS, LOOPS_LATE, LOOPS_LOST, LOOPS_RETURNED, LOOPS_SENT, MAILBOXES, SESSIONS,
    };

    #[test]
    fn every_series_is_there_from_the_start_with_its_help() {
        let metrics = Metrics::install(Duration::from_secs(1), "test").unwrap();
        let text = metrics.text();
        for reason in Refusal::ALL {
            let series =
                format!("rohrpost_packets_dropped_total{{reason=\"{}\"}} 0", reason.as_str());
            assert!(text.contains(&series), "{series} is missing");
        }
        for name in [SESSIONS, MAILBOXES, LOOPS_SENT, LOOPS_RETURNED, LOOPS_LATE, LOOPS_LOST] {
            assert!(text.contains(&format!("\n{name} 0\n")), "{name} is missing");
        }
        for alarm in Alarm::ALL {
            let series = format!("{ALARMS}{{alarm=\"{}\"}} 0", alarm.as_str());
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
