//! A check of a node's clock against the machine's (`docs/operating.md`).
//!
//! A node reads the machine's clock once, at its start, and counts from there. A virtual machine
//! that stood still, or one whose clock was set after the start, leaves the node off for as long as
//! it runs: a relay signs in vain and its clients leave, for both judge by the same clock. It must not follow the machine's clock either:
//! epochs of keys and the memory against replays hang on a time that never jumps. So such a process
//! ends, and the next one starts with the right time and new keys.

use std::time::Duration;

use rohrpost_network::{Clock, machine_time};
use rohrpost_proto::time::Time;

/// The check, with what it has seen so far.
#[derive(Default)]
struct ClockCheck {
    /// Time by the node's clock since when the two are apart.
    apart: Option<Time>,
}

impl ClockCheck {
    /// Takes the times that the node's clock and the machine's show; true if they have been apart
    /// for long enough. A shorter while is a time service that corrects itself.
    fn handle_times(&mut self, own: Time, machine: Time, allowed: Duration) -> bool {
        if own.since(machine).max(machine.since(own)) <= allowed {
            self.apart = None;
            return false;
        }
        own.since(*self.apart.get_or_insert(own)) >= LASTING
    }
}

/// Waits until the machine's clock has been further off the node's than is allowed, for a minute.
pub(crate) async fn parted(clock: Clock, allowed: Duration) {
    let mut check = ClockCheck::default();
    while !check.handle_times(clock.now(), machine_time(), allowed) {
        tokio::time::sleep(PERIOD).await;
    }
}

/// A clock that is further off than that of a node of its role may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockOff {
    pub(crate) is_ahead: bool,
    pub(crate) by: Duration,
}

impl std::fmt::Display for ClockOff {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { is_ahead, by } = self;
        let side = if *is_ahead { "ahead of" } else { "behind" };
        write!(
            formatter,
            "the clock is {} s {side} those of the relays: check the machine's time service, and start \
             the node again",
            by.as_secs()
        )
    }
}

/// Time for which the clocks have to be apart.
const LASTING: Duration = Duration::from_secs(60);
/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Duration = Duration::from_secs(300);
    const BEGIN: Time = Time::from_micros(1_795_000_000_000_000);

    /// Time after which a node ends whose machine shows what `machine` makes of its own time, if it
    /// does so within an hour.
    fn ends(machine: impl Fn(Time) -> Time) -> Option<Duration> {
        let mut check = ClockCheck::default();
        let looks = (0..360).map(|look| BEGIN + PERIOD * look);
        let mut wrong = looks.filter(|own| check.handle_times(*own, machine(*own), ALLOWED));
        wrong.next().map(|own| own.since(BEGIN))
    }

    /// Checks that a node whose machine stood still, and was set right after ten minutes, ends a
    /// minute later, and so does one whose machine's clock was set back.
    #[test]
    fn a_node_whose_clock_has_fallen_behind_ends() {
        let (set, beyond) = (Duration::from_secs(600), ALLOWED + Duration::from_secs(1));
        let stepped = |own: Time, by: Duration| if own.since(BEGIN) < set { own } else { own + by };
        assert_eq!(ends(|own| stepped(own, beyond)), Some(set + LASTING));
        assert_eq!(ends(|own| own - beyond), Some(LASTING));
    }

    /// Checks that what others tolerate does not end a node, nor a clock that is put right within a
    /// minute.
    #[test]
    fn a_node_goes_on_where_its_clock_is_tolerated() {
        assert_eq!(ends(|own| own + ALLOWED), None);
        assert_eq!(ends(|own| own - ALLOWED), None);
        let often = |own: Time| own.since(BEGIN).as_secs() % 120 < 50;
        assert_eq!(ends(|own| if often(own) { own + ALLOWED * 9 } else { own }), None);
    }
}
