//! CPU per packet by stage, held against the whole process.

use serde_json::{Value, json};

/// Microseconds of CPU per packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breakdown {
    /// QUIC in, measured without packets' work.
    pub(super) receive: f64,
    pub(super) unwrap: f64,
    /// Nothing where the mix does not tell stages; `delay` then holds both.
    pub(super) replay: Option<f64>,
    pub(super) delay: f64,
    /// QUIC out, measured without packets' work.
    pub(super) send: f64,
    /// The worker threads, whole.
    pub(super) worker: f64,
    /// The process, whole.
    pub(super) whole: f64,
}

impl Breakdown {
    pub(super) fn sum(&self) -> f64 {
        self.receive + self.unwrap + self.replay.unwrap_or(0.0) + self.delay + self.send
    }

    /// Difference of the sum from the whole, as a part of the whole.
    pub(super) fn difference(&self) -> f64 {
        if self.whole > 0.0 { (self.sum() - self.whole) / self.whole } else { 1.0 }
    }

    /// Packets per CPU-second of the process, as a part of what opening packets and the links alone
    /// would allow.
    pub(super) fn efficiency(&self) -> f64 {
        (self.receive + self.unwrap + self.send) / self.whole
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let row =
            |name: &str, value: f64, source: &str| format!("  {name:<28}{value:>8.1}  {source}");
        let told = if self.replay.is_some() { TOLD } else { UNWRAP_ALONE };
        let mut lines = vec![
            format!("  {:<28}{:>8}", "stage", "µs/packet"),
            row("receive", self.receive, ALONE),
            row("unwrap", self.unwrap, told),
        ];
        match self.replay {
            Some(replay) => {
                lines.push(row("replay", replay, TOLD));
                lines.push(row("delay", self.delay, TOLD));
            }
            None => lines.push(row(
                "replay and delay",
                self.delay,
                "worker threads less unwrap and handing over",
            )),
        }
        lines.extend([
            row("send", self.send, ALONE),
            row("sum", self.sum(), ""),
            row("whole process", self.whole, "all threads, /proc"),
            format!("  {:<28}{:>7.1} %", "difference", 100.0 * self.difference()),
        ]);
        if let Some(replay) = self.replay {
            let rest = self.worker - self.unwrap - replay - self.delay;
            lines.push(row("(worker outside its stages", rest, "in the whole, not in the sum)"));
        }
        lines
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "receive": self.receive,
            "unwrap": self.unwrap,
            "replay": self.replay,
            "delay": self.delay,
            "send": self.send,
            "sum": self.sum(),
            "worker": self.worker,
            "whole": self.whole,
            "difference": self.difference(),
            "efficiency": self.efficiency(),
        })
    }
}

const ALONE: &str = "links alone in one process, shared out";
const TOLD: &str = "the mix's own clock";
const UNWRAP_ALONE: &str = "this process, the mix's core idle";

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: Breakdown = Breakdown {
        receive: 20.0,
        unwrap: 40.0,
        replay: Some(1.0),
        delay: 4.0,
        send: 25.0,
        worker: 50.0,
        whole: 100.0,
    };

    #[test]
    fn stages_add_up_against_the_whole() {
        assert!((STAGES.sum() - 90.0).abs() < 1e-9);
        assert!((STAGES.difference() + 0.1).abs() < 1e-9);
        assert!((Breakdown { whole: 0.0, ..STAGES }.difference() - 1.0).abs() < 1e-12);
        assert!((STAGES.efficiency() - 0.85).abs() < 1e-9);
        assert!(STAGES.lines().iter().any(|line| line.contains("outside") && line.contains("5.0")));
    }

    #[test]
    fn a_mix_that_tells_no_stages_has_one_row_for_replay_and_delay() {
        let silent = Breakdown { replay: None, delay: 10.0, ..STAGES };
        assert!((silent.sum() - 95.0).abs() < 1e-9);
        assert!(silent.lines().iter().any(|line| line.contains("replay and delay")));
    }
}
