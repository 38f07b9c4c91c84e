//! A daemon among the troubles of a machine: commands hear of them in a sentence, and wait for none
//! without end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rohrpost_client::Content;
use serde_json::Value;

use super::desk::{Daemon, Desk, code, errors};

#[test]
fn a_daemon_that_was_stopped_is_told_and_not_waited_for() {
    let desk = Desk::new("stopped", &[]);
    let daemon = desk.daemon();
    daemon.signal("STOP");
    let output = desk.run(&["contacts"]);
    assert_eq!(code(&output), 75, "{}", errors(&output));
    assert!(errors(&output).contains("has not answered"), "{}", errors(&output));
    daemon.signal("CONT");
    desk.done(&["contacts"]);
}

#[test]
fn what_is_no_daemon_at_its_socket_is_told() {
    let answers: [(&[u8], &str); 3] = [
        (b"", "has not answered"),
        (b"HTTP/1.1 400 Bad Request\r\n", "not a daemon of this version"),
        (b"{\"hello\":", "has not answered"),
    ];
    let desk = Desk::new("foreign", &[]);
    for (answer, words) in answers {
        let socket = desk.path("alice/daemon.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let run = desk.command(&["contacts"]).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(answer).unwrap();
        let output = run.wait_with_output().unwrap();
        assert_eq!(code(&output), 75, "{}", errors(&output));
        assert!(errors(&output).contains(words), "{}", errors(&output));
        fs::remove_file(socket).unwrap();
    }
}

#[test]
fn programs_that_say_nothing_keep_no_command_out() {
    let desk = Desk::new("idle", &[]);
    let _daemon = desk.daemon();
    let _idle = desk.idle(40);
    desk.done(&["contacts"]);
}

#[test]
fn a_daemon_without_descriptors_goes_on() {
    let desk = Desk::new("descriptors", &[]);
    let mut daemon = Daemon::start(desk.limited("ulimit -n 24", &["daemon"]));
    let idle = desk.idle(20);
    desk.done(&["contacts"]);
    drop(idle);
    desk.done(&["contacts"]);
    assert!(daemon.child.try_wait().unwrap().is_none());
}

/// The daemon cannot say yet that it is ready, for nobody reads what it prints; but it is.
#[test]
fn a_daemon_that_says_ready_can_be_reached() {
    let desk = Desk::new("ready", &[]);
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b' '; PIPE]).unwrap();
    let child = desk.command(&["daemon"]).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    let mut daemon = Daemon::of(child);
    let limit = Instant::now() + Duration::from_secs(60);
    while UnixStream::connect(desk.path("alice/daemon.sock")).is_err() {
        assert!(daemon.child.try_wait().unwrap().is_none() && Instant::now() < limit);
    }
    reader.read_exact(&mut [0; PIPE]).unwrap();
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    assert!(line.contains("ready"), "{line}");
}

#[test]
fn a_home_too_deep_for_a_socket_is_told_before_the_daemon_is_ready() {
    let desk = Desk::new("deep", &[]);
    let home = "h".repeat(110);
    fs::rename(desk.path("alice"), desk.path(&home)).unwrap();
    let output = desk.command_at(&home, &["daemon"]).output().unwrap();
    assert_eq!(code(&output), 73, "{}", errors(&output));
    assert!(errors(&output).contains("107"), "{}", errors(&output));
    assert!(output.stdout.is_empty());
    let output = desk.command_at(&home, &["contacts"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", errors(&output));
}

#[test]
fn a_daemon_whose_terminal_closes_ends_in_order() {
    let desk = Desk::new("hangup", &[]);
    let mut daemon = desk.daemon();
    daemon.signal("HUP");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    assert!(!desk.path("alice/daemon.sock").exists());
}

#[test]
fn a_daemon_that_is_to_outlive_its_terminal_does() {
    let desk = Desk::new("nohup", &[]);
    let daemon = Daemon::start(desk.limited("trap '' HUP", &["daemon"]));
    daemon.signal("HUP");
    desk.done(&["contacts"]);
    assert!(desk.path("alice/daemon.sock").exists());
}

#[test]
fn a_backup_that_cannot_be_written_says_so_with_and_without_a_daemon() {
    let desk = Desk::new("backup", &[Content::text("x")]);
    fs::write(desk.path("there"), "").unwrap();
    let refused = || {
        for (file, word) in [("there", "exists already"), ("nodir/x", "nodir does not exist")] {
            let output = desk.run(&["backup", file]);
            assert_eq!(code(&output), 73, "{}", errors(&output));
            assert!(errors(&output).contains(word), "{}", errors(&output));
        }
    };
    refused();
    let _daemon = desk.daemon();
    refused();
    desk.done(&["backup", "new"]);
}

#[test]
fn who_waits_for_a_message_hears_that_its_contact_is_gone() {
    for gone in ["remove", "block"] {
        let desk = Desk::new(gone, &[]);
        let _daemon = desk.daemon();
        let mut send = desk.command(&["--json", "send", "--wait", "bob", "hello"]);
        let send = send.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let accepted = || {
            let status = desk.run(&["--json", "status"]).stdout;
            let status: Value = serde_json::from_slice(&status).unwrap();
            status["status"]["queued"] == 1
        };
        while !accepted() {}
        desk.done(&[gone, "bob"]);
        let output = send.wait_with_output().unwrap();
        assert_eq!(code(&output), 75, "{}", errors(&output));
        assert!(errors(&output).contains("blocked or removed"), "{}", errors(&output));
        let last: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&last["status"], &last["to"]), (&"undeliverable".into(), &"bob".into()));
    }
}

#[test]
fn who_waits_for_a_message_hears_that_it_was_cancelled() {
    let desk = Desk::new("cancel", &[]);
    let _daemon = desk.daemon();
    let mut send = desk.command(&["--json", "send", "--wait", "bob", "hello"]);
    let send = send.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let accepted = || {
        let status = desk.run(&["--json", "status"]).stdout;
        let status: Value = serde_json::from_slice(&status).unwrap();
        status["status"]["messages"][0]["message"].as_str().map(str::to_owned)
    };
    let id = loop {
        if let Some(id) = accepted() {
            break id;
        }
    };
    assert!(desk.done(&["status", &id]).contains("queued"));
    assert!(desk.done(&["cancel", &id[..8]]).contains("cancelled"));
    let output = send.wait_with_output().unwrap();
    assert_eq!(code(&output), 75, "{}", errors(&output));
    assert!(errors(&output).contains("cancelled"), "{}", errors(&output));
    let last: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(last["status"], "cancelled");
    assert_eq!(code(&desk.run(&["cancel", &id])), 65, "it is over");
    assert_eq!(code(&desk.run(&["status", "0123456789abcdef"])), 66);
}

/// Checks that the socket for programs has its mode, refuses what is the user's, and goes with the
/// daemon.
#[test]
fn programs_have_a_socket_of_their_own() {
    let desk = Desk::new("programs", &[Content::text("x")]);
    let socket = desk.path("programs.sock");
    let mut daemon =
        Daemon::start(desk.command(&["daemon", "--program-socket", socket.to_str().unwrap()]));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let mut program = BufReader::new(UnixStream::connect(&socket).unwrap());
    let mut ask = |request: &str| -> Value {
        let stream = program.get_mut();
        writeln!(stream, "{{\"id\":1,\"request\":{request}}}").unwrap();
        let mut line = String::new();
        while !line.contains("\"id\":1") {
            line.clear();
            program.read_line(&mut line).unwrap();
        }
        serde_json::from_str(&line).unwrap()
    };
    let inbox = ask("{\"inbox\":{\"with_text\":true}}");
    assert_eq!(inbox["response"]["response"]["inbox"][0]["text"], "x");
    let refused = ask("{\"remove\":{\"name\":\"bob\"}}");
    assert_eq!(refused["error"]["error"]["code"], "denied");
    assert!(desk.done(&["contacts"]).contains("bob"));
    daemon.signal("TERM");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    assert!(!socket.exists() && !desk.path("alice/daemon.sock").exists());
}

/// Checks that a name by which somebody else was called is taken only where that is asked for.
#[test]
fn a_name_of_before_is_used_again_if_asked_for() {
    let desk = Desk::new("names-again", &[]);
    fs::write(desk.path("card"), desk.done(&["card"])).unwrap();
    desk.done(&["remove", "bob"]);
    let output = desk.run(&["add", "bob", "card"]);
    assert_eq!(code(&output), 65, "{}", errors(&output));
    assert!(errors(&output).contains("--reuse-name"), "{}", errors(&output));
    desk.done(&["add", "--reuse-name", "bob", "card"]);
}

#[test]
fn no_core_is_dumped_of_a_daemon() {
    let desk = Desk::new("core", &[]);
    let daemon = Daemon::start(desk.limited("ulimit -c 1000", &["daemon"]));
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert!(line.split_whitespace().filter(|word| *word == "0").count() == 2, "{line}");
}

#[test]
fn a_client_that_is_not_made_leaves_no_key_file() {
    let desk = Desk::new("init", &[]);
    let init = |home: &str| {
        let mut command = super::program();
        command.arg("--network").arg(desk.path("network")).arg("--home").arg(desk.path(home));
        command.arg("--key-file").arg(desk.path("new.key")).arg("init").output().unwrap()
    };
    let output = init("alice");
    assert_eq!(code(&output), 73, "{}", errors(&output));
    assert!(!desk.path("new.key").exists());
    // One that was there stays.
    desk.write_secret("new.key", &"0a".repeat(32));
    assert_eq!(code(&init("alice")), 73);
    assert!(desk.path("new.key").exists());
}

#[test]
fn a_home_is_its_users_whatever_mask_the_system_sets() {
    let desk = Desk::new("mask", &[]);
    desk.done(&["backup", "saved"]);
    for mask in ["000", "777"] {
        let home = format!("home-{mask}");
        let restore = desk.limited_at(&home, &format!("umask {mask}"), &["restore", "saved"]);
        let output = { restore }.output().unwrap();
        assert_eq!(code(&output), 0, "{}", errors(&output));
        let mode = |path| fs::metadata(desk.path(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&*home), 0o700);
        assert_eq!(mode(&*format!("{home}/store.vault")), 0o600);
    }
}

/// Checks that a daemon whose store can grow no more for a while says so, lets what is there be read
/// meanwhile, and goes on by itself afterwards.
#[test]
fn a_daemon_gets_over_a_disk_that_failed() {
    let desk = Desk::new("failed-disk", &[]);
    let kibibytes = fs::metadata(desk.path("alice/store.vault")).unwrap().len() / 1024 + 256;
    let limits = format!("trap '' XFSZ; ulimit -S -f {kibibytes}");
    let daemon = Daemon::start(desk.limited(&limits, &["daemon"]));
    let pid = daemon.child.id().to_string();
    gets_over(&desk, "alice", || {
        let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
        assert!(lifted.unwrap().success());
    });
    drop(daemon);
}

/// The same on a real disk that is full, where the test may mount one.
#[test]
fn a_daemon_gets_over_a_disk_that_was_full() {
    let desk = Desk::new("full-disk", &[]);
    let disk = desk.path("disk");
    fs::create_dir(&disk).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "none"]).arg(&disk);
    if !mount.status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: a disk that is full needs the right to mount one");
        return;
    }
    let _mounted = Mounted(disk.clone());
    fs::copy(desk.path("alice/store.vault"), disk.join("store.vault")).unwrap();
    let daemon = Daemon::start(desk.command_at("disk", &["daemon"]));
    let filling = File::create(disk.join("filling")).unwrap();
    while (&filling).write(&[1; 4096]).is_ok_and(|written| written > 0) {}
    drop(filling);
    gets_over(&desk, "disk", || fs::remove_file(disk.join("filling")).unwrap());
    drop(daemon);
}

/// A daemon that has no room meets with a message, and is given room.
fn gets_over(desk: &Desk, home: &str, make_room: impl FnOnce()) {
    fs::write(desk.path("file"), vec![7; 2 << 20]).unwrap();
    let run = |arguments: &[&str]| desk.command_at(home, arguments).output().unwrap();
    let output = run(&["send", "bob", "--queue", "--file", "file"]);
    assert_eq!(code(&output), 71, "{}", errors(&output));
    let status = || String::from_utf8(run(&["status"]).stdout).unwrap();
    assert!(status().contains("off the network"), "it says so");
    assert_eq!(code(&run(&["contacts"])), 0, "what is there can be read");
    make_room();
    let limit = Instant::now() + Duration::from_secs(120);
    loop {
        let status = status();
        if !status.contains("off the network") {
            break;
        }
        assert!(Instant::now() < limit, "it goes on by itself, but: {status}");
    }
    let output = run(&["send", "bob", "--queue", "--file", "file"]);
    assert_eq!(code(&output), 0, "{}", errors(&output));
}

/// A mounted disk, which goes with the test.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Bytes that a pipe of Linux holds.
const PIPE: usize = 65536;
