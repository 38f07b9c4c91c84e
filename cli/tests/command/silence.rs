//! Contacts of which nothing is heard: `contacts` and `status` say so.

use rohrpost_client::{Content, Store};
use serde_json::Value;

use super::desk::Desk;
use super::world::{DAY, START, network, unlock};

#[test]
fn contacts_and_status_tell_of_whom_nothing_is_heard_though_letters_left() {
    let desk = Desk::new("silence", &[]);
    let told = |command: &[&str], words: &str| desk.done(command).contains(words);
    let words = "nothing heard of bob since 2026-07-11 (UTC), though letters left";
    let status = ["status", "--offline"];
    assert!(!told(&["contacts"], "nothing heard") && !told(&status, "nothing heard"));
    let store = Store::open(&desk.path("alice"), &unlock(), &network()).unwrap();
    let bob = store.contact("bob").unwrap().key();
    let id = store.accept("bob", &Content::text("x"), DAY * 7, START - DAY * 125).unwrap().id;
    store.hear(bob, START - DAY * 130).unwrap();
    store.left(id, 1, START - DAY * 125).unwrap();
    drop(store);
    assert!(told(&["contacts"], words) && told(&["contacts"], "Hand each other new cards"));
    assert!(told(&status, words));
    let json = |command: &[&str]| -> Value {
        serde_json::from_str(&desk.done(&[&["--json"], command].concat())).unwrap()
    };
    let contact = json(&["contacts"]);
    assert!(contact["heard"] == 1_783_768_000_u64, "{contact}");
    assert!(contact["silence"].as_str().unwrap().contains(words));
    assert!(json(&status)["status"]["silent"][0].as_str().unwrap().contains(words));
}
