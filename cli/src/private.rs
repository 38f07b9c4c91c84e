//! What the process keeps from others on its machine whatever the system's settings are.

/// Keeps what the process makes for its user alone: its files and socket from their first moment on,
/// and its memory, with keys and texts in it.
///
/// No core is dumped of it: a panic ends a release build by a signal that makes a dump. Where the
/// system hands dumps to a program no limit counts, but being no process to dump does. A sandbox
/// that refuses this has its own rule.
pub(crate) fn keep_private() {
    #[cfg(unix)]
    {
        use rustix::fs::Mode;
        use rustix::process::{Resource, Rlimit, setrlimit, umask};
        umask(Mode::RWXG | Mode::RWXO);
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn no_core_dump_is_made_of_this_process() {
        super::keep_private();
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
