//! Timetables of messages: fixed before the load begins, whatever the network does with it (open
//! loop).

use std::time::Duration;

use rand::{Rng, RngExt};

/// Messages of a client: one per period from a phase on, as long as the load lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Timetable {
    phase: Duration,
    period: Duration,
    load: Duration,
}

impl Timetable {
    /// `rate` messages a second, beginning anywhere in the first period so that clients do not
    /// crowd.
    pub(crate) fn draw(rate: f64, load: Duration, rng: &mut impl Rng) -> Self {
        let period = Duration::from_secs_f64(1.0 / rate);
        let phase = period.mul_f64(rng.random_range(0.0..1.0));
        Self { phase, period, load }
    }

    /// Due time of this message after the begin of the load; none if the load is over by then.
    pub(crate) fn due(&self, number: u32) -> Option<Duration> {
        let due = self.phase + self.period.checked_mul(number)?;
        (due < self.load).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const LOAD: Duration = Duration::from_secs(60);

    fn timetable(seed: u64) -> Timetable {
        Timetable::draw(0.5, LOAD, &mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn messages_are_due_at_equal_intervals_until_the_load_is_over() {
        for seed in 0..100 {
            let timetable = timetable(seed);
            let due: Vec<_> = (0..).map_while(|number| timetable.due(number)).collect();
            assert_eq!(due.len(), 30, "one per two seconds");
            assert!(due[0] < Duration::from_secs(2) && due[29] < LOAD);
            assert!(due.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_secs(2)));
        }
    }

    #[test]
    fn phases_fill_the_period_and_a_seed_gives_them_again() {
        let phases: Vec<_> = (0..200).filter_map(|seed| timetable(seed).due(0)).collect();
        let early = phases.iter().filter(|phase| **phase < Duration::from_secs(1)).count();
        assert!((60..140).contains(&early), "{early} of 200 in the first half");
        assert_eq!(timetable(7), timetable(7));
    }

    #[test]
    fn a_period_longer_than_the_load_may_have_no_letter() {
        let mut rng = StdRng::seed_from_u64(1);
        let timetable = Timetable::draw(1e-6, LOAD, &mut rng);
        assert_eq!(timetable.due(1), None);
        assert_eq!(timetable.due(u32::MAX), None);
    }
}
