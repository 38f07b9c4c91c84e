//! CPU time and memory from `/proc` (proc(5)), whose clock ticks are hundredths of a second on every
//! architecture that Rust supports.

use std::fs::read_to_string;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// CPU seconds, user and system.
    pub(crate) cpu: f64,
    /// Resident bytes.
    pub(crate) resident: u64,
}

/// What all cores of the host have done so far, in CPU seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    /// For anybody.
    pub(crate) busy: f64,
    /// Waiting for work or for a disk.
    pub(crate) idle: f64,
}

impl Usage {
    /// Of another process; none if it is gone, or the host has no `/proc`.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::read(&pid.to_string())
    }

    /// Of this process.
    pub(crate) fn own() -> Self {
        Self::read("self").unwrap_or_default()
    }

    fn read(process: &str) -> Option<Self> {
        let stat = read_to_string(format!("/proc/{process}/stat")).ok()?;
        let status = read_to_string(format!("/proc/{process}/status")).ok()?;
        Self::parse(&stat, &status)
    }

    /// Fields 14 and 15 of `stat`, and `VmRSS` of `status`.
    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The second field, the program's name, may hold spaces; it ends at the last bracket.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let user: u32 = fields.nth(11)?.parse().ok()?;
        let system: u32 = fields.next()?.parse().ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = resident.split_whitespace().next()?.parse().ok()?;
        let cpu = (f64::from(user) + f64::from(system)) / TICKS;
        Some(Self { cpu, resident: kib * 1024 })
    }
}

impl Machine {
    /// So far; zero if the host has no `/proc`.
    pub(crate) fn now() -> Self {
        let stat = read_to_string("/proc/stat").unwrap_or_default();
        Self::parse(&stat).unwrap_or_default()
    }

    /// Since an earlier moment.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { busy: self.busy - earlier.busy, idle: self.idle - earlier.idle }
    }

    /// Share of all cores that was busy.
    pub(crate) fn share(self) -> f64 {
        self.busy / (self.busy + self.idle).max(f64::MIN_POSITIVE)
    }

    /// The first line of `/proc/stat`: user, nice, system, idle, waiting for disks, interrupts, soft
    /// interrupts, stolen; guests are counted in user already.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<f64> =
            line.split_whitespace().map_while(|field| field.parse().ok()).collect();
        let [user, nice, system, idle, disk, interrupts, soft, ..] = fields[..] else {
            return None;
        };
        let busy = user + nice + system + interrupts + soft;
        Some(Self { busy: busy / TICKS, idle: (idle + disk) / TICKS })
    }
}

const TICKS: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_brackets_and_spaces_in_its_name_is_read() {
        let stat = "77 (a (b) c) S 1 77 77 0 -1 4194560 100 0 0 0 250 50 7 8 20 0 4 0 5 6 7\n";
        let status = "Name:\ta\nVmSize:\t  9000 kB\nVmRSS:\t    2048 kB\nThreads:\t4\n";
        let usage = Usage::parse(stat, status).unwrap();
        assert_eq!(usage, Usage { cpu: 3.0, resident: 2 * 1024 * 1024 });
        assert_eq!(Usage::parse("77 (a) S 1", status), None);
        assert_eq!(Usage::parse(stat, "Name:\ta\n"), None);
    }

    #[test]
    fn the_machine_is_the_sum_of_its_cores() {
        let stat = "cpu  1000 100 300 5000 200 10 90 40 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(Machine::parse(stat), Some(Machine { busy: 15.0, idle: 52.0 }));
        assert_eq!(Machine::parse("intr 5"), None);
    }

    #[test]
    fn the_own_process_is_found() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident > 0);
        assert!(Usage::own().resident > 0);
        let machine = Machine::now();
        assert!(machine.busy + machine.idle > 0.0);
    }
}
