//! Replays: packets that were recorded on a link are sent again, to the process that has seen them and
//! to the mix after a restart, which has neither its former key nor its memory of packets
//! (`docs/directory.md`, Descriptors).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use rohrpost_measure::exposition::risen;
use rohrpost_measure::report::{Report, Verdict};
use rohrpost_packet::Suite;
use rohrpost_proto::hop::Refusal;
use serde_json::json;

use super::error::MixError;
use super::packets::Packets;
use super::testbed::Testbed;

/// Options of `mix replay`.
#[derive(Args)]
pub(crate) struct Options {
    /// Packets that are recorded.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    packets: u64,
}

pub(super) fn run<S: Suite>(
    options: &Options,
    testbed: &mut Testbed<S>,
    report: &mut Report,
) -> Result<(), MixError> {
    let count = options.packets;
    report.value("packets", count);
    let mean = testbed.roster.traffic.mix_delay;
    let recorded = testbed.packets(count, mean)?;
    let [again, later, renamed] = [recorded.copy(), recorded.copy(), recorded.copy()];
    let mut tell = |testbed: &mut Testbed<S>, name, what, packets, fate| {
        let sending = Sending::of(testbed, packets, count)?;
        sending.tell(report, name, what, fate);
        Ok(())
    };
    tell(testbed, "first", "packets, the first time", recorded, None)?;
    let replay = Some(Refusal::Replay);
    tell(testbed, "again", "the same again, to the same process", again, replay)?;
    testbed.restart()?;
    let gone = Some(Refusal::Generation);
    tell(testbed, "after_restart", "the same after the mix's restart", later, gone)?;
    let renamed = renamed.renamed::<S>(testbed.generation().short());
    let broken = Some(Refusal::Header);
    tell(testbed, "renamed", "the same under the name of the new key", renamed, broken)?;
    let fresh = testbed.packets(count, mean)?;
    tell(testbed, "fresh", "new packets for the new key", fresh, None)
}

/// What became of the packets of one sending.
struct Sending {
    count: u64,
    /// Packets that came out of the mix, whichever they were.
    arrived: u64,
    /// Packets that the mix counted as dropped, by reason.
    dropped: BTreeMap<String, u64>,
}

impl Sending {
    /// Sends so many packets, and waits until whatever comes out has come out and the mix has counted
    /// the rest.
    fn of<S: Suite>(
        testbed: &mut Testbed<S>,
        packets: Packets,
        count: u64,
    ) -> Result<Self, MixError> {
        let journal = Arc::clone(packets.journal());
        let sink = Arc::clone(testbed.peers.sink());
        let dropped_before = testbed.settled_metrics()?.dropped();
        let arrived_before = sink.arrived();
        testbed.load(packets, (RATE, Duration::MAX), |_, _| ());
        sleep(journal.longest());
        let sent = Instant::now();
        loop {
            let dropped = risen(&testbed.settled_metrics()?.dropped(), &dropped_before);
            testbed.alive()?;
            let sending = Self { count, arrived: sink.arrived() - arrived_before, dropped };
            if sending.accounted_for() >= count || sent.elapsed() > PATIENCE {
                return Ok(sending);
            }
        }
    }

    fn accounted_for(&self) -> u64 {
        self.arrived + self.dropped.values().sum::<u64>()
    }

    /// Judges the sending: all must be dropped for one reason, or come out if there is none.
    fn tell(&self, report: &mut Report, name: &str, what: &str, reason: Option<Refusal>) {
        let Self { count, arrived, dropped } = self;
        let expected = reason.map_or((*count, BTreeMap::new()), |reason| {
            (0, BTreeMap::from([(reason.as_str().to_owned(), *count)]))
        });
        let counted: Vec<_> =
            dropped.iter().map(|(reason, count)| format!("{count} dropped as {reason}")).collect();
        let counted = if counted.is_empty() { "none dropped".into() } else { counted.join(", ") };
        report.value(name, json!({ "arrived": arrived, "dropped": dropped }));
        report.judge(Verdict {
            what: what.into(),
            measured: format!("{arrived} of {count} came out, {counted}"),
            limit: reason.map_or_else(
                || "all come out".into(),
                |reason| format!("none comes out, all are dropped as {}", reason.as_str()),
            ),
            holds: (*arrived, dropped) == (expected.0, &expected.1),
        });
    }
}

/// Packets a second: far below what a mix can do in any build.
const RATE: f64 = 100.0;
/// Time for links and mix to bring forth what is not accounted for yet.
const PATIENCE: Duration = Duration::from_secs(10);
