//! What the tool reads, it reads to a limit.
#![cfg(target_os = "linux")]

use std::process::Command;

#[test]
fn a_message_without_end_is_refused_with_the_limit() {
    let tool = env!("CARGO_BIN_EXE_rohrpost-ops");
    let line = format!("ulimit -v 1000000; exec {tool} localnet --once --message /dev/zero");
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{errors}");
    assert!(errors.contains("holds 6214"), "{errors}");
}
