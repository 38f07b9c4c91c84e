//! Output of the command: results on standard output, progress on standard error.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::error::CommandError;

pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a result. A closed standard output loses it.
    pub(crate) fn say(&self, json: &Value, text: &str) {
        let mut out = std::io::stdout();
        let _ = if self.json { writeln!(out, "{json}") } else { writeln!(out, "{text}") };
        let _ = out.flush();
    }

    /// Prints a remark for whoever runs the command, beside its results.
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Prints bytes as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let mut out = std::io::stdout();
        let _ = out.write_all(bytes);
        let _ = out.flush();
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
        if self.json || !std::io::stderr().is_terminal() {
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

/// All bytes of a file, or of standard input.
pub(crate) fn read_input(path: &Path) -> Result<Vec<u8>, CommandError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    bytes.map_err(|source| CommandError::Input { path: path.to_owned(), source })
}

/// Text that others wrote, without what could steer a terminal.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Text of a Unix second, to the minute. A time that others have chosen may lie beyond the years
/// that can be written, and counts as the last of them.
pub(crate) fn when(seconds: u64) -> String {
    let seconds = Duration::from_secs(seconds.min(YEAR_9999));
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds);
    let minute = text.to_string().get(..16).unwrap_or_default().replace('T', " ");
    format!("{minute}Z")
}

/// The last second of the year 9999.
const YEAR_9999: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_times_can_be_written() {
        assert_eq!(when(0), "1970-01-01 00:00Z");
        assert_eq!(when(1_795_000_059), "2026-11-18 11:07Z");
        for far in [YEAR_9999, YEAR_9999 + 1, 60 * u64::from(u32::MAX), u64::MAX] {
            assert_eq!(when(far), "9999-12-31 23:59Z");
        }
    }
}
