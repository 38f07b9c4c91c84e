//! Realised delays of a mix against the exponential distribution by which builders draw them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use rohrpost_measure::exposition::risen;
use rohrpost_measure::report::{Report, Verdict, number};
use rohrpost_measure::statistics::{Sample, count, distance_limit};
use rohrpost_packet::Suite;
use serde_json::json;

use super::error::MixError;
use super::journal::Trip;
use super::testbed::Testbed;

/// Options of `mix delays`.
#[derive(Args)]
pub(crate) struct Options {
    /// Packets that are sent.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    packets: u64,
    /// Packets a second; well below the peak.
    #[arg(long, value_name = "RATE", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
}

pub(super) fn run<S: Suite>(
    options: &Options,
    testbed: &mut Testbed<S>,
    report: &mut Report,
) -> Result<(), MixError> {
    let mean = testbed.roster.traffic.mix_delay;
    let packets = testbed.packets(options.packets, mean)?;
    let journal = std::sync::Arc::clone(packets.journal());
    let before = testbed.settled_metrics()?;
    let arrived_before = testbed.peers.sink().arrived();
    let bar = testbed.bar(options.packets, "packets through the mix");
    testbed.load(packets, (f64::from(options.rate), Duration::MAX), |testbed, fed| {
        let arrived = || testbed.peers.sink().arrived() - arrived_before;
        let (mut last, mut change) = (0, Instant::now());
        while arrived() < options.packets && change.elapsed() < QUIET {
            sleep(Duration::from_millis(100));
            bar.set_position(arrived());
            if arrived() + fed.offered() > last {
                (last, change) = (arrived() + fed.offered(), Instant::now());
            }
        }
    });
    bar.finish_and_clear();
    testbed.alive()?;
    let dropped = risen(&testbed.settled_metrics()?.dropped(), &before.dropped());
    let trips: Vec<_> = journal.trips().collect();
    report.value("rate", options.rate);
    report.value("dropped", json!(dropped));
    let sink = testbed.peers.sink();
    let successors: serde_json::Map<_, _> =
        sink.nodes().map(|(node, count)| (node.to_string(), json!(count))).collect();
    report.value("by_successor", successors);
    report.value("misrouted", sink.misrouted());
    tell_loss(report, options.packets, &trips, sink.misrouted());
    tell_distribution(report, &trips, mean);
    Ok(())
}

fn tell_loss(report: &mut Report, offered: u64, trips: &[Trip], misrouted: u64) {
    let arrived = trips.iter().filter(|trip| trip.arrived.is_some()).count();
    report.value("offered", offered);
    report.value("sent", trips.len());
    report.value("arrived", arrived);
    report.judge(Verdict {
        what: "packets that came out, at the successor of their route".into(),
        measured: format!("{arrived} of {offered}, {misrouted} elsewhere"),
        limit: "all, none elsewhere".into(),
        holds: usize::try_from(offered) == Ok(arrived) && misrouted == 0,
    });
}

fn tell_distribution(report: &mut Report, trips: &[Trip], mean: Duration) {
    let seconds = |time: Duration| time.as_secs_f64();
    let realised = Sample::new(trips.iter().filter_map(|trip| trip.realised().map(seconds)));
    let drawn = Sample::new(trips.iter().map(|trip| seconds(trip.drawn)));
    let excess = Sample::new(trips.iter().filter_map(|trip| trip.excess().map(seconds)));
    let (mean, limit) = (mean.as_secs_f64(), distance_limit(realised.len(), 1));
    let distance = realised.distance_from_exponential(mean);
    // The median of what two links and the mix add, taken off: what is left is the mix's
    // distribution.
    let freed = Sample::new(realised.values().iter().map(|time| (time - excess.median()).max(0.0)));
    let freed = freed.distance_from_exponential(mean);
    let [median, tail, most] = excess.spread().map(|time| 1e3 * time);
    report.line(format!(
        "{} packets, mean of the distribution {:.0} ms; distances from it (limit {limit:.5}):",
        number(count(realised.len())),
        1e3 * mean
    ));
    for (words, name, distance) in [
        ("drawn by the builder", "distance_drawn", drawn.distance_from_exponential(mean)),
        ("realised, feeder to sink", "distance", distance),
        ("realised less the median of the excess", "distance_less_median_excess", freed),
    ] {
        report.line(format!("  {words:<42}{distance:.5}"));
        report.value(name, distance);
    }
    report.line(format!(
        "excess of realised over drawn: median {median:.2} ms, p99 {tail:.2} ms, most {most:.1} ms"
    ));
    report.value("distance_limit", limit);
    report.value("excess_ms", json!({ "median": median, "p99": tail, "most": most }));
    report.judge(Verdict {
        what: "Kolmogorov-Smirnov distance of realised delays".into(),
        measured: format!("{distance:.5}"),
        limit: format!("{limit:.5}"),
        holds: distance < limit,
    });
}

/// Nothing more comes after this: many times the longest delay that any packet is likely to draw.
const QUIET: Duration = Duration::from_secs(8);
