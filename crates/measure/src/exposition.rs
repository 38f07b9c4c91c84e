//! A node's metrics page (`docs/metrics.md`) in Prometheus' text form.

use std::collections::BTreeMap;

use crate::histogram::Histogram;
use crate::statistics::whole;

/// Reading of `/metrics`: value by series, with its labels as they stand there.
#[derive(Clone, Default, Debug)]
pub struct Exposition(BTreeMap<String, f64>);

impl Exposition {
    /// Reads a page; lines that hold no sample are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// Value of a series, if the node has it.
    #[must_use]
    pub fn value(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// Value of a counter, zero if the node does not have it.
    #[must_use]
    pub fn counter(&self, series: &str) -> u64 {
        whole(self.value(series).unwrap_or(0.0))
    }

    /// Values of all series of a name by their one label.
    pub fn by_label(&self, name: &str) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().filter_map(move |(series, value)| {
            let label = series.strip_prefix(name)?.strip_prefix('{')?.strip_suffix("\"}")?;
            Some((label.split_once("=\"")?.1, *value))
        })
    }

    /// Packets that the node has dropped, by reason.
    #[must_use]
    pub fn dropped(&self) -> BTreeMap<String, u64> {
        let reason = |(reason, count): (&str, f64)| (reason.to_owned(), whole(count));
        self.by_label("rohrpost_packets_dropped_total").map(reason).collect()
    }

    /// Lateness of the packets that have left the node, in seconds.
    #[must_use]
    pub fn lateness(&self) -> Histogram {
        let buckets = self.by_label("rohrpost_departure_lateness_seconds_bucket");
        let bucket = |(bound, count): (&str, f64)| Some((bound.parse().ok()?, count));
        Histogram::new(buckets.filter_map(bucket).collect())
    }
}

/// Counts that have risen since an earlier reading, and by how much.
#[must_use]
pub fn risen(now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let risen = |(name, count): (&String, &u64)| {
        let since = count.saturating_sub(before.get(name).copied().unwrap_or(0));
        (since > 0).then(|| (name.clone(), since))
    };
    now.iter().filter_map(risen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(overload: u64, fast: u64, all: u64) -> Exposition {
        Exposition::parse(&format!(
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
        let (before, after) = (page(3, 10, 20), page(8, 100, 120));
        assert_eq!(after.value("rohrpost_ready"), Some(1.0));
        assert_eq!(after.value("rohrpost_memory_ceiling_bytes"), None);
        let dropped = risen(&after.dropped(), &before.dropped());
        assert_eq!(dropped, BTreeMap::from([("overload".to_owned(), 5)]));
        let buckets = vec![(0.001, 90.0), (0.01, 100.0), (f64::INFINITY, 100.0)];
        assert_eq!(after.lateness().since(&before.lateness()), Histogram::new(buckets));
    }
}
