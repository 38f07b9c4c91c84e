//! All output of the tool. A closed stream loses it; nothing panics.

use std::io::Write;

/// A line on standard output.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line on standard error.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
