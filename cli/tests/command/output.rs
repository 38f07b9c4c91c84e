//! What is printed or saved is there, or the command says that it is not; and a message that nobody
//! got is not marked as read.

use std::fs::{self, File};

use rohrpost_client::Content;
use serde_json::Value;

use super::desk::{Desk, code, errors};

fn file(name: &str, bytes: &[u8]) -> Content {
    Content::file(name, bytes.to_vec().into())
}

/// Names of a directory's entries.
fn entries(desk: &Desk, directory: &str) -> Vec<String> {
    let entries = fs::read_dir(desk.path(directory)).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_cannot_be_printed_is_an_error_and_stays_unread() {
    let desk = Desk::new("full", &[Content::text("hello"), file("a.bin", b"bytes")]);
    let commands: [&[&str]; 10] = [
        &["read", "0"],
        &["read", "0", "-o", "-"],
        &["--json", "read", "1"],
        &["read", "1", "-o", "-"],
        &["card"],
        &["contacts"],
        &["inbox", "--all", "--wait", "0"],
        &["--json", "status", "--offline"],
        &["completions", "bash"],
        &["--help"],
    ];
    for arguments in commands {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = desk.command(arguments).stdout(full).output().unwrap();
        assert_eq!(code(&output), 73, "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains("standard output"), "{}", errors(&output));
    }
    assert_eq!(desk.unread(), [0, 1]);
}

#[test]
fn a_pipe_that_nobody_reads_leaves_a_message_unread() {
    let desk = Desk::new("pipe", &[Content::text("hello")]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = desk.command(&["read", "0", "-o", "-"]).stdout(writer).output().unwrap();
    assert_eq!(code(&output), 73, "{}", errors(&output));
    assert_eq!(desk.unread(), [0]);
    desk.done(&["read", "0", "-o", "-"]);
    assert!(desk.unread().is_empty());
}

#[test]
fn a_file_that_cannot_be_written_whole_leaves_nothing_and_can_be_saved_later() {
    let desk = Desk::new("short", &[file("w.bin", &[7; 300_000])]);
    fs::create_dir(desk.path("saved")).unwrap();
    let target = desk.path("saved/w.bin");
    let save = ["read", "0", "-o", target.to_str().unwrap()];
    let _daemon = desk.daemon();
    let output = desk.limited(SHORT_FILES, &save).output().unwrap();
    assert_eq!(code(&output), 73, "{}", errors(&output));
    assert!(errors(&output).contains("w.bin"), "{}", errors(&output));
    assert!(entries(&desk, "saved").is_empty());
    assert_eq!(desk.unread(), [0]);
    desk.done(&save);
    assert!(fs::read(&target).unwrap() == [7; 300_000] && desk.unread().is_empty());
    assert_eq!(code(&desk.run(&save)), 73, "nothing is overwritten");
}

#[test]
fn names_at_the_limit_of_file_systems_are_exported() {
    let long = format!("{}.pdf", "a".repeat(251));
    let messages = [file(&long, b"one"), Content::text("two"), file("ü.txt", b"three")];
    let desk = Desk::new("names", &messages);
    desk.done(&["export", "out"]);
    let cut = format!("0-{}.pdf", "a".repeat(249));
    assert_eq!(entries(&desk, "out"), [cut.as_str(), "2-ü.txt", "messages.jsonl", "sent.jsonl"]);
    let list = fs::read_to_string(desk.path("out/messages.jsonl")).unwrap();
    let lines: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["saved"], &lines[0]["file"]), (&cut.into(), &long.into()));
    assert_eq!(lines[1]["text"], "two");
    assert_eq!(lines[2]["saved"], "2-ü.txt");
    assert_eq!(code(&desk.run(&["export", "out"])), 73, "nothing is overwritten");
}

#[test]
fn an_export_that_fails_leaves_no_directory_behind() {
    let desk = Desk::new("retry", &[file("big", &[1; 300_000])]);
    fs::create_dir(desk.path("there")).unwrap();
    let export = ["export", "there/out"];
    let _daemon = desk.daemon();
    let output = desk.limited(SHORT_FILES, &export).output().unwrap();
    assert_eq!(code(&output), 73, "{}", errors(&output));
    assert!(entries(&desk, "there").is_empty());
    desk.done(&export);
    assert_eq!(entries(&desk, "there/out"), ["0-big", "messages.jsonl", "sent.jsonl"]);
}

#[test]
fn a_text_is_shown_with_its_lines_and_steers_no_terminal() {
    let steering = "a\u{9b}31mb\u{202e}c\u{2028}d\u{200b}\u{1b}[2Je";
    let texts = ["a\r\nb\r\n", "one\n", "ohne Ende", steering].map(Content::text);
    let desk = Desk::new("lines", &texts);
    assert_eq!(desk.done(&["read", "0"]), "a\nb\n");
    assert_eq!(desk.done(&["read", "1"]), "one\n");
    assert_eq!(desk.done(&["read", "2"]), "ohne Ende\n");
    let steers = |c: char| "\u{9b}\u{202e}\u{2028}\u{200b}\u{1b}".contains(c);
    for arguments in [&["read", "3"][..], &["inbox", "--all", "--wait", "0"]] {
        let text = desk.done(arguments);
        assert!(text.contains('e') && !text.contains(steers), "{text:?}");
        let json = desk.done(&[&["--json"], arguments].concat());
        assert!(!json.contains(steers), "{json:?}");
        let last: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
        assert_eq!(last["text"], steering, "the text itself is whole");
    }
    assert_eq!(desk.done(&["read", "3", "-o", "-"]), steering, "as it is, where it is asked for");
}

#[test]
fn times_are_those_of_the_readers_zone_unless_utc_is_asked_for() {
    let desk = Desk::new("zone", &[Content::text("x")]);
    let at = |zone: &str, arguments: &[&str]| {
        let list = ["inbox", "--all", "--keep-unread", "--wait", "0"];
        let mut command = desk.command(&[&list, arguments].concat());
        String::from_utf8(command.env("TZ", zone).output().unwrap().stdout).unwrap()
    };
    // The message was written at START, 2026-11-18 11:06:40 UTC.
    assert!(at("CET-1CEST,M3.5.0,M10.5.0/3", &[]).contains("2026-11-18 12:06  bob"));
    assert!(at("IST-5:30", &[]).contains("2026-11-18 16:36  bob"));
    assert!(at("IST-5:30", &["--utc"]).contains("2026-11-18 11:06Z  bob"));
    let json: Value = serde_json::from_str(&at("IST-5:30", &["--json"])).unwrap();
    assert_eq!(json["arrived"], 1_795_000_000);
}

#[test]
fn errors_are_json_where_that_is_asked_for() {
    let desk = Desk::new("errors", &[]);
    let cases: [(&[&str], &str, i32); 6] = [
        (&["send", "--queue", "eve", "x"], "unknown_contact", 66),
        (&["add", "-x", "passphrase"], "usage", 64),
        (&["add", "x", "passphrase"], "card", 65),
        (&["sned"], "usage", 64),
        (&["read", "all", "-o", "x"], "usage", 64),
        (&["export", "passphrase"], "file", 73),
    ];
    for (arguments, name, exit) in cases {
        let output = desk.run(&[&["--json"], arguments].concat());
        assert_eq!(code(&output), exit, "{arguments:?}: {}", errors(&output));
        let error: Value = serde_json::from_str(&errors(&output)).unwrap();
        assert_eq!(error["error"]["code"], name, "{error}");
        assert!(error["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(output.stdout.is_empty());
    }
    assert!(errors(&desk.run(&["read", "9"])).starts_with("error: there is no message 9"));
}

#[test]
fn a_store_that_cannot_grow_is_no_damaged_one() {
    let desk = Desk::new("grow", &[]);
    fs::write(desk.path("big"), vec![1; 3 << 20]).unwrap();
    let send = ["send", "--queue", "bob", "--file", "big"];
    let output = desk.limited("trap '' XFSZ; ulimit -f 2048", &send).output().unwrap();
    assert_eq!(code(&output), 71, "{}", errors(&output));
    desk.done(&send);
}

/// A limit on the length of files, which stands for a full disk. A write beyond it fails, as its
/// signal is not taken. The store is the daemon's, which is not limited.
const SHORT_FILES: &str = "trap '' XFSZ; ulimit -f 100";

#[test]
fn a_message_of_an_unknown_kind_is_listed_and_stays_unread() {
    let desk = Desk::new("unknown", &[Content::decode(b"\x02\x00\x00x"), Content::text("known")]);
    let list = desk.done(&["inbox", "--wait", "0"]);
    assert!(list.contains("a newer rohrpost is needed") && list.contains("known"), "{list}");
    let output = desk.run(&["read", "0"]);
    assert_eq!(code(&output), 65, "{}", errors(&output));
    assert!(errors(&output).contains("a newer rohrpost is needed"), "{}", errors(&output));
    assert_eq!(desk.unread(), [0]);
}
