//! Progress of long work on a terminal; nothing is drawn where nobody watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `len` steps in the form of `template`, which moves on its own if it has a spinner.
/// `quiet` hides it.
///
/// Templates are [`BAR`] or written by the rules of `indicatif`.
#[must_use]
pub fn bar(quiet: bool, len: u64, template: &str) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(len);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if template.contains("{spinner}") {
        bar.enable_steady_tick(TICK);
    }
    bar
}

/// Steps done, what they are, and the time that is left.
pub const BAR: &str = "{bar:30} {pos}/{len} {msg} ({eta})";
const TICK: Duration = Duration::from_millis(120);
