//! Feeding a mix: in open loop, at a rate that does not ask how the mix is doing, or through a closed
//! window, which finds how much it can do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::RngExt;
use rohrpost_packet::Buffer;
use rohrpost_transport::PacketOutbox;

use super::stock::Stock;

/// What is fed.
pub(super) enum Supply {
    /// Packets, each once.
    Packets(Stock),
    /// The same bytes again and again, for a receiver that opens nothing.
    Blank(Box<[u8]>),
}

/// What has been fed so far; read while the feeder runs.
#[derive(Default)]
pub(super) struct Fed {
    offered: AtomicU64,
    taken: AtomicU64,
}

impl Fed {
    /// Packets that were due.
    pub(super) fn offered(&self) -> u64 {
        self.offered.load(Ordering::Relaxed)
    }

    /// Of them, packets that a link took; the others met a full outbox and are lost.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Feeds for `duration`, or until the supply ends: packets are due at the times of a Poisson process
/// with `rate` a second, and go over the links in turn. A feeder that wakes late sends all that is due.
pub(super) fn open_loop(
    links: &[PacketOutbox],
    mut supply: Supply,
    rate: f64,
    duration: Duration,
    fed: &Fed,
) {
    let mut rng = rand::rng();
    let started = Instant::now();
    let mut due = Duration::ZERO;
    for link in links.iter().cycle() {
        due += Duration::from_secs_f64(-rng.random_range(f64::EPSILON..1.0).ln() / rate);
        if due > duration {
            return;
        }
        let now = started.elapsed();
        if due > now {
            sleep(due - now);
        }
        if !feed_one(link, &mut supply, fed) {
            return;
        }
    }
}

/// Keeps `window` packets inside the mix for `duration`: the next enters when one has come out.
/// `out` tells how many have. Packets that are lost on the way narrow the window.
pub(super) fn closed_window(
    links: &[PacketOutbox],
    stock: Stock,
    window: u64,
    duration: Duration,
    out: impl Fn() -> u64,
) {
    let (started, before, fed) = (Instant::now(), out(), Fed::default());
    let mut supply = Supply::Packets(stock);
    for link in links.iter().cycle() {
        while fed.taken() >= out() - before + window {
            sleep(PAUSE);
            if started.elapsed() >= duration {
                return;
            }
        }
        if started.elapsed() >= duration || !feed_one(link, &mut supply, &fed) {
            return;
        }
    }
}

/// Whether there was anything left to feed.
fn feed_one(link: &PacketOutbox, supply: &mut Supply, fed: &Fed) -> bool {
    let taken = match supply {
        Supply::Blank(frame) => link.try_send(Buffer::from(&frame[..])).is_ok(),
        Supply::Packets(stock) => {
            let Some((mark, frame)) = stock.depart() else { return false };
            let taken = link.try_send(frame).is_ok();
            if !taken {
                stock.journal().hold_back(mark);
            }
            taken
        }
    };
    fed.offered.fetch_add(1, Ordering::Relaxed);
    fed.taken.fetch_add(u64::from(taken), Ordering::Relaxed);
    true
}

/// How often a full window is looked at.
const PAUSE: Duration = Duration::from_micros(200);
