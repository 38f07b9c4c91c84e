//! Feeding a mix in open loop: at a rate that does not ask how the mix is doing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rohrpost_packet::Buffer;
use rohrpost_transport::PacketOutbox;

use super::pacer::Pacer;
use super::packets::Packets;

/// Frames to feed.
pub(super) enum Supply {
    /// Packets, each once.
    Packets(Packets),
    /// The same bytes again and again, for a receiver that opens nothing.
    Blank(Box<[u8]>),
}

/// Counts of what has been fed so far; read while the generator runs.
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

    /// Packets that a link took; the other offered ones met a full outbox and are lost.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Puts the next frame on a link; false if nothing is left to feed.
    pub(super) fn feed(&self, link: &PacketOutbox, supply: &mut Supply) -> bool {
        let taken = match supply {
            Supply::Blank(frame) => link.try_send(Buffer::from(&frame[..])).is_ok(),
            Supply::Packets(packets) => {
                let Some((mark, frame)) = packets.depart() else { return false };
                let taken = link.try_send(frame).is_ok();
                if !taken {
                    packets.journal().hold_back(mark);
                }
                taken
            }
        };
        self.offered.fetch_add(1, Ordering::Relaxed);
        self.taken.fetch_add(u64::from(taken), Ordering::Relaxed);
        true
    }
}

/// Feeds for `duration`, or until the supply ends: packets are due at the times of a Poisson
/// process with `rate` a second, and go over the links in turn.
pub(super) fn open_loop(
    links: &[PacketOutbox],
    mut supply: Supply,
    rate: f64,
    duration: Duration,
    fed: &Fed,
) {
    let mut pacer = Pacer::start(rate, duration);
    for link in links.iter().cycle() {
        if !pacer.wait() || !fed.feed(link, &mut supply) {
            return;
        }
    }
}
