//! What a process uses, read from `/proc` (proc(5)).

use std::collections::BTreeMap;
use std::fs::{read_dir, read_to_string};
use std::io;
use std::time::Duration;

/// CPU time of a process by thread name.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(super) struct CpuTimes(BTreeMap<String, Cpu>);

/// User and system time.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Cpu {
    pub(super) user: Duration,
    pub(super) system: Duration,
}

impl Cpu {
    pub(super) fn total(self) -> Duration {
        self.user + self.system
    }
}

impl CpuTimes {
    /// Of all threads that live now.
    pub(super) fn read(pid: u32) -> io::Result<Self> {
        let mut times = Self::default();
        for entry in read_dir(format!("/proc/{pid}/task"))? {
            // A thread that has ended since is none.
            let Ok(stat) = read_to_string(entry?.path().join("stat")) else { continue };
            if let Some((name, cpu)) = parse_stat(&stat) {
                times.add(name, cpu);
            }
        }
        Ok(times)
    }

    /// What was used since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let used = |(name, now): (&String, &Cpu)| {
            let then = before.0.get(name).copied().unwrap_or_default();
            let user = now.user.saturating_sub(then.user);
            let system = now.system.saturating_sub(then.system);
            (name.clone(), Cpu { user, system })
        };
        Self(self.0.iter().map(used).collect())
    }

    /// All threads together.
    pub(super) fn total(&self) -> Duration {
        self.0.values().map(|cpu| cpu.total()).sum()
    }

    /// All threads of this name.
    pub(super) fn of(&self, name: &str) -> Duration {
        self.0.get(name).copied().unwrap_or_default().total()
    }

    /// By thread name.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&str, Cpu)> {
        self.0.iter().map(|(name, cpu)| (name.as_str(), *cpu))
    }

    fn add(&mut self, name: String, cpu: Cpu) {
        let sum = self.0.entry(name).or_default();
        sum.user += cpu.user;
        sum.system += cpu.system;
    }
}

/// Resident memory now and at its highest, in bytes.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) resident: u64,
    pub(super) highest: u64,
}

impl Memory {
    pub(super) fn read(pid: u32) -> io::Result<Self> {
        Ok(Self::parse(&read_to_string(format!("/proc/{pid}/status"))?))
    }

    fn parse(status: &str) -> Self {
        Self { resident: kibibytes(status, "VmRSS:"), highest: kibibytes(status, "VmHWM:") }
    }
}

/// Memory that the system could still give, in bytes.
pub(super) fn available_memory() -> u64 {
    kibibytes(&read_to_string("/proc/meminfo").unwrap_or_default(), "MemAvailable:")
}

fn kibibytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|rest| rest.split_whitespace().next());
    value.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// A thread's name and times: field 2, and fields 14 and 15, which count in `USER_HZ`, 100 a second
/// on every architecture that Rust supports. The name may hold spaces and brackets.
fn parse_stat(stat: &str) -> Option<(String, Cpu)> {
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks =
        || Some(Duration::from_millis(10 * fields.next().and_then(|f| f.parse::<u64>().ok())?));
    let (user, system) = (ticks()?, ticks()?);
    Some((name.to_owned(), Cpu { user, system }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "4711 (a (b) c) S 1 4711 4711 0 -1 4194304 1 2 3 4 150 25 0 0 20 0 4 0 99 1 2";

    #[test]
    fn a_stat_line_gives_the_threads_name_and_times() {
        let (name, cpu) = parse_stat(STAT).unwrap();
        assert_eq!(name, "a (b) c");
        assert_eq!(cpu.user, Duration::from_millis(1500));
        assert_eq!(cpu.system, Duration::from_millis(250));
        assert_eq!(parse_stat("4711 (short) S 1"), None);
    }

    #[test]
    fn threads_of_one_name_are_added_and_differences_taken() {
        let cpu = |millis| Cpu { user: Duration::from_millis(millis), system: Duration::ZERO };
        let (mut before, mut after) = (CpuTimes::default(), CpuTimes::default());
        before.add("mixer".into(), cpu(10));
        after.add("mixer".into(), cpu(30));
        after.add("mixer".into(), cpu(40));
        after.add("cover".into(), cpu(5));
        let used = after.since(&before);
        assert_eq!(used.of("mixer"), Duration::from_millis(60));
        assert_eq!(used.of("cover"), Duration::from_millis(5));
        assert_eq!(used.of("none"), Duration::ZERO);
        assert_eq!(used.total(), Duration::from_millis(65));
    }

    #[test]
    fn status_gives_resident_memory() {
        let memory = Memory::parse("VmPeak:\t 9 kB\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\n");
        assert_eq!(memory, Memory { resident: 200 * 1024, highest: 300 * 1024 });
    }

    #[test]
    fn the_own_process_can_be_read() {
        let pid = std::process::id();
        assert!(CpuTimes::read(pid).unwrap().by_name().count() > 0);
        assert!(Memory::read(pid).unwrap().resident > 0);
        assert!(available_memory() > 0);
    }
}
