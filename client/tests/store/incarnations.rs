//! Incarnations of a store: it goes on from a backup, contacts come and go, and it ends.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rohrpost_client::{
    Completed, Content, Cost, DeliveryStatus, Store, StoreError, Unlock, VaultError,
};
use rohrpost_packet::envelope::Kind;
use zeroize::Zeroizing;

use super::world::{
    Client, DAY, Folder, HOUR, START, announce, carry, network, network_named, unlock,
};

fn restore(folder: &Folder, backup: &str, to: &str, now: Duration) -> Client {
    let (home, network) = (folder.path(to), network());
    let store = Store::restore(&folder.path(backup), &home, &unlock(), &network, now).unwrap();
    Client { home, network, store }
}

fn is_anew(told: &[Completed]) -> Vec<bool> {
    let anew = |it: &Completed| match it {
        Completed::Address { anew, .. } => Some(*anew),
        Completed::Message(_) => None,
    };
    told.iter().filter_map(anew).collect()
}

#[test]
fn a_restored_store_begins_a_new_incarnation_and_its_contacts_follow() {
    let folder = Folder::new("restored");
    let [alice, bob] = Client::pair(&folder);
    alice.store.accept("bob", &Content::text("waits"), DAY * 7, START).unwrap();
    let tombstone = alice.store.accept("bob", &Content::text("expired"), HOUR, START).unwrap();
    alice.store.settle(tombstone.id, DeliveryStatus::Expired, START + HOUR).unwrap();
    alice.store.back_up(&folder.path("backup")).unwrap();
    // After the backup, numbers and address versions go on and are then forgotten.
    alice.store.roll(START + DAY).unwrap();
    announce(&alice, START + DAY);
    alice.store.accept("bob", &Content::text("forgotten"), DAY, START + DAY).unwrap();
    let highest = *alice.numbers(bob.key()).last().unwrap();
    carry(&alice, &bob, START + DAY);
    drop(alice);
    bob.store.accept("alice", &Content::text("for alice"), DAY * 7, START + DAY).unwrap();

    let now = START + DAY * 2;
    let alice = restore(&folder, "backup", "restored", now);
    assert!(alice.numbers(bob.key()).iter().all(|number| *number > highest));
    assert_eq!(alice.status(tombstone.id), Some(DeliveryStatus::Expired));
    assert!(alice.waiting(bob.key()).iter().all(|message| message.kind != Kind::Tombstone));
    let old = bob.numbers(alice.key());
    let told = carry(&alice, &bob, now);
    assert_eq!(is_anew(&told), [true], "the address is newer, and counts anew");
    let messages = told.iter().filter(|it| matches!(it, Completed::Message(_))).count();
    assert_eq!(messages, 0, "what waited in the backup was delivered after it");
    let new = bob.numbers(alice.key());
    assert!(new.len() == old.len() && new[0] > *old.last().unwrap());
    assert!(new[0].trailing_zeros() >= 32, "an incarnation begins with its first number");
    assert_eq!(carry(&bob, &alice, now).len(), 1);
    let newest = bob.store.contact("alice").unwrap().address.contact;
    let own = alice.store.profile().unwrap().account;
    assert!(newest.prekey == *own.prekeys[0].public());
    // Only once.
    alice.store.roll(now + DAY).unwrap();
    announce(&alice, now + DAY);
    assert_eq!(is_anew(&carry(&alice, &bob, now + DAY)), [false]);
}

#[test]
fn what_waited_in_a_backup_arrives_once() {
    let folder = Folder::new("waited");
    let [alice, bob] = Client::pair(&folder);
    alice.store.accept("bob", &Content::text("waits"), DAY * 7, START).unwrap();
    alice.store.back_up(&folder.path("backup")).unwrap();
    drop(alice);
    let alice = restore(&folder, "backup", "first", START + HOUR);
    carry(&alice, &bob, START + HOUR);
    drop(alice);
    let alice = restore(&folder, "backup", "second", START + HOUR * 2);
    carry(&alice, &bob, START + HOUR * 2);
    let inbox = bob.store.inbox(0).unwrap();
    assert_eq!(inbox.len(), 1);
    assert!(alice.waiting(bob.key()).is_empty());
}

#[test]
fn a_restore_that_cannot_be_leaves_nothing() {
    let folder = Folder::new("cannot");
    let [alice, bob] = Client::pair(&folder);
    let (backup, home) = (folder.path("backup"), folder.path("home"));
    alice.store.back_up(&backup).unwrap();
    let restore =
        |home: &Path, unlock: &Unlock| Store::restore(&backup, home, unlock, &network(), START);
    let wrong = Unlock::passphrase_at(Zeroizing::new("wrong".into()), Cost::danger_cheap());
    let error = restore(&home, &wrong).err().unwrap();
    assert!(matches!(error, StoreError::Vault(VaultError::WrongKey(_))), "{error}");
    assert!(!Store::is_in(&home));
    let taken = restore(&bob.home, &unlock()).err().unwrap();
    assert!(matches!(taken, StoreError::Vault(VaultError::Exists(_))), "{taken}");
    let other = network_named("other");
    let error = Store::restore(&backup, &home, &unlock(), &other, START).err().unwrap();
    assert!(matches!(error, StoreError::Network(_)), "{error}");
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
    drop(restore(&home, &unlock()).unwrap());
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
    let error = Store::open(&home, &unlock(), &other).err().unwrap();
    assert!(matches!(error, StoreError::Network(_)), "{error}");
}

#[test]
fn a_removed_contact_comes_back_above_its_old_numbers() {
    for pause in [Duration::ZERO, DAY] {
        let folder = Folder::new(&format!("comes-back-{}", pause.as_secs()));
        let [alice, bob] = Client::pair(&folder);
        for text in ["one", "two"] {
            alice.store.accept("bob", &Content::text(text), DAY, START).unwrap();
            bob.store.accept("alice", &Content::text(text), DAY, START).unwrap();
        }
        carry(&alice, &bob, START);
        carry(&bob, &alice, START);
        let open = alice.store.accept("bob", &Content::text("open"), DAY, START).unwrap();
        let highest = *alice.numbers(bob.key()).last().unwrap();
        alice.store.remove("bob", START).unwrap();
        assert_eq!(alice.status(open.id), Some(DeliveryStatus::Undeliverable));
        assert!(matches!(alice.store.contact("bob"), Err(StoreError::Unknown(_))));
        assert_eq!(alice.store.inbox(0).unwrap().len(), 2);

        let now = START + pause;
        alice.store.add_contact("robert", bob.card(now), now).unwrap();
        alice.store.accept("robert", &Content::text("three"), DAY, now).unwrap();
        assert!(alice.numbers(bob.key()).iter().all(|number| *number > highest));
        let old = bob.store.accept("alice", &Content::text("back"), DAY, now).unwrap();
        let before = bob.numbers(alice.key())[0];
        // Though no new address version has begun.
        let told = carry(&alice, &bob, now);
        assert_eq!(is_anew(&told), [true]);
        assert_eq!(told.len(), 2);
        assert!(bob.numbers(alice.key())[0] > before);
        assert!(bob.waiting(alice.key())[0].id == old.id);
        let heard = carry(&bob, &alice, now);
        assert_eq!(heard.len(), 1);
    }
}

#[test]
fn nothing_is_numbered_anew_when_a_contact_is_heard_first() {
    let folder = Folder::new("heard-first");
    let [alice, bob] = ["alice", "bob"].map(|name| Client::new(&folder, name));
    alice.store.add_contact("bob", bob.card(START), START).unwrap();
    bob.store.add_contact("alice", alice.card(START), START).unwrap();
    bob.store.accept("alice", &Content::text("one"), DAY, START).unwrap();
    let numbers = bob.numbers(alice.key());
    assert_eq!(is_anew(&carry(&alice, &bob, START + HOUR)), [false]);
    assert_eq!(bob.numbers(alice.key()), numbers);
}

#[test]
fn names_are_unique_and_contacts_too() {
    let folder = Folder::new("names");
    let [alice, bob] = Client::pair(&folder);
    let carol = Client::new(&folder, "carol");
    let add = |name: &str, card| alice.store.add_contact(name, card, START).err();
    assert!(matches!(add("bob", carol.card(START)), Some(StoreError::NameTaken(_))));
    assert!(matches!(add("robert", bob.card(START)), Some(StoreError::Known(_))));
    for name in ["", "a b", "x/y", &"n".repeat(65)] {
        assert!(matches!(add(name, carol.card(START)), Some(StoreError::Name(_))), "{name}");
    }
    alice.store.block("bob", START).unwrap();
    assert!(matches!(add("robert", bob.card(START)), Some(StoreError::Blocked(_))));
    alice.store.verify("bob").unwrap();
    assert!(alice.store.contact("bob").unwrap().verified);
    assert_eq!(alice.store.name_of(bob.key()).unwrap(), "bob");
    assert_eq!(alice.store.name_of(carol.key()).unwrap(), "");
}

#[test]
fn another_passphrase_takes_the_place_of_the_first() {
    let folder = Folder::new("another");
    let mut alice = Client::new(&folder, "alice");
    let next = Unlock::passphrase_at(Zeroizing::new("next".into()), Cost::danger_cheap());
    alice.store.change_unlock(&next).unwrap();
    let Client { home, network, store } = alice;
    let open = |unlock: &Unlock| Store::open(&home, unlock, &network).map(drop);
    assert!(matches!(open(&next), Err(StoreError::Vault(VaultError::InUse(_)))));
    drop(store);
    assert!(matches!(open(&unlock()), Err(StoreError::Vault(VaultError::WrongKey(_)))));
    open(&next).unwrap();
}

#[test]
fn a_wiped_store_is_gone() {
    let folder = Folder::new("wiped");
    let Client { home, network, store } = Client::new(&folder, "alice");
    assert!(Store::wipe(&home).is_err(), "it is open");
    drop(store);
    Store::wipe(&home).unwrap();
    assert!(!Store::is_in(&home));
    assert!(matches!(Store::open(&home, &unlock(), &network), Err(StoreError::Missing(_))));
    assert!(matches!(Store::wipe(&home), Err(StoreError::Missing(_))));
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
}
