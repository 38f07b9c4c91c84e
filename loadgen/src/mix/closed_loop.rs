//! Throughput of a mix in closed loop: the next packet enters when one has come out.

use std::thread;
use std::time::{Duration, Instant};

use rohrpost_measure::statistics::float;
use rohrpost_packet::Suite;
use rohrpost_transport::PacketOutbox;

use super::error::MixError;
use super::generator::{Fed, Supply};
use super::packets::Packets;
use super::testbed::Testbed;

/// Packets a second with [`WINDOW`] packets inside the mix, which are not delayed.
pub(super) fn closed_rate<S: Suite>(testbed: &mut Testbed<S>) -> Result<f64, MixError> {
    let count = LOAD_BYTES / u64::try_from(S::PACKET_LEN).unwrap_or(u64::MAX);
    let packets = testbed.packets(count, Duration::ZERO)?;
    let sink = testbed.peers.sink();
    sink.follow(packets.journal());
    let (started, before) = thread::scope(|scope| {
        let links = &testbed.links;
        let feeder = scope.spawn(|| closed_loop(links, packets, || sink.arrived()));
        thread::sleep(LENGTH / 4);
        let seen = (Instant::now(), sink.arrived());
        feeder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        seen
    });
    let rate = float(sink.arrived() - before) / started.elapsed().as_secs_f64();
    testbed.alive()?;
    if rate < 1.0 { Err(MixError::Nothing) } else { Ok(rate) }
}

/// Keeps [`WINDOW`] packets inside the mix for [`LENGTH`]. `out` tells how many have come out.
/// Packets that are lost on the way narrow the window.
fn closed_loop(links: &[PacketOutbox], packets: Packets, out: impl Fn() -> u64) {
    let (started, before, fed) = (Instant::now(), out(), Fed::default());
    fed.feed_all(links, Supply::Packets(packets), || {
        while fed.taken() >= out() - before + WINDOW && started.elapsed() < LENGTH {
            thread::sleep(PAUSE);
        }
        started.elapsed() < LENGTH
    });
}

/// Half of what a mix's queue holds by default.
pub(super) const WINDOW: u64 = 512;
const LENGTH: Duration = Duration::from_secs(3);
const LOAD_BYTES: u64 = 200 << 20;
/// Time between two looks at a full window.
const PAUSE: Duration = Duration::from_micros(200);
