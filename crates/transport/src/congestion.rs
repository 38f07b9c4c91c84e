//! Congestion control of links: CUBIC (RFC 9438) with a floor under its window.
//!
//! Every datagram of a link is padded, acknowledgements too, and padding counts as bytes in flight
//! until it is acknowledged (RFC 9000, section 13.2.7), for which a peer has no reason of its own:
//! quinn's waits for more than ten such datagrams. A side that only receives fills the usual first
//! window, ten datagrams, with acknowledgements; a credit or a ping that is then due may not be sent
//! and holds back every acknowledgement behind it. The sender waits for those, nothing in flight asks
//! for an answer, no timer runs, and the link stands still until it idles out.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory, Cubic, CubicConfig};
use quinn_proto::RttEstimator;

/// Makes controllers for new links.
pub(crate) struct FlooredCubic;

impl ControllerFactory for FlooredCubic {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Floored(Cubic::new(Arc::new(CubicConfig::default()), now, current_mtu)))
    }
}

#[derive(Clone)]
struct Floored(Cubic);

impl Controller for Floored {
    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.0.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.0.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.0.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.0.window().max(FLOOR)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.0.initial_window().max(FLOOR)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Six times the eleven acknowledgements after which quinn acknowledges them: room for those that are
/// sent while its answer is on the way. However much is lost, a link may then have 77 kB on the way:
/// six hybrid frames.
const FLOOR: u64 = 64 * 1200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_holds_the_acknowledgements_that_nobody_acknowledges_whatever_was_lost() {
        let now = Instant::now();
        let mut controller = Arc::new(FlooredCubic).build(now, 1200);
        assert!(controller.window() >= FLOOR);
        for second in 1..20 {
            let now = now + std::time::Duration::from_secs(second);
            controller.on_congestion_event(now, now, true, 100_000);
            assert_eq!(controller.window(), FLOOR);
        }
    }
}
