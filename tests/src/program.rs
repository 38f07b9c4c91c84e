//! The programs under test, as files to run.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The path of one of the workspace's programs, in the profile of the running test.
///
/// Cargo builds the programs of other packages only when asked to. All are asked for together, so
/// that dependencies have the features that they have for the tests, and are not built twice.
///
/// # Panics
/// The programs do not build.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--workspace", "--bins"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let target = folder.parent().expect("profiles lie in the target directory");
    let built = cargo.env("CARGO_TARGET_DIR", target).status().expect("cargo runs");
    assert!(built.success(), "the programs do not build");
    folder.to_owned()
}
