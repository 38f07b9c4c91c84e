//! The table for people, the object for scripts, and the targets.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::contender::Job;
use crate::measure::Timing;

/// Ratio of speeds: how many times as fast as sphinx-packet's `process` an unwrap is.
pub(crate) struct Ratio {
    pub(crate) suite: &'static str,
    pub(crate) target: f64,
    pub(crate) fastest: f64,
    pub(crate) median: f64,
}

impl Ratio {
    pub(crate) fn is_met(&self) -> bool {
        self.fastest >= self.target
    }
}

/// The two ratios that have a target.
pub(crate) fn ratios(timings: &[Timing]) -> Vec<Ratio> {
    let unwrap = |name: &str| {
        let of = |timing: &&Timing| timing.job == Job::Unwrap && timing.name.starts_with(name);
        timings.iter().find(of).expect("every contender has been measured")
    };
    let sphinx = unwrap("sphinx-packet");
    [("classic", 2.8), ("hybrid", 1.6)]
        .map(|(suite, target)| {
            let ours = unwrap(&format!("rohrpost {suite}"));
            Ratio {
                suite,
                target,
                fastest: sphinx.fastest.div_duration_f64(ours.fastest),
                median: sphinx.median.div_duration_f64(ours.median),
            }
        })
        .into()
}

/// Writes the table for people.
pub(crate) fn table(
    mut out: impl Write,
    rounds: usize,
    timings: &[Timing],
    ratios: &[Ratio],
) -> io::Result<()> {
    writeln!(out, "one thread, {rounds} interleaved rounds, µs per call\n")?;
    writeln!(
        out,
        "{:<7} {:<21} {:>6} {:>8} {:>8}  call",
        "job", "packet", "bytes", "fastest", "median"
    )?;
    for job in [Job::Unwrap, Job::Build] {
        for timing in timings.iter().filter(|timing| timing.job == job) {
            let Timing { name, packet_len, note, .. } = timing;
            let (fastest, median) = (micros(timing.fastest), micros(timing.median));
            let job = job.name();
            writeln!(
                out,
                "{job:<7} {name:<21} {packet_len:>6} {fastest:>8.1} {median:>8.1}  {note}"
            )?;
        }
    }
    writeln!(out, "\nunwrap against sphinx-packet's process:")?;
    for ratio in ratios {
        let Ratio { suite, target, fastest, median } = ratio;
        let word = if ratio.is_met() { "met" } else { "missed" };
        writeln!(
            out,
            "{suite:<8} {fastest:.2} times as fast (median {median:.2}); target {target}: {word}"
        )?;
    }
    Ok(())
}

/// Makes the object for scripts.
pub(crate) fn object(rounds: usize, timings: &[Timing], ratios: &[Ratio]) -> Value {
    let timing = |timing: &Timing| {
        json!({
            "job": timing.job.name(),
            "packet": timing.name,
            "call": timing.note,
            "packet_bytes": timing.packet_len,
            "fastest_us": micros(timing.fastest),
            "median_us": micros(timing.median),
        })
    };
    let ratio = |ratio: &Ratio| {
        json!({
            "suite": ratio.suite,
            "fastest": ratio.fastest,
            "median": ratio.median,
            "target": ratio.target,
            "met": ratio.is_met(),
        })
    };
    json!({
        "rounds": rounds,
        "timings": timings.iter().map(timing).collect::<Vec<_>>(),
        "unwrap_against_sphinx": ratios.iter().map(ratio).collect::<Vec<_>>(),
    })
}

fn micros(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
