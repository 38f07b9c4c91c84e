//! The first message through real processes: what `cargo localnet --once` does for a new user.

mod process;
mod refusals;
mod usage;
mod walk;
mod wire;

use std::process::Command;

use process::{localnet, scratch};
use tempfile::TempDir;

fn a_file_arrives(suite: &str, len: usize) {
    let scratch = scratch(&format!("localnet-{suite}"));
    let (message, received) = (scratch.path().join("message"), scratch.path().join("received"));
    let bytes: Vec<u8> = (0..len).map(|_| rand::random()).collect();
    std::fs::write(&message, &bytes).expect("the scratch directory is writable");
    let output = localnet()
        // Its own directory for the network's files, so that other networks on this machine are not
        // taken for what this one has left behind.
        .env("TMPDIR", scratch.path())
        .args(["--once", "--json", "--suite", suite, "--message"])
        .arg(&message)
        .arg("--received")
        .arg(&received)
        .output()
        .expect("rohrpost-ops runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(std::fs::read(&received).expect("bob has received"), bytes);
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("one JSON object on standard output");
    assert_eq!(report["suite"], suite);
    assert_eq!(report["bytes"], len);
    assert_eq!(report["sent"]["nodes"].as_array().map(Vec::len), Some(4));
    assert_eq!(report["arrived"]["nodes"].as_array().map(Vec::len), Some(4));
    assert_eq!(report["saw"].as_object().map(serde_json::Map::len), Some(10));
    nothing_is_left(&scratch);
}

/// Asserts that no process is left that was started with a file in this directory, and no file but
/// the test's own two.
fn nothing_is_left(scratch: &TempDir) {
    if let Ok(left) = Command::new("pgrep").arg("-f").arg(scratch.path()).output() {
        assert!(left.stdout.is_empty(), "processes are left: {left:?}");
    }
    let entries = std::fs::read_dir(scratch.path()).expect("the scratch directory is there");
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort();
    assert_eq!(names, ["message", "received"]);
}

/// The suites run one after the other: ten processes with cover on are enough for two cores.
#[test]
fn a_file_arrives_byte_for_byte_in_both_suites_and_nothing_is_left_behind() {
    a_file_arrives("classic", 800);
    a_file_arrives("hybrid", 6000);
}

#[test]
fn a_message_longer_than_an_envelope_is_refused_with_the_limit() {
    let scratch = scratch("too-long");
    let message = scratch.path().join("message");
    std::fs::write(&message, [0; 7000]).expect("the scratch directory is writable");
    let output =
        localnet().args(["--once", "--message"]).arg(&message).output().expect("rohrpost-ops runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{errors}");
    assert!(errors.contains("7000") && errors.contains("6214"), "{errors}");
}

#[test]
fn a_port_in_use_ends_the_start_and_is_named() {
    let held = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = held.local_addr().expect("the socket is bound").port().to_string();
    let output = localnet().args(["--once", "--port", &port]).output().expect("rohrpost-ops runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&port) && errors.contains("in use"), "{errors}");
}
