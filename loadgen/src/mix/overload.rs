//! Load past saturation: half as much again as the mix can do, for a minute, then half of it.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use rohrpost_measure::exposition::{Exposition, risen};
use rohrpost_measure::report::{Report, Verdict, number};
use rohrpost_measure::statistics::float;
use rohrpost_packet::Suite;
use serde_json::json;

use super::error::MixError;
use super::interval::Interval;
use super::journal::Journal;
use super::recovery::recovery;
use super::saturation::Peak;
use super::testbed::{Moment, Testbed};

/// Options of `mix overload`.
#[derive(Args)]
pub(crate) struct Options {
    /// Seconds of overload.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
    /// Load as a multiple of the peak.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.5)]
    factor: f64,
    #[command(flatten)]
    peak: Peak,
}

/// Observations under overload.
struct Seen {
    interval: Interval,
    /// Packets received and not sent from the beginning of the overload until all was quiet.
    missing: u64,
    /// Packets that the mix counted as dropped in that time, for whatever reason.
    counted: u64,
    highest: u64,
    ceiling: Option<f64>,
}

pub(super) fn run<S: Suite>(
    options: &Options,
    testbed: &mut Testbed<S>,
    report: &mut Report,
) -> Result<(), MixError> {
    let peak = options.peak.find(testbed, report)?;
    let length = Duration::from_secs(options.seconds);
    let (high, low) = (peak * options.factor, peak * AFTER);
    let overload = testbed.packets_for(high, length)?;
    let rest = testbed.packets_for(low, AFTERWARDS)?;
    testbed.note(&format!("{} packets/s for {} s", number(high), options.seconds));
    let before = testbed.settled_metrics()?;
    let watched = testbed.load(overload, (high, length), |testbed, fed| {
        let first = testbed.look(Some(fed))?;
        testbed.pass(length.as_secs(), "s of overload");
        Ok((Interval::between(&first, &testbed.look(Some(fed))?), first))
    });
    let journal = Arc::clone(rest.journal());
    let fallen = journal.elapsed();
    testbed.load(rest, (low, AFTERWARDS), |_, _| ());
    sleep(DRAIN);
    testbed.alive()?;
    let seen = Seen::sum_up(testbed, &before, watched.map_err(MixError::System)?)?;
    tell(report, peak, &seen);
    tell_recovery(report, &journal, fallen);
    Ok(())
}

impl Seen {
    /// All counts once the mix is quiet again; `before` and the watched interval are older.
    fn sum_up<S: Suite>(
        testbed: &Testbed<S>,
        before: &Exposition,
        (mut interval, first): (Interval, Moment),
    ) -> Result<Self, MixError> {
        let after = testbed.settled_metrics()?;
        let dropped = risen(&after.dropped(), &before.dropped());
        interval.count_dropped(&dropped);
        let last = testbed.look(None).map_err(MixError::System)?;
        let missing = (last.received - first.received).saturating_sub(last.arrived - first.arrived);
        let highest = testbed.highest_memory()?;
        let ceiling = after.value("rohrpost_memory_ceiling_bytes");
        Ok(Self { interval, missing, counted: dropped.values().sum(), highest, ceiling })
    }
}

fn tell(report: &mut Report, peak: f64, seen: &Seen) {
    let Seen { interval, missing, counted, highest, ceiling } = seen;
    let part = interval.out_rate() / peak;
    report.line("");
    report.line(format!("overload: {}", interval.describe()));
    let mebibytes = |bytes: f64| format!("{:.0} MiB", bytes / f64::from(1 << 20));
    let most = mebibytes(float(*highest));
    let ceiling_text = ceiling.map_or_else(|| "not printed".to_owned(), mebibytes);
    report.line(format!("memory of the mix: {most} at most; its ceiling: {ceiling_text}"));
    report.value("overload", interval.json());
    report.value("memory_highest_bytes", *highest);
    report.value("memory_ceiling_bytes", json!(ceiling));
    report.judge(Verdict {
        what: "throughput under overload".into(),
        measured: format!("{:.0} % of the peak", 100.0 * part),
        limit: "within 10 % of it".into(),
        holds: (part - 1.0).abs() <= 0.10 || part > 1.0,
    });
    report.judge(Verdict {
        what: "memory under overload".into(),
        measured: most,
        limit: ceiling_text,
        holds: ceiling.is_some_and(|ceiling| float(*highest) <= ceiling),
    });
    report.value("received_and_not_sent", *missing);
    report.value("counted_as_dropped", *counted);
    report.judge(Verdict {
        what: "packets shed are counted".into(),
        measured: format!("{missing} received and not sent, {counted} counted"),
        limit: "equal, and not none".into(),
        holds: missing == counted && interval.shed > 0,
    });
}

fn tell_recovery(report: &mut Report, journal: &Journal, fallen: Duration) {
    let trips: Vec<_> = journal.trips().collect();
    let recovered = recovery(&trips, fallen);
    let text = recovered.map_or_else(
        || "not within the time looked at".to_owned(),
        |time| format!("{:.1} s", time.as_secs_f64()),
    );
    report.value("recovery_seconds", json!(recovered.map(|time| time.as_secs_f64())));
    report.judge(Verdict {
        what: "recovery: nothing lost, and the median excess over drawn delays under 5 ms".into(),
        measured: text,
        limit: "5 s".into(),
        holds: recovered.is_some_and(|time| time <= Duration::from_secs(5)),
    });
}

/// Part of the peak that is offered once the overload is over.
const AFTER: f64 = 0.5;
const AFTERWARDS: Duration = Duration::from_secs(12);
/// Time for the last packets to come out.
const DRAIN: Duration = Duration::from_secs(3);
