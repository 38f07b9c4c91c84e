//! Output of a tool. Nothing panics when it cannot be written, and the tool's end tells of it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints a line on standard output.
pub fn say(line: &str) {
    let mut out = io::stdout();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        // Who closes a pipe has read what it wanted.
        if error.kind() != io::ErrorKind::BrokenPipe {
            LOST.store(true, Ordering::Relaxed);
        }
    }
}

/// Prints a line on standard error.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// True if a line for standard output was lost, on a full disk for example.
#[must_use]
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

static LOST: AtomicBool = AtomicBool::new(false);
