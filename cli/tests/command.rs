//! The command from outside, as far as it needs no network: what it prints, and its exit codes.

use std::process::{Command, Output};

fn rohrpost(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rohrpost"));
    for variable in ["NETWORK", "HOME", "KEY_FILE", "PASSPHRASE_FILE"] {
        command.env_remove(format!("ROHRPOST_{variable}"));
    }
    command.args(arguments).output().expect("rohrpost runs")
}

#[test]
fn a_command_without_a_place_says_what_to_give() {
    for (arguments, option) in
        [(&["status"][..], "--home"), (&["--home", "/nonexistent", "status"][..], "--network")]
    {
        let output = rohrpost(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{errors}");
        assert!(output.stdout.is_empty() && errors.contains(option), "{errors}");
    }
}

#[test]
fn a_home_is_not_wiped_unasked() {
    let output = rohrpost(&["--home", "/nonexistent", "wipe"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{errors}");
    assert!(errors.contains("--yes"), "{errors}");
    let output = rohrpost(&["--home", "/nonexistent", "wipe", "--yes"]);
    assert_eq!(output.status.code(), Some(66), "there is nothing to wipe");
}

#[test]
fn completions_know_every_command() {
    let output = rohrpost(&["completions", "bash"]);
    let script = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    for command in ["init", "card", "add", "send", "inbox", "status", "daemon", "wipe"] {
        assert!(script.contains(command), "{command}");
    }
}
