//! The command from outside, as far as it needs no network: what it prints and writes, and its exit
//! codes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(target_os = "linux")]
mod card;
#[cfg(target_os = "linux")]
mod conversation;
#[cfg(target_os = "linux")]
mod daemon;
#[cfg(target_os = "linux")]
mod desk;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod input;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod place;
#[cfg(target_os = "linux")]
mod reports;
#[cfg(target_os = "linux")]
mod service;
#[cfg(target_os = "linux")]
mod silence;
#[cfg(target_os = "linux")]
#[path = "../../../client/tests/store/world.rs"]
#[expect(dead_code, reason = "the world has more than the command line needs")]
mod world;

use std::process::{Command, Output};

/// The command without the settings of whoever runs the tests: neither of their environment nor in
/// their home directory.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rohrpost"));
    for variable in ["NETWORK", "HOME", "KEY_FILE", "PASSPHRASE_FILE"] {
        command.env_remove(format!("ROHRPOST_{variable}"));
    }
    for variable in ["CONFIG", "DATA"] {
        command.env_remove(format!("XDG_{variable}_HOME"));
    }
    command.env("HOME", "/nonexistent");
    command
}

fn rohrpost(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

#[test]
fn a_command_without_a_place_says_what_to_give() {
    for (home, words) in [("relative", "--home"), ("/nonexistent", "rohrpost network install")] {
        let output = program().env("HOME", home).arg("status").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{errors}");
        assert!(output.stdout.is_empty() && errors.contains(words), "{errors}");
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

#[test]
fn man_pages_know_every_command() {
    let folder = std::env::temp_dir().join(format!("rohrpost-man-{}", std::process::id()));
    let output = rohrpost(&["man", folder.to_str().unwrap()]);
    assert!(output.status.success());
    for page in ["rohrpost", "rohrpost-send", "rohrpost-network-install", "rohrpost-service"] {
        let text = std::fs::read_to_string(folder.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let page = rohrpost(&["man"]).stdout;
    assert!(String::from_utf8(page).unwrap().contains("Exit codes"));
}

#[test]
fn wrong_usage_has_the_code_that_the_help_says() {
    let lines: [&[&str]; 6] = [
        &["sned"],
        &["--nope"],
        &["send"],
        &["inbox", "--wait", "x"],
        &["send", "bob", "--expires", "1y2q", "x"],
        &[],
    ];
    for arguments in lines {
        let output = rohrpost(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [["--help"], ["--version"]] {
        let output = rohrpost(&arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
}
