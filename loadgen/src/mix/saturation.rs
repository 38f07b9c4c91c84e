//! The most that a mix can do: an estimate in closed loop, then steps of an open loop around it.

use std::time::Duration;

use clap::Args;
use rohrpost_measure::report::{Report, number};
use rohrpost_packet::Suite;
use serde_json::{Value, json};

use super::closed_loop::{WINDOW, closed_rate};
use super::error::MixError;
use super::interval::{Interval, measure};
use super::testbed::Testbed;

/// Option of measurements that need the peak.
#[derive(Args)]
pub(super) struct Peak {
    /// Take this as the peak, in packets a second, instead of looking for it.
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..))]
    peak: Option<u32>,
}

/// The peak of a mix and how it was found.
struct Saturation {
    /// The highest rate at which packets came out, over all steps.
    rate: f64,
    closed: f64,
    steps: Vec<Interval>,
}

impl Peak {
    /// The peak in packets a second: the one that was given, else the one that is found, which the
    /// report tells.
    pub(super) fn find<S: Suite>(
        &self,
        testbed: &mut Testbed<S>,
        report: &mut Report,
    ) -> Result<f64, MixError> {
        if let Some(peak) = self.peak {
            return Ok(f64::from(peak));
        }
        let found = Saturation::find(testbed)?;
        found.lines().into_iter().for_each(|line| report.line(line));
        report.value("peak", found.json());
        Ok(found.rate)
    }
}

impl Saturation {
    fn find<S: Suite>(testbed: &mut Testbed<S>) -> Result<Self, MixError> {
        let closed = closed_rate(testbed)?;
        testbed.note(&format!("closed window: {} packets/s", number(closed)));
        let (mut steps, mut overloaded) = (Vec::new(), 0);
        for factor in STEPS {
            let step = measure(testbed, closed * factor, SETTLE, STEP)?;
            testbed.note(&format!("step: {}", step.describe()));
            overloaded += u32::from(step.lost() * 200 > step.offered);
            steps.push(step);
            if overloaded == 2 {
                break;
            }
        }
        let rate = steps.iter().map(Interval::out_rate).fold(0.0, f64::max);
        Ok(Self { rate, closed, steps })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "peak: {} packets/s came out at most ({} through a closed window of {WINDOW})",
            number(self.rate),
            number(self.closed)
        )];
        lines.extend(self.steps.iter().map(|step| format!("  {}", step.describe())));
        lines
    }

    fn json(&self) -> Value {
        let steps: Vec<_> = self.steps.iter().map(Interval::json).collect();
        json!({ "rate": self.rate, "closed_window_rate": self.closed, "steps": steps })
    }
}

/// Load steps, as multiples of the rate in closed loop; the search stops after two steps with loss.
const STEPS: [f64; 10] = [0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0];
const SETTLE: Duration = Duration::from_millis(1_500);
const STEP: Duration = Duration::from_secs(3);
