//! Past saturation: half as much again as the mix can do, for a minute, then half of it.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use rohrpost_packet::Suite;
use rohrpost_proto::roster::SuiteName;
use serde_json::json;

use super::MixError;
use super::journal::Journal;
use super::peak::Peak;
use super::recovery::recovery;
use super::report::{Report, Verdict, number};
use super::stand::Stand;
use super::window::Window;

/// Options of `mix overload`.
#[derive(Args)]
pub(crate) struct Options {
    /// Seconds of overload.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
    /// Load as a multiple of the peak.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.5)]
    factor: f64,
    /// Take this as the peak, in packets a second, instead of looking for it.
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..))]
    peak: Option<u32>,
}

/// What was seen under overload.
struct Seen {
    window: Window,
    /// Packets received and not sent from the beginning of the overload until all was quiet.
    missing: u64,
    /// Packets that the mix counted as dropped in that time, for whatever reason.
    counted: u64,
    highest: u64,
    ceiling: Option<f64>,
}

pub(super) fn run<S: Suite>(
    options: &Options,
    suite: SuiteName,
    quiet: bool,
) -> Result<Report, MixError> {
    let mut stand = Stand::<S>::start(suite, quiet)?;
    let mut report = Report::default();
    report.line(format!("one mix, suite {}, {}", suite.as_str(), stand.cores.describe()));
    report.value("suite", suite.as_str().into());
    report.value("cores", stand.cores.describe().into());
    let peak = match options.peak {
        Some(peak) => f64::from(peak),
        None => {
            let peak = Peak::find(&mut stand)?;
            peak.lines().into_iter().for_each(|line| report.line(line));
            report.value("peak", peak.json());
            peak.rate
        }
    };
    let length = Duration::from_secs(options.seconds);
    let (high, low) = (peak * options.factor, peak * AFTER);
    let overload = stand.stock_for(high, length)?;
    let rest = stand.stock_for(low, AFTERWARDS)?;
    stand.note(&format!("{} packets/s for {} s", number(high), options.seconds));
    let before = stand.settled_metrics()?;
    let seen = stand.load(overload, (high, length), |stand, fed| {
        let first = stand.look(Some(fed))?;
        let bar = stand.bar(length.as_secs(), "s of overload");
        let mut highest = 0;
        for _ in 0..length.as_secs() {
            sleep(Duration::from_secs(1));
            highest = highest.max(stand.memory()?.resident);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let window = Window::between(&first, &stand.look(Some(fed))?);
        Ok((window, first, highest))
    });
    let journal = Arc::clone(rest.journal());
    let fallen = journal.elapsed();
    stand.load(rest, (low, AFTERWARDS), |_, _| ());
    sleep(DRAIN);
    stand.alive()?;
    let (mut window, first, highest) = seen.map_err(MixError::System)?;
    let after = stand.settled_metrics()?;
    let dropped = after.dropped_since(&before);
    window.count_dropped(&dropped);
    let last = stand.look(None).map_err(MixError::System)?;
    let missing = (last.received - first.received).saturating_sub(last.arrived - first.arrived);
    let counted = dropped.values().sum();
    let highest = highest.max(stand.memory().map_err(MixError::System)?.highest);
    let ceiling = after.value("rohrpost_memory_ceiling_bytes");
    tell(&mut report, peak, &Seen { window, missing, counted, highest, ceiling });
    tell_recovery(&mut report, &journal, fallen);
    Ok(report)
}

fn tell(report: &mut Report, peak: f64, seen: &Seen) {
    let Seen { window, missing, counted, highest, ceiling } = seen;
    let part = window.out_rate() / peak;
    report.line(String::new());
    report.line(format!("overload: {}", window.describe()));
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory are below 2^53")]
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let ceiling_text = ceiling.map_or_else(
        || "not printed".to_owned(),
        |bytes| format!("{:.0} MiB", bytes / f64::from(1 << 20)),
    );
    report.line(format!(
        "memory of the mix: {:.0} MiB at most; its ceiling: {ceiling_text}",
        mebibytes(*highest)
    ));
    report.value("overload", window.json());
    report.value("memory_highest_bytes", (*highest).into());
    report.value("memory_ceiling_bytes", json!(ceiling));
    report.judge(Verdict {
        what: "throughput under overload".into(),
        measured: format!("{:.0} % of the peak", 100.0 * part),
        limit: "within 10 % of it".into(),
        holds: (part - 1.0).abs() <= 0.10 || part > 1.0,
    });
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory are below 2^53")]
    report.judge(Verdict {
        what: "memory under overload".into(),
        measured: format!("{:.0} MiB", mebibytes(*highest)),
        limit: ceiling_text,
        holds: ceiling.is_some_and(|ceiling| *highest as f64 <= ceiling),
    });
    report.value("received_and_not_sent", (*missing).into());
    report.value("counted_as_dropped", (*counted).into());
    report.judge(Verdict {
        what: "packets shed are counted".into(),
        measured: format!("{missing} received and not sent, {counted} counted"),
        limit: "equal, and not none".into(),
        holds: missing == counted && window.shed > 0,
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

/// Of the peak, once the overload is over.
const AFTER: f64 = 0.5;
const AFTERWARDS: Duration = Duration::from_secs(12);
/// For the last packets to come out.
const DRAIN: Duration = Duration::from_secs(3);
