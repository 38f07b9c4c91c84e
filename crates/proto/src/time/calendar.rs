//! Days of the Gregorian calendar, as people read and write an expiry. Years begin in March here,
//! so that the leap day is the last of its year.

use std::time::Duration;

/// The day in UTC, as `YYYY-MM-DD`, in which a time since the Unix epoch lies.
#[must_use]
pub fn date(unix: Duration) -> String {
    let days = unix.as_secs() / DAY + DAYS_TO_1970;
    let (cycle, mut rest) = (days / CYCLE, days % CYCLE);
    // The last century of a cycle, and the last year of four, are a day longer: their last day
    // would count as a fifth.
    let centuries = (rest / CENTURY).min(3);
    rest -= centuries * CENTURY;
    let fours = rest / FOUR_YEARS;
    rest -= fours * FOUR_YEARS;
    let years = (rest / 365).min(3);
    let day = rest - years * 365;
    // From March on, five months have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (next, month) = if month < 10 { (0, month + 3) } else { (1, month - 9) };
    let year = 400 * cycle + 100 * centuries + 4 * fours + years + next;
    format!("{year:04}-{month:02}-{day:02}")
}

/// Days from the Unix epoch to a date `YYYY-MM-DD` from 1970 on; `None` if it is no date.
#[must_use]
pub fn days_since_epoch(date: &str) -> Option<u64> {
    let mut parts = date.splitn(3, '-').map(str::parse::<u64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    days.checked_sub(DAYS_TO_1970)
}

/// Seconds of a day.
const DAY: u64 = 86_400;
/// Days of 400 years; of 100 whose last has no leap day, and of 4 below.
const CYCLE: u64 = 146_097;
const CENTURY: u64 = 36_524;
const FOUR_YEARS: u64 = 1461;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_counted_day_by_day_agrees_for_500_years() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..500 * 366 {
            let expected = format!("{year:04}-{month:02}-{day:02}");
            assert_eq!(date(Duration::from_secs(days * DAY)), expected);
            assert_eq!(date(Duration::from_secs(days * DAY + DAY - 1)), expected);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn dates_count_days_from_1970() {
        assert_eq!(days_since_epoch("1970-01-01"), Some(0));
        assert_eq!(days_since_epoch("2000-03-01"), Some(11_017));
        assert_eq!(days_since_epoch("2026-11-23"), Some(20_780));
        assert_eq!(days_since_epoch("2026-13-01"), None);
        assert_eq!(days_since_epoch("soon"), None);
    }

    #[test]
    fn far_days_do_not_wrap() {
        assert!(date(Duration::MAX).starts_with("58455"));
    }
}
