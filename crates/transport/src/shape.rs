//! Shape of a link's datagrams to an observer: their number and times (`docs/traffic.md`).

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn::{AckFrequencyConfig, VarInt};

/// The way in which datagrams that leave together are handed to the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Segmentation {
    /// All in one buffer, which the system cuts (GSO): a third of the cost. A capture on loopback
    /// shows them uncut, as no real line would.
    #[default]
    Offload,
    /// Each datagram by itself, as the line carries them.
    Single,
}

/// Settings of a link that decide the number and times of its datagrams.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) segmentation: Segmentation,
    /// Bytes of a frame or cell.
    pub(crate) frame_len: usize,
}

/// Pacemaker of a sender.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The grid: cells go out whole, at their slot.
    Grid,
    /// The line: packets between nodes yield to congestion.
    Line,
}

impl Shape {
    /// Datagrams that carry one frame.
    fn datagrams(self) -> u32 {
        let capacity = usize::from(MTU) - OVERHEAD;
        u32::try_from(self.frame_len.div_ceil(capacity)).unwrap_or(u32::MAX).max(2)
    }

    /// Asks the peer to acknowledge once per frame: by QUIC's rule it would answer every second
    /// datagram, each time with one of 1200 bytes, and an odd last one after 25 ms, so that their
    /// number would tell an observer how busy the host is.
    pub(crate) fn acknowledgements(self) -> AckFrequencyConfig {
        let mut config = AckFrequencyConfig::default();
        config.ack_eliciting_threshold(VarInt::from_u32(self.datagrams() - 1));
        config
    }

    /// Congestion control that decides when a datagram may go.
    pub(crate) fn congestion(self, pace: Pace) -> Arc<dyn ControllerFactory + Send + Sync> {
        if pace == Pace::Grid {
            return Arc::new(Unhurried);
        }
        let mut config = CubicConfig::default();
        // QUIC's own first window holds ten datagrams; a hybrid frame's eleventh would wait for a
        // good part of a round trip.
        config.initial_window(u64::from(MTU) * u64::from(self.datagrams()) * FIRST_FRAMES);
        Arc::new(config)
    }
}

/// A controller with no window and no pacing, for client links. The grid bounds their rate, to 53
/// kB/s in the hybrid suite, and flow control bounds what is on its way; a window that follows
/// losses and round trips would tear cells apart, and show an observer of one end what happens on
/// the rest of the way.
///
/// The accepting side of a packet link has none either. It only acknowledges, and padding counts as
/// bytes in flight (RFC 9000, section 13.2.7) until the peer acknowledges it, for which it has no
/// reason of its own: ten such datagrams filled CUBIC's first window, a credit that was then due
/// held back every acknowledgement behind it, and the link stood still until it idled out.
#[derive(Clone, Copy)]
struct Unhurried;

impl ControllerFactory for Unhurried {
    fn build(self: Arc<Self>, _: Instant, _: u16) -> Box<dyn Controller> {
        Box::new(*self)
    }
}

impl Controller for Unhurried {
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: u64) {}

    fn on_mtu_update(&mut self, _: u16) {}

    fn window(&self) -> u64 {
        UNPACED
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(*self)
    }

    fn initial_window(&self) -> u64 {
        UNPACED
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Length of every datagram, but for those that `docs/traffic.md` lists.
pub(crate) const MTU: u16 = 1200;
/// Bytes of a datagram that are not the stream's: short header 13, tag 16, stream frame 12.
const OVERHEAD: usize = 41;
/// Frames that a packet link may send before it has heard of the line.
const FIRST_FRAMES: u64 = 10;
/// A window so large that QUIC does not pace: its pacing ends above 2^32 - 1 bytes.
const UNPACED: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_takes_as_many_datagrams_as_captures_show() {
        for (frame_len, datagrams) in [(12_296, 11), (2_568, 3), (1, 2)] {
            let shape = Shape { segmentation: Segmentation::Single, frame_len };
            assert_eq!(shape.datagrams(), datagrams, "{frame_len} bytes");
        }
    }

    #[test]
    fn losses_leave_a_client_link_its_pace() {
        let shape = Shape { segmentation: Segmentation::Single, frame_len: 12_296 };
        let now = Instant::now();
        let [mut cells, mut packets] =
            [Pace::Grid, Pace::Line].map(|pace| shape.congestion(pace).build(now, MTU));
        let (for_cells, for_packets) = (cells.window(), packets.window());
        for controller in [&mut cells, &mut packets] {
            controller.on_congestion_event(now, now, false, 13_200);
        }
        assert_eq!((cells.window(), for_packets), (for_cells, 132_000));
        assert!(packets.window() < for_packets);
    }
}
