//! Messages of both ways: listed, read, answered, found, exported.

use std::fs;

use rohrpost_client::Content;
use serde_json::Value;

use super::desk::{Desk, code, errors};

fn lines(json: &str) -> Vec<Value> {
    json.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn file() -> Content {
    Content::file("plan.pdf", b"bytes".to_vec().into())
}

#[test]
fn the_inbox_marks_as_read_what_it_showed_whole() {
    let long = "x".repeat(101);
    let texts = ["short", &long, "two\nlines", "one line\n"].map(Content::text);
    let desk = Desk::new("marks", &[&texts[..], &[file()]].concat());
    assert_eq!(desk.unread(), [0, 1, 2, 3, 4]);
    let list = desk.done(&["inbox", "--wait", "0"]);
    assert!(list.contains("bob: short\n") && list.contains("…"), "{list}");
    assert_eq!(desk.unread(), [1, 2, 4], "of these there is more to see");
    assert!(desk.done(&["inbox", "--all", "--wait", "0"]).lines().count() == 5);
    desk.done(&["--json", "inbox", "--wait", "0"]);
    assert_eq!(desk.unread(), [4], "JSON has all of a text, and nothing of a file");
}

#[test]
fn several_messages_are_read_at_once() {
    let texts = ["zero", "one\nmore", "two", "three"].map(Content::text);
    let desk = Desk::new("ranges", &[&texts[..], &[file()]].concat());
    let text = desk.done(&["read", "1-2"]);
    assert!(text.contains("bob: one\n    more\n") && text.contains("bob: two\n"), "{text}");
    assert_eq!(desk.unread(), [0, 3, 4]);
    let output = desk.run(&["read", "3-9", "-o", "x"]);
    assert_eq!(code(&output), 64, "{}", errors(&output));
    let all = lines(&desk.done(&["--json", "read", "3", "all"]));
    let numbers: Vec<_> = all.iter().map(|one| one["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [3, 0, 4]);
    assert_eq!(all[2]["base64"], "Ynl0ZXM=");
    assert!(desk.unread().is_empty());
    assert!(desk.done(&["read", "all"]).is_empty());
    desk.done(&["read", "0", "4-9"]);
    assert_eq!(fs::read(desk.path("plan.pdf")).unwrap(), b"bytes");
    assert_eq!(code(&desk.run(&["read", "7-9"])), 66);
    assert_eq!(code(&desk.run(&["read", "9-7"])), 64);
}

#[test]
fn a_conversation_has_what_was_sent_and_what_came() {
    let desk = Desk::new("both", &[Content::text("wer da?\nbob"), file()]);
    desk.done(&["send", "--queue", "bob", "ich, die Straße"]);
    fs::write(desk.path("own.txt"), "x").unwrap();
    desk.done(&["send", "--queue", "bob", "--file", "own.txt"]);
    let outbox = desk.done(&["outbox"]);
    assert!(outbox.contains("to bob (queued): ich, die Straße\n"), "{outbox}");
    assert!(outbox.contains("[file own.txt, 1 bytes]"), "{outbox}");
    assert_eq!(desk.done(&["outbox", "BOB", "--last", "1"]).lines().count(), 1);
    assert_eq!(desk.unread(), [0, 1]);
    let whole = desk.done(&["conversation", "bob"]);
    let order = ["bob: wer da?\n    bob\n", "[file plan.pdf", "ich, die Straße", "[file own.txt"];
    let places: Vec<_> = order.iter().map(|part| whole.find(part)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{whole}");
    assert_eq!(desk.unread(), [1], "a file was not seen");
    let last = lines(&desk.done(&["--json", "conversation", "bob", "--last", "2"]));
    assert_eq!(
        (&last[0]["text"], &last[1]["file"]),
        (&"ich, die Straße".into(), &"own.txt".into())
    );
    assert_eq!(code(&desk.run(&["conversation", "eve"])), 66);
}

#[test]
fn texts_and_names_of_files_are_found() {
    let desk = Desk::new("search", &[Content::text("Jose\u{301} ist da"), file()]);
    desk.done(&["send", "--queue", "bob", "STRASSE"]);
    for (wanted, found) in [
        ("JOSÉ", "bob: José"),
        ("straße", "STRASSE"),
        ("Plan", "plan.pdf"),
        ("ist DA", "bob: José"),
    ] {
        let list = desk.done(&["search", wanted, "--with", "bob"]);
        let list: String = unicode(&list);
        assert!(list.lines().count() == 1 && list.contains(found), "{wanted}: {list}");
    }
    assert!(desk.done(&["search", "nichts"]).is_empty());
}

/// The composed form of the one letter of these tests that was sent decomposed.
fn unicode(text: &str) -> String {
    text.replace("e\u{301}", "é")
}

#[test]
fn an_answer_goes_to_whoever_wrote_whatever_his_name_is_now() {
    let desk = Desk::new("reply", &[Content::text("one")]);
    desk.done(&["rename", "bob", "Robert  Ü. @north"]);
    let list = desk.done(&["inbox", "--wait", "0"]);
    assert!(list.contains("Robert Ü. @north: one"), "{list}");
    desk.done(&["reply", "--queue", "0", "two"]);
    let sent = lines(&desk.done(&["--json", "outbox", "robert u\u{308}. @NORTH"]));
    assert_eq!((&sent[0]["to"], &sent[0]["text"]), (&"Robert Ü. @north".into(), &"two".into()));
    assert_eq!(code(&desk.run(&["reply", "--queue", "7", "x"])), 66);
    desk.done(&["remove", "Robert Ü. @north"]);
    let output = desk.run(&["reply", "--queue", "0", "x"]);
    assert_eq!(code(&output), 66, "{}", errors(&output));
    let sent = lines(&desk.done(&["--json", "outbox"]));
    assert_eq!((&sent[0]["status"], &sent[0]["text"]), (&"undeliverable".into(), &"two".into()));
}

#[test]
fn an_export_has_what_was_sent() {
    let desk = Desk::new("sent", &[Content::text("one")]);
    desk.done(&["send", "--queue", "bob", "two"]);
    desk.done(&["export", "out"]);
    let sent = lines(&fs::read_to_string(desk.path("out/sent.jsonl")).unwrap());
    assert_eq!((&sent[0]["to"], &sent[0]["text"]), (&"bob".into(), &"two".into()));
}
