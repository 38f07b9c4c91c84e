//! Feeding a mix, at times that its caller tells.

use std::sync::atomic::{AtomicU64, Ordering};

use rohrpost_packet::Buffer;
use rohrpost_transport::PacketOutbox;

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
    fn feed(&self, link: &PacketOutbox, supply: &mut Supply) -> bool {
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

    /// Feeds over the links in turn, one frame whenever `wait` returns, until it tells that the
    /// time is over or the supply ends.
    pub(super) fn feed_all(
        &self,
        links: &[PacketOutbox],
        mut supply: Supply,
        mut wait: impl FnMut() -> bool,
    ) {
        let _ = links.iter().cycle().find(|link| !wait() || !self.feed(link, &mut supply));
    }
}
