//! Finding and running the program under test.

use std::path::Path;
use std::process::Command;

use rohrpost_tests::program;
use tempfile::TempDir;

/// `rohrpost-ops localnet`, built if need be.
pub(crate) fn localnet() -> Command {
    let mut command = Command::new(program("rohrpost-ops"));
    command.arg("localnet");
    command
}

/// `rohrpost-adversary`, built if need be.
pub(crate) fn adversary() -> Command {
    Command::new(program("rohrpost-adversary"))
}

/// `rohrpost-ops node ROLE FILE`: what a child of the local network runs.
pub(crate) fn node(role: &str, configuration: &Path) -> Command {
    let mut command = Command::new(program("rohrpost-ops"));
    command.args(["node", role]).arg(configuration);
    command
}

/// A directory that is removed at the end of a test.
pub(crate) fn scratch(name: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("rohrpost-{name}-"))
        .tempdir()
        .expect("the temporary directory is writable")
}
