//! This program once more, as a child that blocking code watches.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::child::{LAST_WORDS, STOP_DEADLINE};

/// A child of this program, seen from outside only; ended when dropped, asked first.
pub struct ChildProcess {
    child: Child,
    log: PathBuf,
}

impl ChildProcess {
    /// Starts this program again with these arguments, on the cores of the calling thread; its
    /// standard error goes to `log`.
    ///
    /// # Errors
    /// The log cannot be written, or the system refuses a process.
    pub fn start(log: &Path, arguments: &[&str]) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// The standard output, for the one who asks first.
    pub const fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Number of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The end of the process, which must not come, with the last lines it wrote; none while it
    /// runs.
    pub fn last_words(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let words = lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n    ");
        Some(format!("it ended ({status}); its last words:\n    {words}"))
    }

    /// Ends the process, which is asked first, and waits until the system has its ports back.
    pub fn stop(&mut self) {
        // The number of a process that is gone may be another's.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
        let asked = Instant::now();
        while asked.elapsed() < STOP_DEADLINE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.stop();
    }
}
