//! The processes under load, seen from outside only: a real `mixnode`, and those that take its
//! twin's place.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rohrpost_measure::exposition::Exposition;
use rohrpost_measure::http::get;
use rohrpost_measure::process::{CpuTimes, Memory};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::runtime::Handle;

use super::cores::Cores;

/// A child of this program on the mix's core; ended when dropped.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts this program again with these arguments; its standard error goes to `log`.
    pub(super) fn start(cores: &Cores, log: &Path, arguments: &[&str]) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let log_file = File::create(log)?;
        let child = cores.on_mix(|| {
            Command::new(program)
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(log_file)
                .spawn()
        })?;
        Ok(Self { child, log: log.to_owned() })
    }

    pub(super) const fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// CPU time so far by thread name.
    pub(super) fn cpu(&self) -> io::Result<CpuTimes> {
        CpuTimes::read(self.child.id())
    }

    /// Memory in use.
    pub(super) fn memory(&self) -> io::Result<Memory> {
        Memory::read(self.child.id())
    }

    /// The end of the process, which must not come, with the last lines it wrote; none while it
    /// runs.
    pub(super) fn last_words(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(LAST_WORDS).collect();
        let words: Vec<_> = lines.into_iter().rev().collect();
        Some(format!("it ended ({status}); its last words:\n    {}", words.join("\n    ")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
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

/// Pages of a node, read outside the runtime.
pub(super) struct Pages {
    pub(super) address: SocketAddr,
    pub(super) runtime: Handle,
}

impl Pages {
    /// Tells whether the node is ready; as an error what it waits for.
    pub(super) fn ready(&self) -> Result<(), String> {
        match self.get("/readyz") {
            Ok((true, _)) => Ok(()),
            Ok((false, body)) => Err(body.trim().to_owned()),
            Err(_) => Err("not listening yet".into()),
        }
    }

    /// Metrics of the node, as of its last tick.
    pub(super) fn metrics(&self) -> io::Result<Exposition> {
        Ok(Exposition::parse(&self.get("/metrics")?.1))
    }

    /// Counts that the node holds at this moment; null of a build without that page.
    pub(super) fn inspect(&self) -> Value {
        let page = self.get("/inspect").ok().filter(|(ok, _)| *ok);
        page.and_then(|(_, body)| serde_json::from_str(&body).ok()).unwrap_or(Value::Null)
    }

    fn get(&self, path: &str) -> io::Result<(bool, String)> {
        self.runtime.block_on(get(self.address, path, DEADLINE))
    }
}

const LAST_WORDS: usize = 5;
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// A mix whose core is busy answers late.
const DEADLINE: Duration = Duration::from_secs(10);
