//! Incarnations of a store: it goes on from a backup, contacts come and go, and it ends.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rohrpost_client::{
    Added, Address, Completed, Content, Cost, DeliveryStatus, Incoming, Store, StoreError, Unlock,
    VaultError,
};
use rohrpost_proto::courier::{Acknowledged, Message, first_number};
use rohrpost_proto::time::agreement::Agreement;
use zeroize::Zeroizing;

use super::world::{
    Client, DAY, Folder, HOUR, PERIOD, START, announce, arrive, below, carry, fragments, network,
    network_named, resumed, unlock,
};

fn restore(folder: &Folder, backup: &str, to: &str, now: Duration) -> Client {
    let (home, network) = (folder.path(to), network());
    let store = Store::restore(&folder.path(backup), &home, &unlock(), &network, now).unwrap();
    Client { home, network, store }
}

#[test]
fn a_restored_store_begins_a_new_incarnation() {
    let folder = Folder::new("restored");
    let [alice, bob] = Client::pair(&folder);
    let waits = alice.store.accept("bob", &Content::text("waits"), DAY * 7, START).unwrap();
    let expired = alice.store.accept("bob", &Content::text("expired"), HOUR, START).unwrap();
    alice.store.settle(expired.id, DeliveryStatus::Expired, START + HOUR).unwrap();
    alice.store.back_up(&folder.path("backup")).unwrap();
    // After the backup, numbers and address versions go on and are then forgotten.
    alice.store.roll(START + PERIOD).unwrap();
    announce(&alice, START + PERIOD);
    alice.store.accept("bob", &Content::text("forgotten"), DAY, START + PERIOD).unwrap();
    let highest = *alice.numbers(bob.key()).last().unwrap();
    let since = resumed(&alice, bob.key()).unwrap().memory.since;
    carry(&alice, &bob, START + PERIOD);
    drop(alice);

    let now = START + PERIOD + DAY;
    let alice = restore(&folder, "backup", "restored", now);
    let numbers = alice.numbers(bob.key());
    assert!(numbers.len() == 1 && numbers[0] > highest);
    let known = resumed(&alice, bob.key()).unwrap();
    assert!(known.open == numbers[0] && known.next == numbers[0] + 1);
    assert_eq!(known.next, first_number(known.memory.since), "what is written then");
    assert!(known.memory.since > since, "what bob has sent is counted anew");
    assert!(alice.waiting(bob.key())[0].id == waits.id);
    assert_eq!(alice.status(expired.id), Some(DeliveryStatus::Expired));
    let told = carry(&alice, &bob, now);
    assert!(matches!(&told[..], [Completed::Address(_)]), "what waited was delivered before");
    let newest = bob.store.contact("alice").unwrap().address.contact;
    let own = alice.store.profile().unwrap().account;
    assert!(newest.prekey == *own.prekeys[0].public());
}

/// Checks that what a contact had a client believe harms no backup of before: the restored client's
/// versions are above all that it has told, and so it is heard.
#[test]
fn a_restored_client_is_heard_whatever_a_contact_had_it_believe() {
    let folder = Folder::new("believed");
    let [alice, _bob] = Client::pair(&folder);
    alice.store.back_up(&folder.path("backup")).unwrap();
    for day in 1..30 {
        let now = START + DAY * day;
        let invented = now.as_secs() << 32 | u64::from(u32::MAX);
        assert!(alice.store.surpass_version(invented, now).unwrap());
    }
    let alice_told = alice.version();
    drop(alice);
    let restored = restore(&folder, "backup", "restored", START + DAY * 30);
    assert!(restored.version() > alice_told);
}

/// Checks that a home that was put back without a word is heard from its next version on, whatever had
/// been begun anew since the copy: nothing need show it that it is one.
#[test]
fn a_copy_that_does_not_know_it_is_one_is_heard() {
    let folder = Folder::new("put-back-twice");
    let [alice, _bob] = Client::pair(&folder);
    let Client { home, network, store } = alice;
    drop(store);
    let names = ["store.vault", "store.vault.seals"];
    let copy = names.map(|name| (home.join(name), fs::read(home.join(name)).unwrap()));
    let open = || Store::open(&home, &unlock(), &network).unwrap();
    let store = open();
    assert!(store.begin_keys_anew(START + DAY * 5).unwrap());
    store.roll(START + DAY * 11).unwrap();
    let version = |store: &Store| store.card(&network, START).unwrap().address.version;
    let told = version(&store);
    drop(store);
    copy.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    let store = open();
    assert!(version(&store) < told);
    assert!(store.roll(START + DAY * 12).unwrap());
    assert!(version(&store) > told);
}

/// Checks that a restored store knows up to when its backup goes: the last date online, by prekeys and
/// by what links have shown, whatever the time of the restore.
#[test]
fn a_restored_store_knows_the_age_of_its_backup() {
    let folder = Folder::new("backup-age");
    let alice = Client::new(&folder, "alice");
    assert_eq!(alice.store.restored_as_of().unwrap(), None);
    alice.store.back_up(&folder.path("new")).unwrap();
    alice.store.roll(START + DAY * 3).unwrap();
    alice.store.back_up(&folder.path("rolled")).unwrap();
    alice.store.note_date(START + DAY * 3 + HOUR * 9, Agreement::All).unwrap();
    alice.store.back_up(&folder.path("dated")).unwrap();
    for (backup, as_of) in [("new", START), ("rolled", START + DAY * 3)] {
        let home = format!("of-{backup}");
        let restored = restore(&folder, backup, &home, START + DAY * 90).reopen();
        assert_eq!(restored.store.restored_as_of().unwrap(), Some(as_of), "{backup}");
    }
    let restored = restore(&folder, "dated", "of-dated", START + DAY * 90);
    assert_eq!(restored.store.restored_as_of().unwrap(), Some(START + DAY * 3 + HOUR * 9));
}

/// Checks that a store that a contact has shown to be an older copy numbers on above whatever it may
/// have given, for that contact alone, and loses nothing that waits.
#[test]
fn a_store_that_was_put_back_begins_again_with_who_shows_it() {
    let folder = Folder::new("put-back");
    let [alice, bob] = Client::pair(&folder);
    let carol = Client::new(&folder, "carol");
    alice.store.add_contact("carol", carol.card(START), START).unwrap();
    let accept = |to: &str| alice.store.accept(to, &Content::text("x"), DAY, START).unwrap().id;
    let (one, two, of_carol) = (accept("bob"), accept("bob"), accept("carol"));
    let before = [alice.numbers(bob.key()), alice.numbers(carol.key())];
    let since = resumed(&alice, bob.key()).unwrap().memory.since;
    alice.store.begin_again(bob.key(), 0, START + HOUR).unwrap();
    let alice = alice.reopen();
    let waiting = alice.waiting(bob.key());
    assert!(waiting.iter().map(|message| message.id).eq([one, two]));
    assert!(waiting[0].sequence > before[0][1] && waiting[1].sequence == waiting[0].sequence + 1);
    assert_eq!(alice.numbers(carol.key()), before[1]);
    assert!(alice.waiting(carol.key())[0].id == of_carol);
    assert!(resumed(&alice, bob.key()).unwrap().memory.since > since);
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

/// Checks that what waits at the recipient while its sender goes back to a backup is shown in the
/// order of writing: what the backup has by its new number, and what it lacks before what is written
/// then.
#[test]
fn what_waits_while_its_sender_goes_back_is_shown_in_the_order_of_writing() {
    let folder = Folder::new("left-behind");
    let [alice, bob] = Client::pair(&folder);
    let sender = alice.key();
    let write = |alice: &Client, text: &str, now| {
        let id = alice.store.accept("bob", &Content::text(text), DAY * 7, now).unwrap().id;
        alice.message(id).unwrap()
    };
    write(&alice, "one", START);
    let two = write(&alice, "two", START);
    alice.store.back_up(&folder.path("backup")).unwrap();
    for waits in [two, write(&alice, "three", START)] {
        let fragments = fragments(&waits);
        let letters = fragments.iter().map(|fragment| (sender, fragment));
        bob.store.store_letters(letters, [], START).unwrap();
    }
    drop(alice);
    let now = START + DAY;
    let alice = restore(&folder, "backup", "restored", now);
    let numbers = alice.numbers(bob.key());
    assert!(bob.store.complete(sender, &[], below(numbers[0]), now).unwrap().is_empty());
    let bob = bob.reopen();
    write(&alice, "four", now);
    for waiting in alice.waiting(bob.key()) {
        arrive(sender, &waiting, &bob, now);
    }
    let inbox = bob.store.inbox(0).unwrap();
    let text = |incoming: &Incoming| bob.store.read(incoming.number).unwrap().1.bytes().to_vec();
    let texts: Vec<_> = inbox.iter().map(text).collect();
    assert_eq!(texts, [&b"one"[..], b"two", b"three", b"four"]);
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
    assert!(!home.exists());
    drop(restore(&home, &unlock()).unwrap());
    let mut files: Vec<_> =
        fs::read_dir(&home).unwrap().map(|it| it.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["store.vault", "store.vault.seals"]);
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
        bob.store.accept("alice", &Content::text("back"), DAY, now).unwrap();
        assert_eq!(carry(&alice, &bob, now).len(), 1);
        assert_eq!(carry(&bob, &alice, now).len(), 1);
    }
}

#[test]
fn names_are_unique_and_contacts_too() {
    let folder = Folder::new("names");
    let [alice, bob] = Client::pair(&folder);
    let carol = Client::new(&folder, "carol");
    let add = |name: &str, card| alice.store.add_contact(name, card, START).err();
    for name in ["bob", "BOB", " bob ", "b\u{200d}ob", "ｂob"] {
        let taken = add(name, carol.card(START));
        assert!(matches!(taken, Some(StoreError::NameTaken(other)) if other == "bob"), "{name}");
    }
    assert!(matches!(add("robert", bob.card(START)), Some(StoreError::Known(_))));
    for name in ["", "-x", "a\u{202e}b", &"n".repeat(65)] {
        assert!(matches!(add(name, carol.card(START)), Some(StoreError::Name { .. })), "{name}");
    }
    alice.store.block("bob", START).unwrap();
    assert!(matches!(add("robert", bob.card(START)), Some(StoreError::Blocked(_))));
    alice.store.verify("bob").unwrap();
    assert!(alice.store.contact("bob").unwrap().verified);
    assert_eq!(alice.store.name_of(bob.key()).unwrap(), "bob");
    assert_eq!(alice.store.name_of(carol.key()).unwrap(), "");
}

#[test]
fn a_contact_is_found_by_any_writing_of_its_name_and_can_be_renamed() {
    let folder = Folder::new("renamed");
    let [alice, bob] = Client::pair(&folder);
    let carol = Client::new(&folder, "carol");
    alice.store.add_contact("Carol  B. @north", carol.card(START), START).unwrap();
    alice.store.verify("carol b. @NORTH").unwrap();
    bob.store.accept("alice", &Content::text("before"), DAY, START).unwrap();
    carry(&bob, &alice, START);
    let taken = alice.store.rename("bob", "CAROL B. @north");
    assert!(matches!(taken, Err(StoreError::NameTaken(other)) if other == "Carol B. @north"));
    assert!(matches!(alice.store.rename("eve", "x"), Err(StoreError::Unknown(_))));
    assert!(matches!(alice.store.rename("bob", "-"), Err(StoreError::Name { .. })));
    alice.store.rename("bob", "Bob").unwrap();
    alice.store.rename("Bob", "Rene\u{301}").unwrap();
    assert!(matches!(alice.store.contact("bob"), Err(StoreError::Unknown(_))));
    assert_eq!(alice.store.name_of(bob.key()).unwrap(), "René");
    let alice = alice.reopen();
    let known = alice.store.contact("RENÉ").unwrap();
    assert!(known.key() == bob.key() && !known.verified);
    alice.store.accept("rené", &Content::text("after"), DAY, START).unwrap();
    assert_eq!(carry(&alice, &bob, START).len(), 1);
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

/// Checks that a copy that was left behind knows that the client was moved, and that one that goes on
/// from it knows nothing of the kind.
#[test]
fn a_client_that_was_moved_stays_moved_until_it_is_restored() {
    let folder = Folder::new("moved");
    let alice = Client::new(&folder, "alice");
    alice.store.back_up(&folder.path("backup")).unwrap();
    let restored = restore(&folder, "backup", "restored", START + DAY);
    let incarnation = |client: &Client| client.store.profile().unwrap().account.incarnation;
    assert!(incarnation(&restored) > incarnation(&alice));
    assert_eq!(alice.store.moved().unwrap(), None);
    alice.store.note_moved(incarnation(&restored)).unwrap();
    let alice = alice.reopen();
    assert_eq!(alice.store.moved().unwrap(), Some(START + DAY));
    alice.store.back_up(&folder.path("later")).unwrap();
    // Within the same second, by a clock that went back.
    let again = restore(&folder, "later", "again", START);
    assert_eq!(again.store.moved().unwrap(), None);
    assert!(incarnation(&again) > incarnation(&alice));
}

/// Checks that a newer card of a known contact leads to it again, and changes nothing else; and that
/// an older one, and one under another name, change nothing at all.
#[test]
fn a_newer_card_renews_the_address_of_a_contact() {
    let folder = Folder::new("renews");
    let [alice, bob] = Client::pair(&folder);
    let card = |now| bob.store.card(&bob.network, now).unwrap().address;
    let older = card(START);
    alice.store.verify("bob").unwrap();
    let waits = alice.store.accept("bob", &Content::text("waits"), DAY * 40, START).unwrap();
    let number = alice.numbers(bob.key());
    // They hear nothing of each other for so long that alice's prekey of bob is gone.
    (1..=10).for_each(|time| assert!(bob.store.roll(START + PERIOD * time).unwrap()));
    let now = START + DAY * 30;
    alice.store.roll(now).unwrap();
    let newest = card(now);
    let add = |name: &str, card: &Address| alice.store.add_card(name, card.clone(), now);
    assert!(matches!(add("robert", &newest), Err(StoreError::Known(_))));
    assert_eq!(add("BOB", &newest).unwrap(), Added::Renewed);
    let known = alice.store.contact("bob").unwrap();
    assert!(known.verified && known.address.contact.prekey == newest.contact.prekey);
    assert!(alice.waiting(bob.key())[0].id == waits.id && alice.numbers(bob.key()) == number);
    assert!(alice.announcement(bob.key()).is_some(), "bob is told how alice is reached now");
    assert!(matches!(add("bob", &older), Err(StoreError::OlderCard(_))));
    // What was told before the card was made leads to where bob was.
    bob.store.announce_to("alice").unwrap();
    let told = bob.announcement(alice.key()).unwrap();
    let stale = Message {
        id: told.id,
        kind: told.kind,
        sequence: newest.version - 1,
        minutes: 0,
        expires: told.expires,
        left: None,
        body: Address { version: newest.version - 1, ..older.clone() }.encode().into(),
    };
    assert!(arrive(bob.key(), &stale, &alice, now).is_empty());
    assert_eq!(arrive(bob.key(), &told, &alice, now).len(), 1);
    let known = alice.store.contact("bob").unwrap();
    assert!(known.address.contact.prekey == newest.contact.prekey);
}

/// Checks that a restart does not forget what a contact has acknowledged, and that an incarnation
/// begins above all that the contact has heard of: a clock that was ahead may have given it.
#[test]
fn what_a_contact_has_acknowledged_outlives_a_run_and_an_incarnation_all_before_it() {
    let folder = Folder::new("acknowledged");
    let [alice, bob] = Client::pair(&folder);
    let acknowledged = Acknowledged { below: 7, whole: 5, since: 3 };
    alice.store.acknowledged(bob.key(), acknowledged).unwrap();
    let alice = alice.reopen();
    assert_eq!(resumed(&alice, bob.key()).unwrap().memory.acknowledged, acknowledged);
    let ahead = u32::try_from(START.as_secs()).unwrap() * 2;
    for least in [ahead + 1, ahead + 2] {
        alice.store.begin_again(bob.key(), ahead, START + DAY).unwrap();
        let resumed = resumed(&alice, bob.key()).unwrap();
        assert_eq!((resumed.memory.since, resumed.next >> 32), (least, u64::from(least)));
    }
}

/// Checks that a restart does not forget that a contact has shown an older copy, and a month does.
#[test]
fn who_has_shown_an_older_copy_is_told_of_for_a_month() {
    let folder = Folder::new("shown");
    let [alice, bob] = Client::pair(&folder);
    assert!(alice.store.older_copies(START).unwrap().is_empty());
    alice.store.begin_again(bob.key(), 0, START).unwrap();
    let alice = alice.reopen();
    assert!(alice.store.older_copies(START + DAY * 29).unwrap() == [bob.key()]);
    assert!(alice.store.older_copies(START + DAY * 30).unwrap().is_empty());
}
