//! Write keys: how long they last, whom they let in, and how a blocked contact is cut off.

use std::time::Duration;

use rohrpost_client::{Address, Content, DeliveryStatus};
use rohrpost_proto::courier::{Contact, OwnMailbox};

use super::world::{Client, DAY, Folder, HOUR, SECOND, START, announce, body, carry};

/// Write keys that each of a client's mailboxes accepts, the one that all are told first.
fn accepted(client: &Client) -> Vec<[[u8; 32]; 2]> {
    let keys = |own: &OwnMailbox| [&own.write_key, &own.predecessor].map(|key| *key.expose());
    client.store.profile().unwrap().account.mailboxes.iter().map(keys).collect()
}

/// The mailboxes whose write keys differ.
fn changed(before: &[[[u8; 32]; 2]], after: &[[[u8; 32]; 2]]) -> Vec<usize> {
    (0..before.len()).filter(|at| before[*at][0] != after[*at][0]).collect()
}

/// True if a client's mailbox lets in whoever knows this contact of it.
fn lets_in(client: &Client, known: &Contact, mailbox: usize) -> bool {
    accepted(client)[mailbox].contains(known.mailboxes[mailbox].write_key.expose())
}

#[test]
fn the_roll_of_prekeys_leaves_write_keys_alone() {
    let folder = Folder::new("alone");
    let alice = Client::new(&folder, "alice");
    let mut before = accepted(&alice);
    let (mut current_since, mut changes) = ([None; 2], [0; 2]);
    for day in 1..=700_u32 {
        alice.store.roll(START + DAY * day).unwrap();
        let after = accepted(&alice);
        for at in changed(&before, &after) {
            assert!(after[at][1] == before[at][0], "the key before is the predecessor");
            if let Some(since) = current_since[at] {
                assert!((162..=193).contains(&(day - since)), "a key lasted {} days", day - since);
            }
            (current_since[at], changes[at]) = (Some(day), changes[at] + 1);
        }
        for at in (0..2).filter(|at| before[*at][0] == after[*at][0]) {
            assert!(before[at] == after[at], "a predecessor stays as long as the key after it");
        }
        assert!(changed(&before, &after).len() < 2);
        before = after;
    }
    assert!(changes.iter().all(|changes| (3..=5).contains(changes)), "{changes:?}");
}

#[test]
fn contacts_cards_and_loops_have_one_write_key() {
    let folder = Folder::new("one-key");
    let [alice, bob] = Client::pair(&folder);
    for day in 1..=200 {
        alice.store.roll(START + DAY * day).unwrap();
        announce(&alice, START + DAY * day);
        carry(&alice, &bob, START + DAY * day);
        let own = accepted(&alice);
        let known = bob.store.contact("alice").unwrap().address.contact;
        let card = alice.card(START + DAY * day);
        for (at, keys) in own.iter().enumerate() {
            assert!(known.mailboxes[at].write_key.expose() == &keys[0]);
            assert!(card.mailboxes[at].write_key.expose() == &keys[0]);
        }
    }
}

/// Checks that a relay never sees two mailboxes change at one time: not when their times come near
/// each other, and not when both have passed while the client was off.
#[test]
fn two_mailboxes_never_change_their_write_keys_together() {
    let folder = Folder::new("apart");
    for client in 0..4 {
        let alice = Client::new(&folder, &format!("alice-{client}"));
        let mut now = START;
        let mut changes: Vec<(Duration, usize)> = Vec::new();
        for absence in 0..3 {
            now += DAY * 200;
            // Both keys are over by now. The client stays for two days.
            for half_hour in 0..96 {
                let before = accepted(&alice);
                let at = now + HOUR / 2 * half_hour;
                alice.store.roll(at).unwrap();
                let changed = changed(&before, &accepted(&alice));
                assert!(changed.len() < 2, "both at once");
                changes.extend(changed.iter().map(|mailbox| (at, *mailbox)));
            }
            assert_eq!(changes.len(), 2 * (absence + 1), "both have changed");
        }
        for pair in changes.chunks(2) {
            let [(first, one), (second, other)] = pair else { panic!("changes come in pairs") };
            assert!(one != other);
            assert!(*second - *first >= HOUR * 12 && *second - *first <= HOUR * 37);
        }
    }
}

#[test]
fn contacts_that_were_away_in_turn_reach_each_other() {
    let folder = Folder::new("in-turn");
    let [alice, bob] = Client::pair(&folder);
    // Alice is off from day 0 to 20, bob from day 3 to 26: by then nothing is left in mailboxes.
    assert!(bob.store.roll(START + DAY * 3).unwrap());
    [20, 23, 26].iter().for_each(|day| assert!(alice.store.roll(START + DAY * *day).unwrap()));
    let now = START + DAY * 26;
    bob.store.roll(now).unwrap();
    let known = |at: &Client, name| at.store.contact(name).unwrap().address.contact;
    let lets_in_all = |owner: &Client, known: &Contact| (0..2).all(|at| lets_in(owner, known, at));
    let opens = |owner: &Client, known: &Contact| {
        let account = owner.store.profile().unwrap().account;
        account.prekeys.iter().any(|prekey| *prekey.public() == known.prekey)
    };
    let [of_alice, of_bob] = [known(&bob, "alice"), known(&alice, "bob")];
    assert!(lets_in_all(&alice, &of_alice) && lets_in_all(&bob, &of_bob));
    // Bob's prekey of day 0 is gone; alice has hers, for she has not been back for a week.
    assert!(opens(&alice, &of_alice) && !opens(&bob, &of_bob));
    announce(&bob, now);
    carry(&bob, &alice, now);
    let of_bob = known(&alice, "bob");
    assert!(lets_in_all(&bob, &of_bob) && opens(&bob, &of_bob), "alice has heard from bob");
    announce(&alice, now);
    carry(&alice, &bob, now);
    let of_alice = known(&bob, "alice");
    assert!(lets_in_all(&alice, &of_alice) && opens(&alice, &of_alice));
}

#[test]
fn a_blocked_contact_is_cut_off_and_nobody_else() {
    let folder = Folder::new("blocked");
    let [alice, bob] = Client::pair(&folder);
    let carol = Client::new(&folder, "carol");
    alice.store.add_contact("carol", carol.card(START), START).unwrap();
    carol.store.add_contact("alice", alice.card(START), START).unwrap();
    carry(&alice, &carol, START);
    let waiting = alice.store.accept("bob", &Content::text("x"), DAY, START + HOUR).unwrap();
    let bobs = bob.store.contact("alice").unwrap().address.contact;
    let before = accepted(&alice);

    let blocked = START + HOUR;
    assert!(alice.store.block("bob", blocked).unwrap() == bob.key());
    let alice = alice.reopen();
    assert!(accepted(&alice) == before, "nothing changes without a link");
    assert!(alice.waiting(bob.key()).is_empty());
    assert_eq!(alice.status(waiting.id), Some(DeliveryStatus::Undeliverable));

    let (mut cut_off, mut last) = (Vec::new(), before.clone());
    for minute in 0..37 * 60 {
        let now = blocked + SECOND * 60 * minute;
        alice.store.roll(now).unwrap();
        if !alice.store.announce(1, now).unwrap().is_empty() {
            carry(&alice, &carol, now);
        }
        let after = accepted(&alice);
        for at in changed(&last, &after) {
            assert!(after[at].iter().all(|key| !before[at].contains(key)), "an old key stays");
            assert!(!lets_in(&alice, &bobs, at));
            cut_off.push((now, at));
        }
        last = after;
        // Carol always finds a mailbox, but for the time until she hears of the first.
        let carols = carol.store.contact("alice").unwrap().address.contact;
        assert!((0..2).any(|at| lets_in(&alice, &carols, at)), "carol is shut out");
    }
    let [(first, one), (second, other)] = cut_off[..] else { panic!("{} changes", cut_off.len()) };
    assert_eq!(first, blocked, "one mailbox is closed to bob at once");
    assert!(one != other && second - first >= HOUR * 12 && second - first <= HOUR * 36);
    assert!(alice.announcement(bob.key()).is_none(), "bob hears nothing");
    let names = alice.store.contacts().unwrap();
    let is_blocked = |name: &str| names.iter().find(|known| known.name == name).unwrap().blocked();
    assert!(is_blocked("bob") && !is_blocked("carol"));
    let sessions = alice.store.correspondents().unwrap();
    assert!(sessions.len() == 1 && sessions[0].contact.identity.key_id() == carol.key());
}

/// Checks that a contact that is blocked before the first link, while the machine's clock is a month
/// ahead, is cut off as soon as there is one.
#[test]
fn a_block_by_a_clock_that_is_ahead_takes_effect_at_the_first_link() {
    let folder = Folder::new("block-ahead");
    let [alice, bob] = Client::pair(&folder);
    let bobs = bob.store.contact("alice").unwrap().address.contact;
    alice.store.block("bob", START + DAY * 30).unwrap();
    alice.store.roll(START + HOUR).unwrap();
    let shut = || (0..2).filter(|at| !lets_in(&alice, &bobs, *at)).count();
    assert_eq!(shut(), 1);
    for hour in 2..=38 {
        alice.store.roll(START + HOUR * hour).unwrap();
    }
    assert_eq!(shut(), 2);
}

#[test]
fn a_second_block_closes_a_mailbox_at_once_and_does_not_put_the_other_off() {
    let folder = Folder::new("two-blocks");
    let [alice, bob] = Client::pair(&folder);
    let eve = Client::new(&folder, "eve");
    alice.store.add_contact("eve", eve.card(START), START).unwrap();
    alice.store.block("bob", START).unwrap();
    alice.store.roll(START).unwrap();
    let first = accepted(&alice);
    let eves = alice.card(START);
    let soon = START + SECOND * 60;
    alice.store.block("eve", soon).unwrap();
    alice.store.roll(soon).unwrap();
    let second = accepted(&alice);
    assert_eq!(changed(&first, &second).len(), 1, "the mailbox that had changed changes again");
    let shut: Vec<_> = (0..2).filter(|at| !lets_in(&alice, &eves, *at)).collect();
    assert_eq!(shut, changed(&first, &second));
    for hour in 1..=40 {
        alice.store.roll(soon + HOUR * hour).unwrap();
    }
    assert!((0..2).all(|at| !lets_in(&alice, &eves, at)));
    drop(bob);
}

/// Checks that an address opens a way to its owner for as long as two people can hear nothing of each
/// other who are both on leave of sixty days, the one as the other is back, and then work on different
/// days of the week.
#[test]
fn what_an_address_tells_outlasts_two_leaves_in_turn() {
    let folder = Folder::new("two-leaves");
    let alice = Client::new(&folder, "alice");
    let mut told = Vec::new();
    for day in 0..450 {
        alice.store.roll(START + DAY * day).unwrap();
        told.push(alice.card(START + DAY * day));
        let own = accepted(&alice);
        let last_resort = alice.store.profile().unwrap().account.last_resort;
        for known in told.iter().rev().take(163) {
            let known_last = known.last_resort.as_ref().unwrap().id();
            assert!(last_resort.iter().any(|own| own.public().id() == known_last), "day {day}");
            for (mailbox, keys) in known.mailboxes.iter().zip(&own) {
                assert!(keys.contains(mailbox.write_key.expose()), "day {day}");
            }
        }
    }
    let own = accepted(&alice);
    let first = told[0].mailboxes.iter().zip(own);
    for (mailbox, keys) in first {
        assert!(!keys.contains(mailbox.write_key.expose()), "it ends at last");
    }
}

#[test]
fn the_address_after_a_change_has_the_new_key_and_comes_once() {
    let folder = Folder::new("told-key");
    let [alice, bob] = Client::pair(&folder);
    let day = START + DAY * 200;
    alice.store.roll(day).unwrap();
    announce(&alice, day);
    let told = alice.announcement(bob.key()).expect("a prekey and a write key");
    let address = Address::decode(body(&told)).unwrap();
    let own = accepted(&alice);
    for (at, mailbox) in address.contact.mailboxes.iter().enumerate() {
        assert!(*mailbox.write_key.expose() == own[at][0]);
    }
}
