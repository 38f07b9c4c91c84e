//! What the command says of its own accord: messages that were not delivered, acknowledgements that
//! are owed, messages that were forgotten, the age of a backup.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rohrpost_client::{Content, DeliveryStatus, Profile, Store, unix_now};
use rohrpost_packet::envelope::{
    EnvelopeMark, Fragment, FragmentPosition, Kind, MARK_LEN, MessageId, PrekeyId, Standing,
};
use serde_json::Value;

use super::desk::{Desk, code, errors, write_roster};
use super::world::{Client, DAY, SECOND, START, network, unlock};

fn store(desk: &Desk) -> Store {
    Store::open(&desk.path("alice"), &unlock(), &network()).unwrap()
}

/// Has a text of alice end without delivery.
fn expire(desk: &Desk, text: &str) -> String {
    let store = store(desk);
    let id = store.accept("bob", &Content::text(text), DAY, START).unwrap().id;
    store.settle(id, DeliveryStatus::Expired, START + DAY).unwrap();
    id.to_string()
}

#[test]
fn inbox_tells_once_what_was_not_delivered() {
    let desk = Desk::new("undelivered", &[]);
    let id = expire(&desk, "first");
    let inbox = |more: &[&str]| desk.done(&[&["inbox", "--wait", "0"], more].concat());
    let words = format!("not delivered: {id}");
    assert!(inbox(&["--keep-unread"]).contains(&words) && inbox(&[]).contains(&words));
    assert!(!inbox(&[]).contains("not delivered"));
    expire(&desk, "second");
    let told: Value = serde_json::from_str(&inbox(&["--json"])).unwrap();
    assert_eq!(told["undelivered"]["status"], "expired", "{told}");
    assert!(inbox(&[]).is_empty());
}

#[test]
fn inbox_and_status_say_that_a_sender_does_not_know_yet() {
    let desk = Desk::new("owed", &[]);
    let alice = store(&desk);
    let bob = alice.contact("bob").unwrap().key();
    let mark = EnvelopeMark::new(PrekeyId::new([1; 16]), [1; MARK_LEN]);
    alice.store_letters([], [(bob, mark)], START).unwrap();
    drop(alice);
    for command in [&["inbox", "--wait", "0"][..], &["status", "--offline"]] {
        let output = desk.run(command);
        let said = errors(&output) + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("1 contact does not know yet that what came is here"), "{said}");
        assert!(said.contains("`rohrpost inbox --wait 360`"), "{said}");
    }
    store(&desk).acknowledgement_sent(bob).unwrap();
    let output = desk.run(&["inbox", "--wait", "0"]);
    assert!(!errors(&output).contains("not know yet"), "{}", errors(&output));
}

#[test]
fn status_says_what_was_forgotten_and_what_goes_next() {
    let desk = Desk::new("forgotten", &[Content::text("one"), Content::text("two")]);
    let status = || desk.done(&["--utc", "status", "--offline"]);
    assert!(!status().contains("messages stay"), "they always did");
    let now = unix_now();
    let store = store(&desk);
    store.set_retention(DAY * 30).unwrap();
    store.acknowledge(&[0], now - DAY * 31).unwrap();
    store.acknowledge(&[1], now - DAY * 29 - SECOND * 60).unwrap();
    assert_eq!(store.prune(now).unwrap().received, [0]);
    drop(store);
    let told = status();
    assert!(
        told.contains("messages stay for 30days") || told.contains("messages stay for 1month"),
        "{told}"
    );
    assert!(told.contains("1 within a day; 1 are gone so far"), "{told}");
}

#[test]
fn restore_says_how_old_the_backup_is_and_what_that_means() {
    let desk = Desk::new("backup-age", &[]);
    let network = network();
    for (home, days, words) in [
        ("now", 0, ["less than a day ago", "Contacts hear of the move within an hour online"]),
        ("leave", 119, ["119 days ago", "Contacts hear of the move within an hour online"]),
        ("long", 121, ["121 days ago", "get your contacts' cards in another way"]),
    ] {
        let profile = Profile::create(&network.roster, None).unwrap();
        let made = unix_now() - DAY * days;
        drop(Store::create(&desk.path(home), &unlock(), &network, &profile, made).unwrap());
        let back_up = desk.command_at(home, &["backup", &format!("{home}.bak")]).output().unwrap();
        assert!(back_up.status.success(), "{}", errors(&back_up));
        let new = format!("{home}-new");
        let restore = ["restore", &format!("{home}.bak")];
        let output = desk.command_at(&new, &restore).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(words.iter().all(|words| told.contains(words)), "{told}");
        assert!(told.contains("What came and was sent since then is not here"), "{told}");
    }
}

#[test]
fn status_says_that_a_newer_roster_is_installed_than_the_daemon_goes_by() {
    let desk = Desk::new("roster", &[]);
    let _daemon = desk.daemon();
    let status = || String::from_utf8(desk.run(&["status"]).stdout).unwrap();
    assert!(!status().contains("is installed, and the daemon goes by"));
    write_roster(&desk.path("network"), "store", 2);
    let told = status();
    assert!(told.contains("roster 2 is installed, and the daemon goes by roster 1"), "{told}");
}

/// Checks that a command beside one that runs waits for its end, says so, and then does its work.
#[test]
fn a_command_waits_for_one_that_runs() {
    let desk = Desk::new("waits", &[]);
    for command in [&["contacts"][..], &["send", "bob", "x", "--queue"]] {
        let running = store(&desk);
        let mut waiting = desk.command(command);
        let mut waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut errors = BufReader::new(waiting.stderr.take().unwrap());
        errors.read_line(&mut said).unwrap();
        assert!(said.contains("another rohrpost command has this client open; waiting"), "{said}");
        assert!(waiting.try_wait().unwrap().is_none());
        drop(running);
        let done = waiting.wait_with_output().unwrap();
        assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains("bob"));
    }
}

#[test]
fn who_is_unknown_and_wrote_is_listed_accepted_or_refused() {
    let desk = Desk::new("requests", &[]);
    let alice = store(&desk);
    let [max, mallory] = ["max", "mallory"].map(|name| Client::new_at(&desk.path(name)));
    for client in [&max, &mallory] {
        let identity = client.store.profile().unwrap().account.identity.public().clone();
        let mut fragment = Fragment {
            message: MessageId::new([5; 16]),
            kind: Kind::Content,
            sequence: 1,
            position: FragmentPosition::WHOLE,
            minutes: 0,
            standing: Standing::default(),
            body: Vec::new().into(),
        };
        alice.take_stranger(&identity, &fragment, START).unwrap().unwrap();
        let address = client.store.card(&client.network, START).unwrap().address;
        (fragment.kind, fragment.sequence) = (Kind::Address, address.version);
        fragment.body = address.encode().into();
        alice.take_stranger(&identity, &fragment, START).unwrap().unwrap();
    }
    let id = |client: &Client| data_encoding::HEXLOWER.encode(&client.key().as_bytes()[..4]);
    drop(alice);
    let said = errors(&desk.run(&["inbox", "--wait", "0"]));
    assert!(said.contains("2 people unknown to you wrote: `rohrpost requests`"), "{said}");
    let list = desk.done(&["requests"]);
    for client in [&max, &mallory] {
        let words = format!("{}  somebody unknown to you wrote 1 message", id(client));
        assert!(list.contains(&words), "{list}");
    }
    assert!(list.contains(&format!("`rohrpost accept {} NAME`", id(&max))), "{list}");
    assert!(desk.done(&["accept", &id(&max), "Max"]).contains("Max is a contact"));
    desk.done(&["refuse", &id(&mallory)]);
    assert!(desk.done(&["requests"]).is_empty());
    assert!(desk.done(&["contacts"]).contains("Max  not verified"));
    let gone = desk.run(&["accept", &id(&mallory), "Mallory"]);
    assert!(code(&gone) == 66 && errors(&gone).contains("`rohrpost requests` lists them"));
    desk.done(&["send", "Max", "hello", "--queue"]);
}
