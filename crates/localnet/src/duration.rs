//! Durations as people write them on a command line: `90s`, `5m`, `250ms`.

use std::time::Duration;

/// Reads a whole number with its unit: ms, s, m or h; without one it is seconds.
///
/// # Errors
/// What is expected.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let millis: u64 = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        unit => return Err(format!("{unit:?} is no unit of time; write 250ms, 90s, 5m or 2h")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("{digits:?} is no whole number; write 250ms, 90s, 5m or 2h"))?;
    let millis = number.checked_mul(millis).ok_or("that is longer than anyone waits")?;
    if millis == 0 {
        Err("it must be longer than nothing".to_owned())
    } else {
        Ok(Duration::from_millis(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        for (text, millis) in
            [("250ms", 250), ("90s", 90_000), ("90", 90_000), ("5m", 300_000), ("2h", 7_200_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "-1s", "1.5s", "5 m", "5d", "0s", "18446744073709551615h", "1µs"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
