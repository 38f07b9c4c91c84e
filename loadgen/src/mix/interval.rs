//! An interval of a load between two moments: rates, CPU, stages, lateness.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use rohrpost_measure::exposition::risen;
use rohrpost_measure::histogram::Histogram;
use rohrpost_measure::process::CpuTimes;
use rohrpost_measure::report::number;
use rohrpost_measure::statistics::float;
use rohrpost_packet::Suite;
use serde_json::{Value, json};

use super::error::MixError;
use super::stages::Stages;
use super::testbed::{Moment, TICK, Testbed};

/// Events between two moments.
pub(super) struct Interval {
    pub(super) seconds: f64,
    /// Packets that were due, that links took, that the mix received, that came out.
    pub(super) offered: u64,
    pub(super) taken: u64,
    pub(super) received: u64,
    pub(super) out: u64,
    /// Packets that the mix dropped, all reasons but overload; and overload.
    pub(super) dropped: u64,
    pub(super) shed: u64,
    pub(super) cpu: CpuTimes,
    pub(super) stages: Option<Stages>,
    /// Lateness that the mix reports, as of its ticks.
    lateness: Histogram,
}

impl Interval {
    pub(super) fn between(first: &Moment, last: &Moment) -> Self {
        let mut interval = Self {
            seconds: last.at.duration_since(first.at).as_secs_f64(),
            offered: last.offered - first.offered,
            taken: last.taken - first.taken,
            received: last.received.saturating_sub(first.received),
            out: last.arrived - first.arrived,
            dropped: 0,
            shed: 0,
            cpu: last.cpu.since(&first.cpu),
            stages: last.stages.zip(first.stages).map(|(last, first)| last.since(first)),
            lateness: last.metrics.lateness().since(&first.metrics.lateness()),
        };
        interval.count_dropped(&risen(&last.metrics.dropped(), &first.metrics.dropped()));
        interval
    }

    /// Takes the counts of dropped packets from the metrics of a later tick.
    pub(super) fn count_dropped(&mut self, dropped: &BTreeMap<String, u64>) {
        self.shed = dropped.get("overload").copied().unwrap_or(0);
        self.dropped = dropped.values().sum::<u64>() - self.shed;
    }

    pub(super) fn offered_rate(&self) -> f64 {
        float(self.offered) / self.seconds
    }

    pub(super) fn out_rate(&self) -> f64 {
        float(self.out) / self.seconds
    }

    /// Packets that were due and not taken, or shed.
    pub(super) const fn lost(&self) -> u64 {
        self.offered.saturating_sub(self.taken) + self.shed
    }

    /// CPU of the whole process, in cores.
    pub(super) fn cores(&self) -> f64 {
        self.cpu.total().as_secs_f64() / self.seconds
    }

    /// Microseconds of CPU for each packet that came out.
    pub(super) fn per_packet(&self, cpu: Duration) -> f64 {
        micros_per(cpu, self.out)
    }

    /// Upper bounds of median and 99th percentile of the mix's own lateness, in seconds.
    pub(super) fn lateness(&self) -> Option<(f64, f64)> {
        Some((self.lateness.quantile_at_most(0.5)?, self.lateness.quantile_at_most(0.99)?))
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "{} packets/s offered, {} out, {:.0} % of a core, {} held back by full links, {} shed",
            number(self.offered_rate()),
            number(self.out_rate()),
            100.0 * self.cores(),
            number(float(self.offered - self.taken)),
            number(float(self.shed)),
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "offered": self.offered,
            "taken_by_links": self.taken,
            "received": self.received,
            "out": self.out,
            "shed": self.shed,
            "dropped_otherwise": self.dropped,
            "out_per_second": self.out_rate(),
            "cores": self.cores(),
        })
    }
}

/// Loads a mix at a rate, for `settle` to come to rest and for `length` to measure.
pub(super) fn measure<S: Suite>(
    testbed: &mut Testbed<S>,
    rate: f64,
    settle: Duration,
    length: Duration,
) -> Result<Interval, MixError> {
    let whole = settle + length + MARGIN;
    let packets = testbed.packets_for(rate, whole)?;
    let seen = testbed.load(packets, (rate, whole), |testbed, fed| {
        sleep(settle);
        let first = testbed.look(Some(fed))?;
        testbed.pass(length.as_secs(), "s of load");
        let last = testbed.look(Some(fed))?;
        Ok((first, last))
    });
    testbed.alive()?;
    let (first, last) = seen.map_err(MixError::System)?;
    let mut interval = Interval::between(&first, &last);
    // What was shed shows in the metrics with the next tick; the load has ended with the interval.
    interval.count_dropped(&risen(&testbed.settled_metrics()?.dropped(), &first.metrics.dropped()));
    Ok(interval)
}

pub(super) fn micros_per(cpu: Duration, packets: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / float(packets.max(1))
}

/// The feeder goes on while the last moment is read.
const MARGIN: Duration = TICK;
