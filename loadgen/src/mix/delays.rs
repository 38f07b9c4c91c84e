//! Whether a mix keeps packets for as long as was drawn: realised delays against the exponential law.

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use rohrpost_packet::Suite;
use rohrpost_proto::roster::SuiteName;
use serde_json::json;

use super::MixError;
use super::journal::Trip;
use super::report::{Report, Verdict, number};
use super::stand::Stand;
use super::statistics::{distance_from_exponential, distance_limit, spread};

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
    suite: SuiteName,
    quiet: bool,
) -> Result<Report, MixError> {
    let mut stand = Stand::<S>::start(suite, quiet)?;
    let mean = stand.roster.traffic.mix_delay;
    let stock = stand.stock(options.packets, mean)?;
    let journal = std::sync::Arc::clone(stock.journal());
    let before = stand.settled_metrics()?;
    let arrived_before = stand.neighbours.sink().arrived();
    let bar = stand.bar(options.packets, "packets through the mix");
    stand.load(stock, (f64::from(options.rate), Duration::MAX), |stand, fed| {
        let arrived = || stand.neighbours.sink().arrived() - arrived_before;
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
    stand.alive()?;
    let dropped = stand.settled_metrics()?.dropped_since(&before);
    let trips: Vec<_> = journal.trips().collect();
    let mut report = Report::default();
    report.line(format!("one mix, suite {}, {}", suite.as_str(), stand.cores.describe()));
    report.value("suite", suite.as_str().into());
    report.value("rate", options.rate.into());
    report.value("dropped", json!(dropped));
    let sink = stand.neighbours.sink();
    let successors: serde_json::Map<_, _> =
        sink.nodes().map(|(node, count)| (node.to_string(), json!(count))).collect();
    report.value("by_successor", successors.into());
    report.value("misrouted", sink.misrouted().into());
    tell_loss(&mut report, options.packets, &trips, sink.misrouted());
    tell_law(&mut report, &trips, mean);
    Ok(report)
}

fn tell_loss(report: &mut Report, offered: u64, trips: &[Trip], misrouted: u64) {
    let arrived = trips.iter().filter(|trip| trip.arrived.is_some()).count();
    report.value("offered", offered.into());
    report.value("sent", trips.len().into());
    report.value("arrived", arrived.into());
    report.judge(Verdict {
        what: "packets that came out, at the successor of their route".into(),
        measured: format!("{arrived} of {offered}, {misrouted} elsewhere"),
        limit: "all, none elsewhere".into(),
        holds: usize::try_from(offered) == Ok(arrived) && misrouted == 0,
    });
}

fn tell_law(report: &mut Report, trips: &[Trip], mean: Duration) {
    let seconds = |time: Duration| time.as_secs_f64();
    let mut realised: Vec<_> =
        trips.iter().filter_map(|trip| trip.realised().map(seconds)).collect();
    let mut drawn: Vec<_> = trips.iter().map(|trip| seconds(trip.drawn)).collect();
    let mut excess: Vec<_> = trips.iter().filter_map(Trip::excess).collect();
    let (mean, limit) = (mean.as_secs_f64(), distance_limit(realised.len()));
    let distance = distance_from_exponential(&mut realised, mean);
    let distance_drawn = distance_from_exponential(&mut drawn, mean);
    let [median, tail, most] = spread(&mut excess).map(|time| 1e3 * seconds(time));
    // The median of what two links and the mix add, taken off: what is left is the mix's law.
    let mut freed: Vec<_> = trips
        .iter()
        .filter_map(|trip| Some((seconds(trip.realised()?) - median / 1e3).max(0.0)))
        .collect();
    let distance_freed = distance_from_exponential(&mut freed, mean);
    report.line(format!(
        "{} packets, mean of the law {:.0} ms; distances from it (limit {limit:.5}):",
        number(super::statistics::count(realised.len())),
        1e3 * mean
    ));
    report.line(format!("  drawn by the builder                      {distance_drawn:.5}"));
    report.line(format!("  realised, feeder to sink                  {distance:.5}"));
    report.line(format!("  realised less the median of the excess    {distance_freed:.5}"));
    report.line(format!(
        "excess of realised over drawn: median {median:.2} ms, p99 {tail:.2} ms, most {most:.1} ms"
    ));
    report.value("distance_drawn", distance_drawn.into());
    report.value("distance", distance.into());
    report.value("distance_less_median_excess", distance_freed.into());
    report.value("distance_limit", limit.into());
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
