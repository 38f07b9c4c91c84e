//! Values of a node's metrics page (`docs/metrics.md`), and of the stages on its inspection page.

use std::collections::BTreeMap;

use serde_json::Value;

/// One reading of `/metrics`: value by series, with its labels as they stand there.
#[derive(Clone, Default, Debug)]
pub(super) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    pub(super) fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// A series, if the node has it.
    pub(super) fn value(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// A counter, zero if it is not there.
    pub(super) fn counter(&self, series: &str) -> u64 {
        whole(self.value(series).unwrap_or(0.0))
    }

    /// Packets dropped by reason, since `before`, the reasons without any left out.
    pub(super) fn dropped_since(&self, before: &Self) -> BTreeMap<String, u64> {
        let dropped = |(series, value): (&String, &f64)| {
            let reason = series.strip_prefix(DROPPED)?.strip_suffix("\"}")?;
            let since = whole(*value).saturating_sub(before.counter(series));
            (since > 0).then(|| (reason.to_owned(), since))
        };
        self.0.iter().filter_map(dropped).collect()
    }

    /// The buckets of the lateness of departures since `before`: upper bound in seconds, cumulative.
    pub(super) fn lateness_since(&self, before: &Self) -> Vec<(f64, u64)> {
        let bucket = |(series, value): (&String, &f64)| {
            let bound = series.strip_prefix(LATENESS)?.strip_suffix("\"}")?;
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
            Some((bound, whole(*value).saturating_sub(before.counter(series))))
        };
        let mut buckets: Vec<_> = self.0.iter().filter_map(bucket).collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        buckets
    }
}

/// CPU time of the workers by stage, as far as the mix tells it; nanoseconds since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stages {
    pub(super) packets: u64,
    pub(super) unwrap: u64,
    pub(super) replay: u64,
    pub(super) delay: u64,
}

impl Stages {
    pub(super) fn parse(inspection: &Value) -> Option<Self> {
        let stages = &inspection["stages"];
        let field = |name: &str| stages[name].as_u64();
        Some(Self {
            packets: field("packets")?,
            unwrap: field("unwrap_ns")?,
            replay: field("replay_ns")?,
            delay: field("delay_ns")?,
        })
    }

    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(before.packets),
            unwrap: self.unwrap.saturating_sub(before.unwrap),
            replay: self.replay.saturating_sub(before.replay),
            delay: self.delay.saturating_sub(before.delay),
        }
    }
}

/// Packets over all links of one direction (`from` or `to`) of an inspection page.
pub(super) fn packets(inspection: &Value, direction: &str) -> Option<u64> {
    Some(inspection[direction].as_object()?.values().filter_map(Value::as_u64).sum())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counters are whole and positive, and a cast from float saturates"
)]
const fn whole(value: f64) -> u64 {
    value as u64
}

const DROPPED: &str = "rohrpost_packets_dropped_total{reason=\"";
const LATENESS: &str = "rohrpost_departure_lateness_seconds_bucket{le=\"";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scrape(overload: u64, fast: u64, all: u64) -> Scrape {
        Scrape::parse(&format!(
            "# HELP rohrpost_ready 1 when ready.\n\
             rohrpost_ready 1\n\
             rohrpost_packets_dropped_total{{reason=\"overload\"}} {overload}\n\
             rohrpost_packets_dropped_total{{reason=\"replay\"}} 0\n\
             rohrpost_departure_lateness_seconds_bucket{{le=\"0.01\"}} {all}\n\
             rohrpost_departure_lateness_seconds_bucket{{le=\"0.001\"}} {fast}\n\
             rohrpost_departure_lateness_seconds_bucket{{le=\"+Inf\"}} {all}\n"
        ))
    }

    #[test]
    fn differences_of_two_readings() {
        let (before, after) = (scrape(3, 10, 20), scrape(8, 100, 120));
        assert_eq!(after.value("rohrpost_ready"), Some(1.0));
        assert_eq!(after.value("rohrpost_memory_ceiling_bytes"), None);
        let dropped: Vec<_> = after.dropped_since(&before).into_iter().collect();
        assert_eq!(dropped, [("overload".to_owned(), 5)]);
        let buckets = after.lateness_since(&before);
        assert_eq!(buckets, [(0.001, 90), (0.01, 100), (f64::INFINITY, 100)]);
    }

    #[test]
    fn stages_are_read_where_the_mix_tells_them() {
        let page = json!({
            "from": {"a": 3, "b": 4},
            "stages": {"packets": 9, "unwrap_ns": 50, "replay_ns": 2, "delay_ns": 5},
        });
        let stages = Stages::parse(&page).unwrap();
        assert_eq!(stages.since(Stages { packets: 4, unwrap: 20, ..stages }).unwrap, 30);
        assert_eq!(packets(&page, "from"), Some(7));
        assert_eq!(packets(&page, "to"), None);
        assert_eq!(Stages::parse(&json!({})), None);
    }
}
