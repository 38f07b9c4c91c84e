//! A real mix node between the neighbours that the load generator plays.

use std::path::Path;
use std::process::Command;

use rohrpost_tests::program;
use serde_json::{Value, json};

/// Measures a mix, and gives the exit code and the report.
fn measure(suite: &str, measurement: &[&str]) -> (Option<i32>, Value) {
    let name = format!("rohrpost-mix-{}-{suite}-{}", measurement[0], std::process::id());
    let scratch = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&scratch).expect("the temporary directory is writable");
    let output = Command::new(program("rohrpost-loadgen"))
        .env("TMPDIR", &scratch)
        .args(["mix", "--suite", suite, "--json"])
        .args(measurement)
        .output()
        .expect("rohrpost-loadgen runs");
    let (code, errors) = (output.status.code(), String::from_utf8_lossy(&output.stderr));
    assert!(matches!(code, Some(0 | 1)), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["suite"], suite);
    nothing_is_left(&scratch);
    (code, report)
}

/// Sends 400 packets through a mix. Nothing is asked here about the distribution of the delays: it
/// depends on what else the machine does.
fn all_come_out(suite: &str) {
    let (_, report) = measure(suite, &["delays", "--packets", "400", "--rate", "100"]);
    assert_eq!(report["sent"], 400, "{report}");
    assert_eq!(report["arrived"], 400, "{report}");
    assert_eq!(report["misrouted"], 0, "{report}");
    let by_successor = report["by_successor"].as_object().expect("counts by node");
    let counts: Vec<_> = by_successor.values().filter_map(Value::as_u64).collect();
    assert_eq!(counts, [200, 200], "packets go to the successors in turn");
}

/// Sends 60 packets, and sends them again, before and after the mix is started anew.
fn none_passes_twice(suite: &str) {
    let (code, report) = measure(suite, &["replay", "--packets", "60"]);
    let passed = json!({ "arrived": 60, "dropped": {} });
    let dropped = |reason: &str| json!({ "arrived": 0, "dropped": { reason: 60 } });
    assert_eq!(report["first"], passed, "{report}");
    assert_eq!(report["again"], dropped("replay"), "{report}");
    assert_eq!(report["after_restart"], dropped("generation"), "{report}");
    assert_eq!(report["renamed"], dropped("header"), "{report}");
    assert_eq!(report["fresh"], passed, "{report}");
    assert_eq!(code, Some(0), "{report}");
}

fn nothing_is_left(scratch: &Path) {
    let left = std::fs::read_dir(scratch).expect("the directory is there").count();
    assert_eq!(left, 0, "the tool removes its files");
    std::fs::remove_dir(scratch).expect("the directory is empty");
}

#[test]
fn packets_of_both_suites_come_out_at_the_successor_of_their_route() {
    all_come_out("classic");
    all_come_out("hybrid");
}

#[test]
fn packets_recorded_before_a_restart_pass_neither_before_nor_after_it() {
    none_passes_twice("classic");
    none_passes_twice("hybrid");
}
