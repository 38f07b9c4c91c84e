//! Use of the host by this process, in the names that Prometheus' own clients give it.

use std::fmt::Write as _;
use std::fs::{read_dir, read_to_string};

use rohrpost_network::unix_now;

/// Source of the `process_*` series; a series that the system does not tell stands at zero.
pub(crate) struct Usage {
    /// Start of the process in Unix seconds.
    started: u64,
}

impl Usage {
    /// Begins with a process that has just started.
    pub(crate) fn start() -> Self {
        Self { started: unix_now().as_secs() }
    }

    /// Renders the series as they are now, in the text format.
    pub(crate) fn render(&self) -> String {
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|rest| rest.split_whitespace().next());
            value.and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        let files = read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let series = [
            (
                "process_cpu_seconds_total",
                "counter",
                "CPU time used, user and system.",
                cpu_seconds().unwrap_or_default(),
            ),
            (
                "process_resident_memory_bytes",
                "gauge",
                "Resident memory.",
                (field("VmRSS:") * 1024).to_string(),
            ),
            (
                "process_virtual_memory_bytes",
                "gauge",
                "Virtual memory.",
                (field("VmSize:") * 1024).to_string(),
            ),
            ("process_threads", "gauge", "Threads.", field("Threads:").to_string()),
            ("process_open_fds", "gauge", "Open file descriptors.", files.to_string()),
            (
                "process_start_time_seconds",
                "gauge",
                "Start of the process in Unix time.",
                self.started.to_string(),
            ),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in series {
            let value = if value.is_empty() { "0" } else { &value };
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
        }
        text
    }
}

/// User and system time with two decimals, from fields 14 and 15 of `/proc/self/stat` (proc(5)),
/// which count in `USER_HZ`: 100 a second on every architecture that Rust supports.
fn cpu_seconds() -> Option<String> {
    let stat = read_to_string("/proc/self/stat").ok()?;
    // The second field, the program's name, may hold spaces; it ends at the last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let ticks = user + system;
    Some(format!("{}.{:02}", ticks / 100, ticks % 100))
}
