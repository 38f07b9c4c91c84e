//! Finding and running the program under test.

use std::path::{Path, PathBuf};
use std::process::Command;

use rohrpost_tests::program;

/// `rohrpost-ops localnet`, built if need be.
pub(crate) fn localnet() -> Command {
    let mut command = Command::new(program("rohrpost-ops"));
    command.arg("localnet");
    command
}

/// `rohrpost-loadgen`, built if need be.
pub(crate) fn loadgen() -> Command {
    Command::new(program("rohrpost-loadgen"))
}

/// `rohrpost-ops node ROLE FILE`: what a child of the local network runs.
pub(crate) fn node(role: &str, configuration: &Path) -> Command {
    let mut command = Command::new(program("rohrpost-ops"));
    command.args(["node", role]).arg(configuration);
    command
}

/// A directory that is removed at the end of a test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rohrpost-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
