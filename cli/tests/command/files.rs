//! Files that are sent through a daemon: it reads them itself, and is given the bytes of those that it
//! cannot read.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use rohrpost_client::{Content, Store};

use super::desk::{Desk, code, errors};
use super::world::{network, unlock};

/// The newest file of the outbox: its name, and its bytes as they are in the store.
fn newest(desk: &Desk) -> (String, Vec<u8>) {
    let store = Store::open(&desk.path("alice"), &unlock(), &network()).unwrap();
    let newest = store.outbox().unwrap().pop().unwrap();
    let len = usize::try_from(newest.body_len()).unwrap();
    let body = store.piece(newest.id, 0, len).unwrap().unwrap();
    let Content::File { name, bytes } = Content::decode(&body) else { unreachable!("no file") };
    (name, bytes.to_vec())
}

/// Stands between the command and a daemon, for which no file is where the command says.
fn stand_between(home: &Path) {
    let (socket, real) = (home.join("daemon.sock"), home.join("real.sock"));
    fs::rename(&socket, &real).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        let (command, _) = listener.accept().unwrap();
        let daemon = UnixStream::connect(&real).unwrap();
        let (mut from, mut to) = (daemon.try_clone().unwrap(), command.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from, &mut to));
        for line in BufReader::new(command).lines() {
            let line = line.unwrap().replace("/report.pdf\"", "/gone\"");
            (&daemon).write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        let _ = daemon.shutdown(Shutdown::Both);
    });
}

#[test]
fn a_file_is_sent_whole_by_its_path_by_a_link_and_from_a_pipe() {
    let desk = Desk::new("by-path", &[]);
    let bytes: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    fs::write(desk.path("report.pdf"), &bytes).unwrap();
    std::os::unix::fs::symlink("report.pdf", desk.path("link.pdf")).unwrap();
    for (file, name) in [("report.pdf", "report.pdf"), ("./link.pdf", "link.pdf")] {
        let daemon = desk.daemon();
        desk.done(&["send", "bob", "--file", file]);
        drop(daemon);
        assert!(newest(&desk) == (name.to_owned(), bytes.clone()), "{file}");
    }
    let daemon = desk.daemon();
    let mut command = desk.command(&["send", "bob", "--file", "-", "--file-name", "piped"]);
    let mut run = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    run.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", errors(&output));
    drop(daemon);
    assert!(newest(&desk) == ("piped".to_owned(), bytes));
}

/// Checks that a file which the daemon cannot read, as one that serves another user's files or is shut
/// off from them, is sent all the same, and that the command says what it does.
#[test]
fn a_file_that_the_daemon_cannot_read_is_given_to_it() {
    let desk = Desk::new("unreadable", &[]);
    fs::write(desk.path("report.pdf"), b"%PDF-1").unwrap();
    let daemon = desk.daemon();
    stand_between(&desk.path("alice"));
    let output = desk.run(&["send", "bob", "--file", "report.pdf"]);
    assert_eq!(code(&output), 0, "{}", errors(&output));
    let said = errors(&output);
    assert!(said.contains("cannot read the file itself") && said.contains("/gone"), "{said}");
    drop(daemon);
    fs::remove_file(desk.path("alice/daemon.sock")).unwrap();
    assert!(newest(&desk) == ("report.pdf".to_owned(), b"%PDF-1".to_vec()));
}

/// Checks that a daemon which takes a file of the greatest length has little of it in memory at any
/// time: less than 60 MiB are resident, the program itself among them.
#[test]
fn a_daemon_that_takes_a_large_file_stays_small() {
    let desk = Desk::new("small", &[]);
    let bytes: Vec<u8> = (0..=250).cycle().take((16 << 20) - 300).collect();
    fs::write(desk.path("report.pdf"), &bytes).unwrap();
    let daemon = desk.daemon();
    let before = highest_memory(daemon.child.id());
    for _ in 0..3 {
        desk.done(&["send", "bob", "--file", "report.pdf"]);
    }
    let after = highest_memory(daemon.child.id());
    assert!(after < 60 << 20, "{before} bytes before, {after} after");
}

/// Most bytes that were resident in a process.
fn highest_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}
