//! How much a mix can do: an estimate through a closed window, then steps of an open loop around it.

use std::thread;
use std::time::{Duration, Instant};

use rohrpost_packet::Suite;
use serde_json::{Value, json};

use super::MixError;
use super::feed::closed_window;
use super::report::number;
use super::stand::Stand;
use super::window::{Window, measure};

/// The peak and how it was found.
pub(super) struct Peak {
    /// The highest rate at which packets came out, over all steps.
    pub(super) rate: f64,
    closed: f64,
    steps: Vec<Window>,
}

impl Peak {
    pub(super) fn find<S: Suite>(stand: &mut Stand<S>) -> Result<Self, MixError> {
        let closed = closed_rate(stand)?;
        stand.note(&format!("closed window: {} packets/s", number(closed)));
        let (mut steps, mut overloaded) = (Vec::new(), 0);
        for factor in STEPS {
            let step = measure(stand, closed * factor, SETTLE, STEP)?;
            stand.note(&format!("step: {}", step.describe()));
            overloaded += u32::from(step.lost() * 200 > step.offered);
            steps.push(step);
            if overloaded == 2 {
                break;
            }
        }
        let rate = steps.iter().map(Window::out_rate).fold(0.0, f64::max);
        Ok(Self { rate, closed, steps })
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "peak: {} packets/s came out at most ({} through a closed window of {WINDOW})",
            number(self.rate),
            number(self.closed)
        )];
        lines.extend(self.steps.iter().map(|step| format!("  {}", step.describe())));
        lines
    }

    pub(super) fn json(&self) -> Value {
        let steps: Vec<_> = self.steps.iter().map(Window::json).collect();
        json!({ "rate": self.rate, "closed_window_rate": self.closed, "steps": steps })
    }
}

/// Throughput with a fixed number of packets inside the mix, which are not delayed.
fn closed_rate<S: Suite>(stand: &mut Stand<S>) -> Result<f64, MixError> {
    let count = STOCK_BYTES / u64::try_from(S::PACKET_LEN).unwrap_or(u64::MAX);
    let stock = stand.stock(count, Duration::ZERO)?;
    let sink = stand.neighbours.sink();
    sink.follow(stock.journal());
    let (started, before) = thread::scope(|scope| {
        let links = &stand.links;
        let feeder = scope.spawn(|| closed_window(links, stock, WINDOW, CLOSED, || sink.arrived()));
        thread::sleep(CLOSED / 4);
        let seen = (Instant::now(), sink.arrived());
        feeder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        seen
    });
    #[expect(clippy::cast_precision_loss, reason = "counts of packets are far below 2^53")]
    let rate = (sink.arrived() - before) as f64 / started.elapsed().as_secs_f64();
    stand.alive()?;
    if rate < 1.0 {
        return Err(MixError::Nothing);
    }
    Ok(rate)
}

/// Of the closed window's rate; left when two steps have lost packets.
const STEPS: [f64; 10] = [0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0];
const SETTLE: Duration = Duration::from_millis(1_500);
const STEP: Duration = Duration::from_secs(3);
/// Half of what a mix's queue holds by default.
const WINDOW: u64 = 512;
const CLOSED: Duration = Duration::from_secs(3);
const STOCK_BYTES: u64 = 200 << 20;
