//! Names the revision that a binary was built from, for `--version` and the metrics.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=ROHRPOST_REVISION");
    println!("cargo::rerun-if-changed=build.rs");
    // Changes with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let given = std::env::var("ROHRPOST_REVISION").ok();
    // Packages build without a repository and set the variable instead.
    let revision = given.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let revision = revision.unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=ROHRPOST_REVISION={revision}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
