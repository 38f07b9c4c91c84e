//! A check of a node's clock against the machine's (`docs/operating.md`).
//!
//! A node reads the machine's clock once, at its start, and counts from there. A virtual machine
//! that stood still, or one whose clock was set after the start, leaves the node off for as long as
//! it runs: others refuse its documents and its clients leave, while it finds itself ready, for it
//! judges the age of documents by the same clock. It must not follow the machine's clock either:
//! epochs of keys and the memory against replays hang on a time that never jumps. So such a process
//! ends, and the next one starts with the right time and new keys.

use std::time::Duration;

use rohrpost_network::{Clock, machine_time};
use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::TOLERANCE;

/// The check, with what it has seen so far.
#[derive(Default)]
struct ClockCheck {
    /// Time by the node's clock since when the two are apart.
    apart: Option<Time>,
}

impl ClockCheck {
    /// Takes the times that the node's clock and the machine's show; true if they have been apart
    /// for long enough. A shorter while is a time service that corrects itself.
    fn handle_times(&mut self, own: Time, machine: Time) -> bool {
        if own.since(machine).max(machine.since(own)) <= TOLERANCE {
            self.apart = None;
            return false;
        }
        own.since(*self.apart.get_or_insert(own)) >= LASTING
    }
}

/// Waits until the machine's clock has been more than five minutes off the node's for a minute.
pub(crate) async fn parted(clock: Clock) {
    let mut check = ClockCheck::default();
    while !check.handle_times(clock.now(), machine_time()) {
        tokio::time::sleep(PERIOD).await;
    }
}

/// Time for which the clocks have to be apart.
const LASTING: Duration = Duration::from_secs(60);
/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Time = Time::from_micros(1_795_000_000_000_000);

    /// Time after which a node ends whose machine shows what `machine` makes of its own time, if it
    /// does so within an hour.
    fn ends(machine: impl Fn(Time) -> Time) -> Option<Duration> {
        let mut check = ClockCheck::default();
        let looks = (0..360).map(|look| BEGIN + PERIOD * look);
        let mut wrong = looks.filter(|own| check.handle_times(*own, machine(*own)));
        wrong.next().map(|own| own.since(BEGIN))
    }

    /// Checks that a node whose machine stood still, and was set right after ten minutes, ends a
    /// minute later, and so does one whose machine's clock was set back.
    #[test]
    fn a_node_whose_clock_has_fallen_behind_ends() {
        let (set, beyond) = (Duration::from_secs(600), TOLERANCE + Duration::from_secs(1));
        let stepped = |own: Time, by: Duration| if own.since(BEGIN) < set { own } else { own + by };
        assert_eq!(ends(|own| stepped(own, beyond)), Some(set + LASTING));
        assert_eq!(ends(|own| own - beyond), Some(LASTING));
    }

    /// Checks that what others tolerate does not end a node, nor a clock that is put right within a
    /// minute.
    #[test]
    fn a_node_goes_on_where_its_clock_is_tolerated() {
        assert_eq!(ends(|own| own + TOLERANCE), None);
        assert_eq!(ends(|own| own - TOLERANCE), None);
        let often = |own: Time| own.since(BEGIN).as_secs() % 120 < 50;
        assert_eq!(ends(|own| if often(own) { own + TOLERANCE * 9 } else { own }), None);
    }
}
