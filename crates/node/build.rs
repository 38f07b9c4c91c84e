//! Names the revision that a binary was built from, for `--version` and the metrics.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=ROHRPOST_REVISION");
    println!("cargo::rerun-if-changed=build.rs");
    let given = std::env::var("ROHRPOST_REVISION").ok();
    let revision = given.or_else(from_git).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=ROHRPOST_REVISION={revision}");
}

/// Packages build without a repository and set the variable instead.
fn from_git() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
