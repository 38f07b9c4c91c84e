//! The hour that a letter says, in which it left: so that what has waited in a mailbox for days is not
//! taken for a sign that its sender is there.

use std::time::Duration;

use crate::time::{Steady, Time};

/// The hour in which a letter leaves at a document time, as the letter says it.
pub(super) const fn hour(document: Time) -> u8 {
    (document.seconds() / HOUR.as_secs()).to_le_bytes()[0]
}

/// Time at which a letter left that says this hour of its departure and has come now: the last moment
/// of that hour. An hour that is more than eight days back is one to come, by another clock.
pub(super) fn departure(now: Steady, document: Time, said: u8) -> Steady {
    let age = hour(document).wrapping_sub(said);
    if age == 0 || age > OLDEST {
        return now;
    }
    let into = Duration::from_secs(document.seconds() % HOUR.as_secs());
    now - (HOUR * u32::from(age - 1) + into)
}

const HOUR: Duration = Duration::from_hours(1);
/// Hours after which no letter comes any more: a mailbox keeps it for a week.
const OLDEST: u8 = 8 * 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_within_an_hour_when_it_left() {
        let arrival = Time::from_micros(1_795_000_000_000_000);
        let now = Steady::of_clock(arrival) + Duration::from_secs(7);
        for hours in 0..=u32::from(OLDEST) {
            let left = arrival - HOUR * hours;
            let heard = departure(now, arrival, hour(left));
            let age = now.since(heard);
            assert!(age <= HOUR * hours && age + HOUR > HOUR * hours, "{hours}: {age:?}");
        }
        assert_eq!(departure(now, arrival, hour(arrival + HOUR)), now, "by another clock");
    }
}
