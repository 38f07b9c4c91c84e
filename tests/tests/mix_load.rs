//! A real mix node between the neighbours that the load generator plays.

use std::path::Path;
use std::process::Command;

use rohrpost_tests::program;
use serde_json::Value;

/// Sends 400 packets through a mix. Nothing is asked here about the distribution of the delays: it
/// depends on what else the machine does.
fn all_come_out(suite: &str) {
    let scratch =
        std::env::temp_dir().join(format!("rohrpost-mix-load-{suite}-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("the temporary directory is writable");
    let output = Command::new(program("rohrpost-loadgen"))
        .env("TMPDIR", &scratch)
        .args(["mix", "--suite", suite, "--json", "delays", "--packets", "400", "--rate", "100"])
        .output()
        .expect("rohrpost-loadgen runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["suite"], suite);
    assert_eq!(report["sent"], 400, "{report}");
    assert_eq!(report["arrived"], 400, "{report}");
    assert_eq!(report["misrouted"], 0, "{report}");
    let by_successor = report["by_successor"].as_object().expect("counts by node");
    let counts: Vec<_> = by_successor.values().filter_map(Value::as_u64).collect();
    assert_eq!(counts, [200, 200], "packets go to the successors in turn");
    nothing_is_left(&scratch);
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
