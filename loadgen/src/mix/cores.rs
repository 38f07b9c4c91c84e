//! Cores of the mix and of the tool: one for the mix alone, so that what it reaches is
//! what a core gives, and the tool's own work is not taken for the mix's.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of this process, shared out.
#[derive(Clone)]
pub(super) struct Cores {
    all: Vec<usize>,
}

impl Cores {
    /// The cores that this process may use.
    pub(super) fn of_this_process() -> Self {
        let set = sched_getaffinity(None).unwrap_or_default();
        Self { all: (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect() }
    }

    /// The mix's core: the last; none where there are not two, and all share.
    pub(super) fn mix(&self) -> Option<usize> {
        self.all.last().copied().filter(|_| self.all.len() > 1)
    }

    /// Number of threads that can work at once when the mix is idle.
    pub(super) fn count(&self) -> usize {
        self.all.len().max(1)
    }

    /// Calls `work` on the mix's core; the processes and threads that it starts stay there.
    pub(super) fn on_mix<T>(&self, work: impl FnOnce() -> T) -> T {
        if let Some(core) = self.mix() {
            pin(&[core]);
        }
        let result = work();
        self.use_tool();
        result
    }

    /// Keeps this thread, and those that it starts from now on, off the mix's core.
    pub(super) fn use_tool(&self) {
        pin(self.mix().map_or(&self.all[..], |_| &self.all[..self.all.len() - 1]));
    }

    /// Lets this thread use every core.
    pub(super) fn use_all(&self) {
        pin(&self.all);
    }

    /// Describes the sharing for the report.
    pub(super) fn describe(&self) -> String {
        self.mix().map_or_else(
            || "mix and tool share one core: rates are those of both together".to_owned(),
            |core| {
                let others: Vec<_> =
                    self.all[..self.all.len() - 1].iter().map(ToString::to_string).collect();
                format!("mix on core {core} alone, tool on core {}", others.join(", "))
            },
        )
    }
}

/// A system that refuses leaves the thread where it was; the report then shows a lower rate.
fn pin(cores: &[usize]) {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    if !cores.is_empty() {
        let _ = sched_setaffinity(None, &set);
    }
}
