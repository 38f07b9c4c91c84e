//! The load generator as a process, on a local network of its own.

use std::path::Path;
use std::process::Command;

use rohrpost_tests::program;

fn left_in(directory: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect()
}

/// Four clients write a message each every two seconds. Times are not looked at: the machine may be
/// busy.
#[test]
fn a_handful_of_clients_loses_nothing_and_leaves_nothing_behind() {
    let directory = std::env::temp_dir().join(format!("rohrpost-load-test-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("the temporary directory is writable");
    let output = Command::new(program("rohrpost-loadgen"))
        .env("TMPDIR", &directory)
        .args(["run", "--localnet", "--suite", "classic", "--clients", "4", "--duration", "5s"])
        .args(["--rate", "0.5", "--drain", "120s", "--seed", "1", "--json"])
        .output()
        .expect("rohrpost-loadgen runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("one JSON object on standard output");
    let sent = report["sent"].as_u64().expect("a number");
    // Five seconds hold two or three periods of each client's timetable.
    assert!((8..=12).contains(&sent), "{report}");
    assert_eq!(report["arrived"], sent, "{report}");
    assert_eq!(report["lost"].as_array().map(Vec::len), Some(0));
    assert_eq!((&report["damaged"], &report["duplicates"]), (&0.into(), &0.into()));
    assert_eq!(report["nodes"].as_array().map(Vec::len), Some(10));
    for node in report["nodes"].as_array().expect("a list") {
        assert!(node["packets_in"].as_f64().is_some_and(|packets| packets > 0.0), "{node}");
    }
    assert!(report["beyond_drawn"]["pulls"].as_u64().is_some_and(|pulls| pulls > 0), "{report}");
    assert_eq!(left_in(&directory), Vec::<std::ffi::OsString>::new());
    std::fs::remove_dir_all(&directory).expect("it is empty");
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_starts() {
    let program = program("rohrpost-loadgen");
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let output = Command::new(&program).arg("run").args(arguments).output();
        let output = output.expect("rohrpost-loadgen runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(words), "{errors}");
    };
    refused(&["--clients", "3"], 64, "even number");
    refused(&["--rate", "0"], 64, "--rate 0");
    refused(&["--message-bytes", "5"], 64, "--message-bytes 5");
    refused(&["--network", "/nonexistent"], 69, "trust.toml");
}
