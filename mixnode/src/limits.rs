//! Bounds of a mix's own memory, and the share that they come to; `docs/operating.md` has the price
//! of the default.

use rohrpost_node::{RoleLimits, Share};
use rohrpost_packet::Suite;
use rohrpost_proto::mix::pool::Pool;

/// Bounds that only mixes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixLimits {
    /// Packets that wait for their delay.
    pub pool_packets: usize,
}

impl Default for MixLimits {
    fn default() -> Self {
        Self { pool_packets: 16_384 }
    }
}

impl From<RoleLimits> for MixLimits {
    fn from(given: RoleLimits) -> Self {
        Self { pool_packets: given.pool_packets.unwrap_or_else(|| Self::default().pool_packets) }
    }
}

impl MixLimits {
    /// Packets that wait in the part of the pool that one of `workers` threads holds.
    pub(crate) const fn pool_of_worker(&self, workers: usize) -> usize {
        self.pool_packets.div_ceil(workers)
    }

    /// Buffers of all packets in the pool, and the pool itself: a part for each of `workers`
    /// threads, and in each a share for each of `links` links.
    pub(crate) const fn share<S: Suite>(&self, workers: usize, links: usize) -> Share {
        let pool = self.pool_of_worker(workers);
        Share { packets: workers * pool, bytes: workers * Pool::<S>::memory_len(pool, links) }
    }
}

#[cfg(test)]
mod tests {
    use rohrpost_packet::Hybrid;

    use super::*;

    #[test]
    fn each_packet_of_the_pool_has_a_buffer_and_an_absent_key_its_default() {
        assert_eq!(MixLimits::from(RoleLimits::default()), MixLimits::default());
        let given = RoleLimits { pool_packets: Some(2_000), ..RoleLimits::default() };
        let share = MixLimits::from(given).share::<Hybrid>(3, 4);
        assert_eq!(share.packets, 2_001, "three even parts");
        assert_eq!(share.bytes, 3 * Pool::<Hybrid>::memory_len(667, 4));
    }
}
