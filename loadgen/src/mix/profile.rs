//! CPU per packet by stage, at half of the peak and near it.

use std::time::Duration;

use clap::Args;
use rohrpost_measure::process::Cpu;
use rohrpost_measure::report::{Report, Verdict, number};
use rohrpost_packet::Suite;
use serde_json::{Value, json};

use super::baseline::{self, Baseline};
use super::breakdown::Breakdown;
use super::error::MixError;
use super::interval::{Interval, measure, micros_per};
use super::saturation::Peak;
use super::testbed::Testbed;

/// Options of `mix profile`.
#[derive(Args)]
pub(crate) struct Options {
    /// Seconds of each measured window.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    #[command(flatten)]
    peak: Peak,
}

/// A load and its cost.
struct Load {
    name: &'static str,
    interval: Interval,
    links: Links,
    breakdown: Breakdown,
}

/// The links of a load without its packets.
struct Links {
    receive: Baseline,
    send: Baseline,
    /// Both in one process.
    pass: Baseline,
}

impl Links {
    fn measure<S: Suite>(
        testbed: &Testbed<S>,
        interval: &Interval,
        rate: f64,
        length: Duration,
    ) -> Result<Self, MixError> {
        let (whole, worker) = (interval.cpu.total(), interval.cpu.of(WORKER));
        // What the core does for a packet beside one direction of its links, which share the rest
        // of the process's time about evenly; and beside both.
        let ballast = interval.per_packet(worker + (whole - worker) / 2);
        let half = baseline::Load { rate, ballast };
        testbed.note("the links alone: receiving");
        let receive = baseline::receive(testbed, half, length)?;
        testbed.note("the links alone: sending");
        let send = baseline::send(testbed, half, length)?;
        testbed.note("the links alone: passing on");
        let ballast = (interval.per_packet(worker) - send.handing_over).max(0.0);
        let pass = baseline::pass(testbed, baseline::Load { rate, ballast }, length)?;
        Ok(Self { receive, send, pass })
    }

    /// The cost of passing on, shared out as receiving and sending cost apart.
    fn shared_out(&self) -> (f64, f64) {
        let (receive, send) = (self.receive.per_packet, self.send.per_packet);
        let part = self.pass.per_packet / (receive + send);
        (receive * part, send * part)
    }
}

pub(super) fn run<S: Suite>(
    options: &Options,
    testbed: &mut Testbed<S>,
    report: &mut Report,
) -> Result<(), MixError> {
    let unwrap = baseline::unwrap::<S>(&testbed.cores)?;
    testbed.note(&format!("unwrap alone: {unwrap:.1} µs"));
    report.value("unwrap_alone_us", unwrap);
    let peak = options.peak.find(testbed, report)?;
    let length = Duration::from_secs(options.seconds);
    for (name, part) in LOADS {
        Load::measure(testbed, name, peak * part, length, unwrap)?.tell(report);
    }
    Ok(())
}

impl Load {
    fn measure<S: Suite>(
        testbed: &mut Testbed<S>,
        name: &'static str,
        rate: f64,
        length: Duration,
        unwrap: f64,
    ) -> Result<Self, MixError> {
        testbed.note(&format!("{name}: {} packets/s", number(rate)));
        let interval = measure(testbed, rate, SETTLE, length)?;
        let links = Links::measure(testbed, &interval, rate, length / 2)?;
        let breakdown = breakdown(&interval, &links, unwrap);
        Ok(Self { name, interval, links, breakdown })
    }

    fn tell(&self, report: &mut Report) {
        report.line("");
        report.line(format!("{}: {}", self.name, self.interval.describe()));
        self.breakdown.lines().into_iter().for_each(|line| report.line(line));
        report.line(format!(
            "  links in processes of their own: receiving {:.1}, sending {:.1}, both in one {:.1} µs",
            self.links.receive.per_packet, self.links.send.per_packet, self.links.pass.per_packet
        ));
        report.line(self.threads());
        if let Some((median, tail)) = self.interval.lateness() {
            report.line(format!(
                "  lateness by the mix's histogram: median at most {:.1} ms, p99 at most {:.1} ms",
                1e3 * median,
                1e3 * tail
            ));
        }
        report.value(&self.name.replace(' ', "_"), self.json());
        self.judge(report);
    }

    /// The process by thread name, with what of it the kernel took.
    fn threads(&self) -> String {
        let thread = |(name, cpu): (&str, Cpu)| {
            let (whole, system) =
                (self.interval.per_packet(cpu.total()), self.interval.per_packet(cpu.system));
            (whole >= 0.05).then(|| format!("{name} {whole:.1} (system {system:.1})"))
        };
        let threads: Vec<_> = self.interval.cpu.by_name().filter_map(thread).collect();
        format!("  threads, µs/packet: {}", threads.join(", "))
    }

    fn json(&self) -> Value {
        let thread = |(name, cpu): (&str, Cpu)| {
            (name.to_owned(), json!(self.interval.per_packet(cpu.total())))
        };
        let threads: serde_json::Map<_, _> = self.interval.cpu.by_name().map(thread).collect();
        json!({
            "window": self.interval.json(),
            "us_per_packet": self.breakdown.json(),
            "threads_us_per_packet": threads,
            "links_alone": {
                "receive": baseline_json(&self.links.receive),
                "send": baseline_json(&self.links.send),
                "pass": baseline_json(&self.links.pass),
            },
            "lateness_seconds_at_most": self.interval.lateness(),
        })
    }

    fn judge(&self, report: &mut Report) {
        let (difference, efficiency) = (self.breakdown.difference(), self.breakdown.efficiency());
        report.judge(Verdict {
            what: format!("{}: stages against the whole", self.name),
            measured: format!("{:+.1} %", 100.0 * difference),
            limit: "within 10 %".into(),
            holds: difference.abs() <= 0.10,
        });
        report.judge(Verdict {
            what: format!("{}: packets per CPU-second over 1/(unwrap + links alone)", self.name),
            measured: format!("{:.0} %", 100.0 * efficiency),
            limit: "at least 70 %".into(),
            holds: efficiency >= 0.70,
        });
        report.judge(Verdict {
            what: format!("{}: packets that did not come out", self.name),
            measured: format!("{} of {}", self.lost(), self.interval.offered),
            limit: "under 0.5 %".into(),
            holds: self.lost() * 200 < self.interval.offered,
        });
        if let (HALF, Some((median, tail))) = (self.name, self.interval.lateness()) {
            report.judge(Verdict {
                what: format!("{}: lateness of departures", self.name),
                measured: format!("median ≤ {:.1} ms, p99 ≤ {:.1} ms", 1e3 * median, 1e3 * tail),
                limit: "median 1 ms, p99 5 ms".into(),
                holds: median <= 0.001 && tail <= 0.005,
            });
        }
    }

    const fn lost(&self) -> u64 {
        self.interval.lost() + self.interval.dropped
    }
}

fn baseline_json(baseline: &Baseline) -> Value {
    json!({
        "us_per_packet": baseline.per_packet,
        "handing_over_us": baseline.handing_over,
        "packets_per_second": baseline.rate,
    })
}

fn breakdown(interval: &Interval, links: &Links, unwrap: f64) -> Breakdown {
    let worker = interval.per_packet(interval.cpu.of(WORKER));
    let whole = interval.per_packet(interval.cpu.total());
    let (receive, send) = links.shared_out();
    let (unwrap, replay, delay) = match interval.stages.filter(|stages| stages.packets > 0) {
        Some(stages) => {
            let per = |nanos| micros_per(Duration::from_nanos(nanos), stages.packets);
            (per(stages.unwrap), Some(per(stages.replay)), per(stages.delay))
        }
        // Handing over is in the worker's time, and in what sending costs alone.
        None => (unwrap, None, (worker - unwrap - links.pass.handing_over).max(0.0)),
    };
    Breakdown { receive, unwrap, replay, delay, send, worker, whole }
}

/// The threads of a mix that open packets.
const WORKER: &str = "mixer";
const HALF: &str = "half load";
const LOADS: [(&str, f64); 2] = [(HALF, 0.5), ("near peak", 0.9)];
/// The pool is as full as it gets after some mean delays.
const SETTLE: Duration = Duration::from_secs(3);
