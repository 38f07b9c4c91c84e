//! Output of the command: results on standard output or in a file, progress on standard error. A
//! result that cannot be written is an error: whoever asked for it does not have it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rohrpost_client::{harmless, steers};
use serde_json::{Value, json};

use crate::error::CommandError;

pub(crate) struct Output {
    json: bool,
    clock: Clock,
}

/// The clock by which people are told times; JSON has Unix seconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// That of the machine's time zone, or of TZ.
    Local,
    /// Coordinated universal time, marked by a Z.
    Utc,
}

impl Output {
    pub(crate) const fn new(json: bool, clock: Clock) -> Self {
        Self { json, clock }
    }

    /// Prints a result.
    pub(crate) fn say(&self, json: &Value, text: &str) -> Result<(), CommandError> {
        let line = if self.json { json_line(json) } else { format!("{}\n", harmless(text)) };
        print(line.as_bytes())
    }

    /// Text of a Unix second for people, to the minute. A time that others have chosen may lie
    /// beyond the years that can be written, and counts as the last that can.
    pub(crate) fn when(&self, seconds: u64) -> String {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        match self.clock {
            Clock::Local => time.to_zoned(TimeZone::system()).strftime(MINUTE).to_string(),
            Clock::Utc => format!("{}Z", time.strftime(MINUTE)),
        }
    }

    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// A spinner for people who wait; nothing where nobody watches.
    pub(crate) fn spinner(&self, message: &'static str) -> ProgressBar {
        let bar = self.bar(None, "{spinner} {msg} ({elapsed})");
        bar.set_message(message);
        bar
    }

    /// A bar over so many steps.
    pub(crate) fn progress(&self, steps: u64) -> ProgressBar {
        self.bar(Some(steps), "{wide_bar} {pos}/{len}  {msg}")
    }

    fn bar(&self, steps: Option<u64>, template: &str) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = steps.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

/// Prints the error with which a command ends.
pub(crate) fn fail(json: bool, error: &CommandError) {
    if json {
        let value = json!({ "error": { "code": error.code(), "message": error.to_string() } });
        let _ = io::stderr().write_all(json_line(&value).as_bytes());
    } else {
        note(&format!("error: {error}"));
    }
}

/// Prints a remark for whoever runs the command, beside its results.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", harmless(text));
}

/// Columns of the terminal that results are printed on; none if they go elsewhere.
pub(crate) fn width() -> Option<usize> {
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        // A terminal that does not know its width takes what comes.
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }
    #[cfg(not(unix))]
    None
}

/// Prints bytes as they are.
pub(crate) fn print(bytes: &[u8]) -> Result<(), CommandError> {
    let mut out = io::stdout();
    let printed = out.write_all(bytes).and_then(|()| out.flush());
    printed.map_err(|source| CommandError::Output { path: "standard output".into(), source })
}

/// Writes bytes as they are to a new file, or prints them if it is -. The file has its name when
/// all of it is on the disk, and none is overwritten; its user alone can read it.
pub(crate) fn write(to: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    if to == Path::new("-") {
        return print(bytes);
    }
    let directory = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let written =
        tempfile::Builder::new().prefix(PARTIAL).tempfile_in(directory).and_then(|mut file| {
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist_noclobber(to).map(drop).map_err(|error| error.error)
        });
    written.map_err(|source| CommandError::Output { path: to.to_owned(), source })
}

/// A value as JSON that a terminal shows without harm: what steers one is escaped.
fn json_line(value: &Value) -> String {
    let mut line = String::new();
    for c in value.to_string().chars() {
        if steers(c) {
            let mut units = [0; 2];
            let escaped = c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"));
            line.extend(escaped);
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

/// Text of a number of bytes that pass in a day: whoever pays for them wants to know.
pub(crate) fn volume(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000_000) / 100_000_000;
    format!("{}.{} GB", tenths / 10, tenths % 10)
}

/// A text as people see it, whatever system it was written on: lines end as here, and the end of
/// its last one is not shown as an empty line.
pub(crate) fn lines_of(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
}

/// Begin of the name that a file or directory has until all of it is written.
pub(crate) const PARTIAL: &str = ".rohrpost-";
/// Format of a time, to the minute.
const MINUTE: &str = "%Y-%m-%d %H:%M";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_by_signs_and_told_in_json() {
        let text =
            "a\u{1b}[31m\u{9b}31m\u{9d}\u{7f}\u{202e}\u{2066}\u{2028}\u{200b}\u{e0041}\tü\nz";
        let shown = harmless(text);
        assert_eq!(
            shown,
            "a\u{fffd}[31m\u{fffd}31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\tü\nz"
        );
        let value = serde_json::json!({ "text": text, "ü\u{202e}": 1 });
        let line = json_line(&value);
        assert!(line.strip_suffix('\n').is_some_and(|line| !line.chars().any(steers)), "{line}");
        assert!(line.contains("\\u009b31m") && line.contains("\\udb40\\udc41"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).ok(), Some(value));
    }

    #[test]
    fn texts_of_other_systems_have_their_lines() {
        for (text, shown) in [
            ("a\r\nb\r\n", "a\nb"),
            ("a\n", "a"),
            ("a", "a"),
            ("a\n\n", "a\n"),
            ("", ""),
            ("\r\n", ""),
        ] {
            assert_eq!(lines_of(text), shown);
        }
    }

    #[test]
    fn a_volume_is_told_to_the_tenth() {
        let told = [0, 49_999_999, 50_000_000, 8_498_995_200, 1_774_828_800].map(volume);
        assert_eq!(told, ["0.0 GB", "0.0 GB", "0.1 GB", "8.5 GB", "1.8 GB"]);
    }

    #[test]
    fn all_times_can_be_written() {
        let when = |seconds| Output::new(false, Clock::Utc).when(seconds);
        assert_eq!(when(0), "1970-01-01 00:00Z");
        assert_eq!(when(1_795_000_059), "2026-11-18 11:07Z");
        for far in [253_402_300_799, 60 * u64::from(u32::MAX), u64::MAX] {
            assert_eq!(when(far), "9999-12-30 22:00Z");
        }
    }
}
