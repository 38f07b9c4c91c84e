//! The unit of the daemon: its words, its place, and that systemd takes it.

use std::fs;
use std::process::Command;

use super::desk::{Desk, code, errors};
use super::program;

/// The command of a user whose home directory is `user` on the desk, and whose systemd is not found.
fn user(desk: &Desk, arguments: &[&str]) -> Command {
    let mut command = program();
    command.current_dir(desk.path("")).env("HOME", desk.path("user")).env("PATH", "/nonexistent");
    command.args(arguments);
    command
}

#[test]
fn a_service_is_installed_shown_and_removed() {
    let desk = Desk::new("service", &[]);
    let place = ["--home", "a b/100%$x", "--passphrase-file", "passphrase"];
    let run = |words: &[&str]| user(&desk, &[&place, words].concat()).output().unwrap();
    assert_eq!(code(&run(&["service", "remove"])), 66);
    let hook = ["--exec", "notify-send \"$ROHRPOST_CONTACT\" '50%'"];
    let installed = run(&[&["service", "install"], &hook[..]].concat());
    assert_eq!(code(&installed), 0, "{}", errors(&installed));
    let said = String::from_utf8(installed.stdout).unwrap();
    assert!(said.contains("systemctl --user enable --now rohrpost.service"), "{said}");
    let file = desk.path("user/.config/systemd/user/rohrpost.service");
    let unit = fs::read_to_string(&file).unwrap();
    let line = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    let home = format!("--home \"{}/100%%$$x\" ", desk.path("a b").display());
    assert!(line.contains(&home), "{line}");
    assert!(
        line.ends_with(" daemon --exec \"notify-send \\\"$$ROHRPOST_CONTACT\\\" '50%%'\""),
        "{line}"
    );
    for words in ["Restart=on-failure", "RestartPreventExitStatus=64 66 73 76 77 78", "UMask=0077"]
    {
        assert!(unit.contains(words), "{unit}");
    }
    assert_eq!(String::from_utf8(run(&["service", "show"]).stdout).unwrap(), unit);
    verify(&desk, &unit);
    assert_eq!(code(&run(&["service", "install"])), 0, "a newer one takes its place");
    assert!(!fs::read_to_string(&file).unwrap().contains("--exec"));
    assert_eq!(code(&run(&["service", "remove"])), 0);
    assert!(!file.exists());
}

#[test]
fn a_service_that_would_have_to_ask_is_refused() {
    let desk = Desk::new("ask", &[]);
    let output = user(&desk, &["--home", "alice", "service", "install"]).output().unwrap();
    assert_eq!(code(&output), 64, "{}", errors(&output));
    assert!(errors(&output).contains("--key-file"), "{}", errors(&output));
    assert!(!desk.path("user").exists());
}

/// Has systemd read the unit, where there is one. It remarks on what it does not know.
fn verify(desk: &Desk, unit: &str) {
    fs::write(desk.path("rohrpost.service"), unit).unwrap();
    let mut systemd = Command::new("systemd-analyze");
    systemd.args(["verify", "--man=no"]).arg(desk.path("rohrpost.service"));
    if let Ok(verified) = systemd.output() {
        assert!(verified.status.success() && verified.stderr.is_empty(), "{}", errors(&verified));
    }
}
