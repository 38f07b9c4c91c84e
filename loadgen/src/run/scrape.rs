//! A node's metrics as it exports them (`docs/metrics.md`): two looks, and what happened in between.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::usage::Usage;

/// A node that is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// Its name; its metrics' address if nothing better is known.
    pub(crate) name: String,
    /// Whether it delays packets; unknown for a node given by its address alone.
    pub(crate) is_mix: Option<bool>,
    /// Its process, if that is a child.
    pub(crate) pid: Option<u32>,
    pub(crate) metrics: SocketAddr,
}

/// One look at a node: counters since its start, gauges now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Look {
    pub(crate) usage: Usage,
    pub(crate) received: f64,
    pub(crate) sent: f64,
    /// By reason.
    pub(crate) dropped: BTreeMap<String, f64>,
    /// Counts at or below each bound in seconds; rising, the last bound infinite.
    pub(crate) lateness: Vec<(f64, f64)>,
    pub(crate) virtual_clients: f64,
}

impl Watched {
    /// Looks at the node; none if its metrics do not answer. CPU and memory of a child are taken from
    /// the system, which is exact; else from the metrics, which change once per their tick.
    pub(crate) async fn look(&self) -> Option<Look> {
        let (ok, text) = rohrpost_localnet::get(self.metrics, "/metrics").await?;
        let mut look = Look::parse(&text);
        if let Some(usage) = self.pid.and_then(Usage::of) {
            look.usage = usage;
        }
        ok.then_some(look)
    }
}

impl Look {
    fn parse(text: &str) -> Self {
        let mut look = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, label) = series.split_once('{').unwrap_or((series, ""));
            let label = label.split('"').nth(1).unwrap_or("");
            match name {
                "rohrpost_packets_received_total" => look.received = value,
                "rohrpost_packets_sent_total" => look.sent = value,
                "rohrpost_virtual_clients" => look.virtual_clients = value,
                "rohrpost_packets_dropped_total" => {
                    look.dropped.insert(label.to_owned(), value);
                }
                "rohrpost_departure_lateness_seconds_bucket" => {
                    let bound = label.parse().unwrap_or(f64::INFINITY);
                    look.lateness.push((bound, value));
                }
                "process_cpu_seconds_total" => look.usage.cpu = value,
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a cast from float saturates; bytes of memory fit"
                )]
                "process_resident_memory_bytes" => look.usage.resident = value as u64,
                _ => {}
            }
        }
        look
    }

    /// What has happened since an earlier look; gauges are as they are now.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let dropped = |(reason, count): (&String, &f64)| {
            let before = earlier.dropped.get(reason).copied().unwrap_or(0.0);
            (*count > before).then(|| (reason.clone(), count - before))
        };
        Self {
            usage: Usage { cpu: self.usage.cpu - earlier.usage.cpu, ..self.usage },
            received: self.received - earlier.received,
            sent: self.sent - earlier.sent,
            dropped: self.dropped.iter().filter_map(dropped).collect(),
            lateness: difference(&self.lateness, &earlier.lateness),
            virtual_clients: self.virtual_clients,
        }
    }
}

fn difference(now: &[(f64, f64)], before: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let before = |place: usize| before.get(place).map_or(0.0, |(_, count)| *count);
    let place = |(place, (bound, count)): (usize, &(f64, f64))| (*bound, count - before(place));
    now.iter().enumerate().map(place).collect()
}

/// Adds the counts of a histogram with the same bounds.
pub(crate) fn add(sum: &mut Vec<(f64, f64)>, other: &[(f64, f64)]) {
    if sum.is_empty() {
        sum.extend_from_slice(other);
        return;
    }
    for ((_, count), (_, more)) in sum.iter_mut().zip(other) {
        *count += more;
    }
}

/// The value in seconds below which this share of a histogram lies, evenly spread within a bucket;
/// none if it is empty, the last finite bound if it lies beyond that.
pub(crate) fn histogram_quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let (_, all) = buckets.last().filter(|(_, all)| *all > 0.0)?;
    let wanted = all * share;
    let (mut bound_below, mut count_below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= wanted && bound.is_finite() {
            let within = (wanted - count_below) / (count - count_below).max(f64::MIN_POSITIVE);
            return Some(bound_below + (bound - bound_below) * within);
        }
        if bound.is_finite() {
            (bound_below, count_below) = (*bound, *count);
        }
    }
    Some(bound_below)
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
        let between = Look::parse(LATER).since(&Look::parse(EARLIER));
        assert_eq!((between.received, between.sent), (300.0, 50.0));
        assert_eq!(between.usage, Usage { cpu: 2.5, resident: 4096 });
        assert_eq!(between.dropped, BTreeMap::from([("overload".to_owned(), 5.0)]));
        assert_eq!(between.lateness, [(0.001, 90.0), (0.002, 95.0), (f64::INFINITY, 100.0)]);
    }

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let buckets = [(0.001, 90.0), (0.002, 95.0), (f64::INFINITY, 100.0)];
        let quantile = |share| histogram_quantile(&buckets, share).unwrap();
        assert!((quantile(0.45) - 0.0005).abs() < 1e-9);
        assert!((quantile(0.92) - 0.0014).abs() < 1e-9);
        assert!((quantile(0.99) - 0.002).abs() < 1e-9, "no more than the last bound is known");
        assert_eq!(histogram_quantile(&[(0.001, 0.0)], 0.5), None);
        assert_eq!(histogram_quantile(&[], 0.5), None);
    }

    #[test]
    fn histograms_are_added_bound_by_bound() {
        let mut sum = Vec::new();
        add(&mut sum, &[(0.001, 1.0), (f64::INFINITY, 2.0)]);
        add(&mut sum, &[(0.001, 3.0), (f64::INFINITY, 5.0)]);
        assert_eq!(sum, [(0.001, 4.0), (f64::INFINITY, 7.0)]);
    }
}
