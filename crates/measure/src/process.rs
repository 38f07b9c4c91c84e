//! CPU time and memory of processes and of the machine, from `/proc` (proc(5)), whose clock ticks
//! are hundredths of a second on every architecture that Rust supports.

use std::collections::BTreeMap;
use std::fs::{read_dir, read_to_string};
use std::io;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU seconds and memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU seconds so far, user and system, of threads that have ended too.
    pub cpu: f64,
    /// Bytes of memory that are resident now.
    pub resident: u64,
}

impl Usage {
    /// Usage of a process; none if it is gone, or the host has no `/proc`.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Self::read(&pid.to_string())
    }

    /// Usage of this process; zero if the host has no `/proc`.
    #[must_use]
    pub fn own() -> Self {
        Self::read("self").unwrap_or_default()
    }

    /// CPU since an earlier reading, memory as it is now.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu - earlier.cpu, ..self }
    }

    fn read(process: &str) -> Option<Self> {
        let stat = read_to_string(format!("/proc/{process}/stat")).ok()?;
        let status = read_to_string(format!("/proc/{process}/status")).ok()?;
        Self::parse(&stat, &status)
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        let cpu = parse_stat(stat)?.1.total().as_secs_f64();
        Some(Self { cpu, resident: bytes(status, "VmRSS:")? })
    }
}

/// CPU time of a process by thread name.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct CpuTimes(BTreeMap<String, Cpu>);

/// User and system time.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Time in the program itself.
    pub user: Duration,
    /// Time in the kernel on the program's behalf.
    pub system: Duration,
}

impl Cpu {
    /// User and system time together.
    #[must_use]
    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

impl CpuTimes {
    /// Times of all threads that live now.
    ///
    /// # Errors
    /// The process is gone, or the host has no `/proc`.
    pub fn read(pid: u32) -> io::Result<Self> {
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

    /// Time used since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let used = |(name, now): (&String, &Cpu)| {
            let then = before.0.get(name).copied().unwrap_or_default();
            let user = now.user.saturating_sub(then.user);
            let system = now.system.saturating_sub(then.system);
            (name.clone(), Cpu { user, system })
        };
        Self(self.0.iter().map(used).collect())
    }

    /// Time of all threads together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.0.values().map(|cpu| cpu.total()).sum()
    }

    /// Time of all threads with this name.
    #[must_use]
    pub fn of(&self, name: &str) -> Duration {
        self.0.get(name).copied().unwrap_or_default().total()
    }

    /// Times by thread name.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, Cpu)> {
        self.0.iter().map(|(name, cpu)| (name.as_str(), *cpu))
    }

    fn add(&mut self, name: String, cpu: Cpu) {
        let sum = self.0.entry(name).or_default();
        sum.user += cpu.user;
        sum.system += cpu.system;
    }
}

/// CPU seconds of all cores of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Machine {
    /// Seconds of work, whoever asked for it.
    pub busy: f64,
    /// Seconds of waiting for work or for a disk.
    pub idle: f64,
}

impl Machine {
    /// Seconds since the host began; zero if it has no `/proc`.
    #[must_use]
    pub fn now() -> Self {
        let stat = read_to_string("/proc/stat").unwrap_or_default();
        Self::parse(&stat).unwrap_or_default()
    }

    /// Seconds since an earlier moment.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { busy: self.busy - earlier.busy, idle: self.idle - earlier.idle }
    }

    /// Share of all cores that was busy.
    #[must_use]
    pub fn share(self) -> f64 {
        self.busy / (self.busy + self.idle).max(f64::MIN_POSITIVE)
    }

    /// Reads the first line of `/proc/stat`: user, nice, system, idle, waiting for disks,
    /// interrupts, soft interrupts, stolen; guests are counted in user already.
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

/// Memory that the system could still give, in bytes.
#[must_use]
pub fn available_memory() -> u64 {
    let memory = read_to_string("/proc/meminfo").unwrap_or_default();
    bytes(&memory, "MemAvailable:").unwrap_or(0)
}

/// Most bytes that were resident in a process since it began; zero of one that has ended and was not
/// waited for.
///
/// # Errors
/// The process is gone, or the host has no `/proc`.
pub fn highest_memory(pid: u32) -> io::Result<u64> {
    let status = read_to_string(format!("/proc/{pid}/status"))?;
    Ok(bytes(&status, "VmHWM:").unwrap_or(0))
}

/// CPU time of the calling thread.
#[must_use]
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The field that begins with `name`, which counts in KiB.
fn bytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Name and times of a process or thread: field 2, and fields 14 and 15, which count in ticks. The
/// name may hold spaces and brackets; it ends at the last bracket.
fn parse_stat(stat: &str) -> Option<(String, Cpu)> {
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks =
        || Some(Duration::from_millis(10 * fields.next().and_then(|f| f.parse::<u64>().ok())?));
    let (user, system) = (ticks()?, ticks()?);
    Some((name.to_owned(), Cpu { user, system }))
}

const TICKS: f64 = 100.0;

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
    fn a_process_with_brackets_and_spaces_in_its_name_is_read() {
        let status = "Name:\ta\nVmSize:\t  9000 kB\nVmRSS:\t    2048 kB\nThreads:\t4\n";
        let usage = Usage::parse(STAT, status).unwrap();
        assert_eq!(usage, Usage { cpu: 1.75, resident: 2 * 1024 * 1024 });
        assert_eq!(Usage::parse("77 (a) S 1", status), None);
        assert_eq!(Usage::parse(STAT, "Name:\ta\n"), None);
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
    fn the_machine_is_the_sum_of_its_cores() {
        let stat = "cpu  1000 100 300 5000 200 10 90 40 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(Machine::parse(stat), Some(Machine { busy: 15.0, idle: 52.0 }));
        assert_eq!(Machine::parse("intr 5"), None);
    }

    #[test]
    fn the_own_process_can_be_read() {
        let pid = std::process::id();
        assert!(CpuTimes::read(pid).unwrap().by_name().count() > 0);
        // Other tests allocate meanwhile, and the kernel counts pages of each core in batches.
        let resident = Usage::own().resident;
        assert!(highest_memory(pid).unwrap() >= resident / 2);
        assert!(available_memory() > 0);
        assert!(Usage::of(pid).unwrap().resident > 0);
        let machine = Machine::now();
        assert!(machine.busy + machine.idle > 0.0);
    }
}
