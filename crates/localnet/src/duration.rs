//! Durations as people write them on a command line: `90s`, `5m`, `250ms`, `1h 30m`, or plain
//! seconds.

use std::time::Duration;

/// Parses a duration of a millisecond or more; a number without a unit counts seconds.
///
/// # Errors
/// The text is no duration, or it is shorter; the message names an example.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bare = text.ends_with(|last: char| last.is_ascii_digit());
    let with_unit = if bare { format!("{text}s") } else { text.to_owned() };
    match humantime::parse_duration(&with_unit) {
        Ok(duration) if duration.as_millis() == 0 => {
            Err("it must be a millisecond or longer".to_owned())
        }
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; write 250ms, 90s, 5m or 2h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        for (text, millis) in [
            ("250ms", 250),
            ("90s", 90_000),
            ("90", 90_000),
            ("1.5m", 90_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1h 30m", 5_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "s",
            "-1s",
            "-3s",
            "1.2.3s",
            "500us",
            "5 parsecs",
            "0s",
            "0",
            "99999999999999999999h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
