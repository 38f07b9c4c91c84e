//! Recovery of a mix after an overload.

use std::time::Duration;

use rohrpost_measure::statistics::Sample;

use super::journal::Trip;

/// Time from `fallen`, when the load fell, to the first second in which nothing was lost and
/// packets came out when they should; nothing if there is none. `trips` in the order of their
/// departures.
pub(super) fn recovery(trips: &[Trip], fallen: Duration) -> Option<Duration> {
    let last = trips.last()?.departed;
    let mut normal = Vec::new();
    let (mut from, mut rest) = (fallen, trips);
    while from + SLICE <= last {
        let len = rest.partition_point(|trip| trip.departed < from + SLICE);
        let (slice, later) = rest.split_at(len);
        normal.push(is_normal(slice));
        (from, rest) = (from + SLICE, later);
    }
    let start = normal.windows(RUN).position(|run| run.iter().all(|normal| *normal))?;
    Some(SLICE * u32::try_from(start).unwrap_or(u32::MAX))
}

fn is_normal(trips: &[Trip]) -> bool {
    let excess = Sample::new(trips.iter().filter_map(Trip::excess).map(|time| time.as_secs_f64()));
    excess.len() == trips.len() && excess.median() < LATE
}

/// The grain of the answer.
const SLICE: Duration = Duration::from_millis(100);
/// Slices in a row: a second.
const RUN: usize = 10;
/// Seconds; five times the median lateness that a mix at half load may have.
const LATE: f64 = 0.005;

#[cfg(test)]
mod tests {
    use super::*;

    fn trips(late_until: u64, lost_until: u64) -> Vec<Trip> {
        let millis = Duration::from_millis;
        let trip = |at: u64| Trip {
            departed: millis(at),
            arrived: (at >= lost_until)
                .then(|| millis(at + 200 + if at < late_until { 50 } else { 1 })),
            drawn: millis(200),
        };
        (1_000..5_000).step_by(10).map(trip).collect()
    }

    #[test]
    fn recovery_is_when_packets_are_neither_late_nor_lost() {
        let fallen = Duration::from_secs(1);
        let found = |late, lost| recovery(&trips(late, lost), fallen);
        assert_eq!(found(0, 0), Some(Duration::ZERO));
        assert_eq!(found(1_370, 0), Some(Duration::from_millis(400)));
        assert_eq!(found(1_370, 1_820), Some(Duration::from_millis(900)));
        assert_eq!(found(4_900, 0), None);
        assert_eq!(recovery(&[], fallen), None);
    }
}
