//! CPU time of a mix's workers by stage, for builds with `danger-inspect`: one packet in sixteen is
//! watched, so that watching costs less than what it shows. Without the feature nothing is
//! measured.

use std::sync::atomic::{AtomicU64, Ordering};

use rohrpost_proto::hop::{Probe, Stage};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// Sums over all workers of a mix.
#[derive(Default)]
pub(crate) struct StageTotals {
    /// Packets that were watched.
    watched: AtomicU64,
    unwrap: AtomicU64,
    replay: AtomicU64,
    pool: AtomicU64,
    /// Packets that were handled, watched or not.
    packets: AtomicU64,
    /// All CPU time of the workers; time in no stage is queues, wheel and hand-over.
    workers: AtomicU64,
}

impl StageTotals {
    /// Nanoseconds by stage, scaled from the watched packets to all.
    pub(crate) fn report(&self) -> Value {
        let load = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        let (watched, packets) = (load(&self.watched).max(1), load(&self.packets));
        let scaled = |sum: &AtomicU64| {
            u64::try_from(u128::from(load(sum)) * u128::from(packets) / u128::from(watched))
                .unwrap_or(u64::MAX)
        };
        let (unwrap, replay) = (scaled(&self.unwrap), scaled(&self.replay));
        let rest = load(&self.workers).saturating_sub(unwrap + replay);
        json!({
            "packets": packets,
            "unwrap_ns": unwrap,
            "replay_ns": replay,
            "delay_ns": rest,
            "pool_ns": scaled(&self.pool),
        })
    }
}

/// A worker's own clock.
pub(crate) struct StageClock {
    since: u64,
    /// CPU time of this worker that the totals have already.
    told: u64,
    turn: u8,
}

impl StageClock {
    pub(crate) const fn new() -> Self {
        Self { since: 0, told: 0, turn: 0 }
    }

    /// Counts a packet; true if it is to be watched.
    pub(crate) fn begin(&mut self, totals: &StageTotals) -> bool {
        if !cfg!(feature = "danger-inspect") {
            return false;
        }
        totals.packets.fetch_add(1, Ordering::Relaxed);
        self.turn = self.turn.wrapping_add(1);
        let watched = self.turn.is_multiple_of(ONE_IN);
        if watched {
            self.since = cpu_time();
            totals.watched.fetch_add(1, Ordering::Relaxed);
            totals.workers.fetch_add(self.since - self.told, Ordering::Relaxed);
            self.told = self.since;
        }
        watched
    }

    /// Makes a probe that adds to the totals.
    pub(crate) const fn probe<'a>(&'a mut self, totals: &'a StageTotals) -> StageProbe<'a> {
        StageProbe { clock: self, totals }
    }
}

/// Probe that watches one packet.
pub(crate) struct StageProbe<'a> {
    clock: &'a mut StageClock,
    totals: &'a StageTotals,
}

impl Probe for StageProbe<'_> {
    fn done(&mut self, stage: Stage) {
        let now = cpu_time();
        let sum = match stage {
            Stage::Header | Stage::Payload => &self.totals.unwrap,
            Stage::Replay => &self.totals.replay,
            Stage::Pool => &self.totals.pool,
        };
        sum.fetch_add(now - self.clock.since, Ordering::Relaxed);
        self.clock.since = now;
    }
}

/// CPU time of this thread in nanoseconds.
fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

const ONE_IN: u8 = 16;
