//! Finding and running the program under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `rohrpost-ops localnet`, built if need be.
pub(crate) fn localnet() -> Command {
    let mut command = Command::new(ops());
    command.arg("localnet");
    command
}

/// `rohrpost-loadgen`, built if need be.
pub(crate) fn loadgen() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    Command::new(PROGRAM.get_or_init(|| build("rohrpost-loadgen")))
}

/// `rohrpost-ops node ROLE FILE`: what a child of the local network runs.
pub(crate) fn node(role: &str, configuration: &Path) -> Command {
    let mut command = Command::new(ops());
    command.args(["node", role]).arg(configuration);
    command
}

fn ops() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build("rohrpost-ops"))
}

/// Cargo builds the programs of other packages only when asked to; built already, this is quick.
fn build(program: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--package", program]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let target = folder.parent().expect("profiles lie in the target directory");
    let built = cargo.env("CARGO_TARGET_DIR", target).status().expect("cargo runs");
    assert!(built.success(), "{program} does not build");
    folder.join(program)
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
