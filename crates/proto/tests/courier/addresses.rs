//! Stories of addresses that change: another mailbox, other write keys, a contact that is removed.

use std::time::Duration;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::PrekeySecret;
use rohrpost_proto::courier::{Account, Contact, Event, OwnMailbox};
use rohrpost_proto::instruction::WriteKey;

use crate::world::{Carried, START, T, World, account, steady};
use crate::{SECOND, alice_and_bob, arrivals, count};

const MINUTE: Duration = Duration::from_secs(60);

/// Bob's account, as the world has made it.
fn bobs() -> Account {
    account(77, &[3, 4])
}

fn pulled(world: &World, courier: usize, relay: u32) -> usize {
    let relay = NodeNumber::new(relay);
    count(
        world,
        courier,
        |event| matches!(event, Event::PullAnswered { relay: from, .. } if *from == relay),
    )
}

#[test]
fn another_mailbox_takes_the_place_of_a_lost_one() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 20);
    let lost = pulled(&world, bob, 3);
    assert!(lost > 5 && pulled(&world, bob, 2) == 0);
    let mut renewed = bobs();
    renewed.mailboxes[0] = account(78, &[2]).mailboxes.remove(0);
    world.couriers[bob].renew_account(renewed);
    let contact = world.couriers[bob].contact();
    world.couriers[alice].add_contact(contact);
    world.run(START + SECOND * 25);
    let lost = pulled(&world, bob, 3);
    for number in 0..6 {
        world.post(alice, bob, &format!("message {number}"));
    }
    world.run(START + MINUTE * 3);
    assert_eq!(pulled(&world, bob, 3), lost, "the old mailbox is asked no more");
    assert!(pulled(&world, bob, 2) > 20);
    assert_eq!(arrivals(&world, bob).len(), 6);
    let relays = world.events[alice].iter().filter_map(|(_, event)| match event {
        Event::Sent { trip, .. } => trip.path.nodes().last().map(|relay| relay.get()),
        _ => None,
    });
    assert!(relays.clone().any(|relay| relay == 2) && relays.clone().all(|relay| relay != 3));
}

/// Checks that a relay sees one class of stores: under each key that a mailbox accepts come loops,
/// and under the same keys letters, of those who know the newest address and of those who do not.
#[test]
fn loops_come_under_every_write_key_and_letters_under_the_same() {
    let (mut world, alice, bob) = alice_and_bob();
    let carol = world.client(91, 1, &[2, 4]);
    let mut renewed = bobs();
    let mut rng = ChaCha20Rng::from_seed([32; 32]);
    for mailbox in &mut renewed.mailboxes {
        mailbox.predecessor =
            std::mem::replace(&mut mailbox.write_key, WriteKey::generate(&mut rng));
    }
    let keys = |own: &OwnMailbox| [own.write_key.clone(), own.predecessor.clone()];
    let mailboxes: Vec<_> = renewed.mailboxes.iter().map(|own| (own.key.id(), keys(own))).collect();
    world.couriers[bob].renew_account(renewed);
    // Carol has the newest address, alice has not heard of it.
    world.introduce(bob, carol);
    let slots = 2_000;
    let step = T * slots / 20;
    for number in 0..20 {
        world.run(START + step * number);
        world.post(alice, bob, &format!("by the old key, {number}"));
        world.post(carol, bob, &format!("by the new key, {number}"));
    }
    world.run(START + step * 20);
    let count = |from: &[usize], key: usize| {
        let fits = |carried: &&Carried| {
            let own = mailboxes.iter().find(|(id, _)| *id == carried.mailbox);
            own.is_some_and(|(_, keys)| keys[key].fits(&carried.store.write_key))
        };
        let stores = world.envelopes.iter().filter(fits);
        stores.filter(|carried| carried.from.is_some_and(|sender| from.contains(&sender))).count()
    };
    let [current, predecessor] = [count(&[bob], 0), count(&[bob], 1)];
    let all = current + predecessor;
    // An eighth of all slots are loops, one in ten of them under the predecessor; five standard
    // deviations either way.
    assert!((175..=325).contains(&all), "{all} loops");
    assert!((2..=49).contains(&predecessor), "{predecessor} of {all} loops");
    assert!(count(&[carol], 0) >= 20 && count(&[carol], 1) == 0);
    assert!(count(&[alice], 1) >= 20 && count(&[alice], 0) == 0);
    // Nothing comes under any third key.
    let to_bob =
        world.envelopes.iter().filter(|one| mailboxes.iter().any(|own| own.0 == one.mailbox));
    assert_eq!(to_bob.count(), count(&[alice, bob, carol], 0) + count(&[alice, bob, carol], 1));
    assert_eq!(arrivals(&world, bob).len(), 40);
}

/// Checks that who knows the address version before is heard in the time that the version is given,
/// and not after.
#[test]
fn old_write_keys_and_prekeys_hold_as_long_as_they_are_named() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    let mut rng = ChaCha20Rng::from_seed([31; 32]);
    let roll = |mut account: Account, rng: &mut ChaCha20Rng, keep: bool| {
        for mailbox in &mut account.mailboxes {
            let old = std::mem::replace(&mut mailbox.write_key, WriteKey::generate(rng));
            mailbox.predecessor = if keep { old } else { WriteKey::generate(rng) };
        }
        account.prekeys.insert(0, PrekeySecret::generate(rng));
        account
    };
    world.couriers[bob].renew_account(roll(bobs(), &mut rng, true));
    world.run(START + SECOND * 20);
    world.post(alice, bob, "by the old keys");
    world.run(START + SECOND * 80);
    assert_eq!(arrivals(&world, bob).len(), 1);
    let cut_off = roll(bobs(), &mut rng, false);
    world.couriers[bob].renew_account(cut_off);
    world.run(START + SECOND * 90);
    world.post(alice, bob, "too late");
    world.run(START + SECOND * 150);
    assert_eq!(arrivals(&world, bob).len(), 1, "the relays refuse it");
    // Once alice knows of the new keys, she sends the message again at once.
    let contact = world.couriers[bob].contact();
    world.couriers[alice].readdress(steady(START + SECOND * 150), contact);
    world.run(START + SECOND * 190);
    assert_eq!(arrivals(&world, bob).len(), 2);
}

/// Checks that the daily address of a contact that keeps its mailboxes has nothing leave again: what is
/// sealed to the prekey of yesterday is opened for weeks. Another mailbox, a prekey of a fortnight
/// before, one of unknown age, or the word that prekeys were lost, does.
#[test]
fn the_daily_address_of_a_contact_has_nothing_leave_again() {
    let day = |days: u64| Some(START + SECOND * 86_400 * u32::try_from(days).unwrap());
    for (made, moved, keys_since, again) in [
        (day(1), false, None, false),
        (day(11), false, None, false),
        (day(13), false, None, true),
        (None, false, None, true),
        (day(1), true, None, true),
        (day(1), false, day(1), true),
    ] {
        let (mut world, alice, bob) = alice_and_bob();
        let known = Contact { made: day(0), ..world.couriers[bob].contact() };
        world.couriers[alice].add_contact(known.clone());
        world.away = vec![bob];
        world.run(START + SECOND * 10);
        world.post(alice, bob, "once");
        world.run(START + SECOND * 120);
        let mut newer = Contact { made, keys_since, ..known };
        if moved {
            newer.mailboxes[1].relay = NodeNumber::new(1);
        }
        world.couriers[alice].readdress(steady(START + SECOND * 120), newer);
        world.run(START + SECOND * 150);
        let sent = count(&world, alice, |event| matches!(event, Event::Sent { .. }));
        assert_eq!(sent, 1 + usize::from(again), "{made:?} {moved}");
    }
}

/// Checks that what is under way leaves again in time though each address differs little from the one
/// before: a part-timer's client makes one a week.
#[test]
fn addresses_of_weeks_have_what_was_sealed_before_them_leave_again() {
    let (mut world, alice, bob) = alice_and_bob();
    let week = |weeks: u32| Some(START + SECOND * 86_400 * 7 * weeks);
    let known = world.couriers[bob].contact();
    world.couriers[alice].add_contact(Contact { made: week(0), ..known.clone() });
    world.away = vec![bob];
    world.run(START + SECOND * 10);
    world.post(alice, bob, "once");
    for (weeks, sent) in [(1, 1), (2, 2), (3, 2)] {
        // Before a first time-out.
        let now = START + SECOND * (40 + 30 * weeks);
        world.run(now);
        let newer = Contact { made: week(weeks), ..known.clone() };
        world.couriers[alice].readdress(steady(now), newer);
        world.run(now + SECOND * 20);
        let left = count(&world, alice, |event| matches!(event, Event::Sent { .. }));
        assert_eq!(left, sent, "after {weeks} weeks");
    }
}

#[test]
fn a_contact_that_is_struck_off_is_neither_written_to_nor_heard_nor_answered() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    world.post(bob, alice, "waits");
    let key = world.key_id(alice);
    world.couriers[bob].remove_contact(key);
    world.post(alice, bob, "hello?");
    world.run(START + MINUTE * 4);
    assert!(arrivals(&world, bob).is_empty() && arrivals(&world, alice).is_empty());
    assert_eq!(world.couriers[bob].outbox_len(), 0);
    assert!(count(&world, bob, |event| matches!(event, Event::Stranger { .. })) >= 1);
    let sent = |event: &Event| matches!(event, Event::Sent { .. });
    assert_eq!(count(&world, bob, sent), 0);
    let delivered = |event: &Event| matches!(event, Event::Delivered { .. });
    assert_eq!(count(&world, alice, delivered), 0);
}

/// Checks that nothing goes to a contact from the moment on in which it is removed, also what was
/// ready for the next slot.
#[test]
fn a_ready_letter_to_a_contact_that_is_removed_does_not_leave() {
    let (mut world, alice, bob) = alice_and_bob();
    let mailboxes: Vec<_> = bobs().mailboxes.iter().map(|own| own.key.id()).collect();
    let written = |world: &World| {
        let from_alice = world.envelopes.iter().filter(|one| one.from == Some(alice));
        from_alice.filter(|one| mailboxes.contains(&one.mailbox)).count()
    };
    let (key, card) = (world.key_id(bob), world.couriers[bob].contact());
    let mut now = START + SECOND * 5;
    for _ in 0..24 {
        world.run(now);
        for number in 0..4 {
            world.post(alice, bob, &format!("letter {number}"));
        }
        world.run(now + T * 6);
        world.couriers[alice].remove_contact(key);
        world.couriers[alice].prepare(steady(now + T * 6));
        let (before, slots) = (written(&world), world.departures[alice].len());
        world.run(now + T * 9);
        assert_eq!((written(&world), world.departures[alice].len()), (before, slots + 3));
        world.couriers[alice].add_contact(card.clone());
        // An odd number of slots, so that every other round ends before a payload slot.
        now = now + T * 11;
    }
    assert!(written(&world) > 24);
    assert_eq!(count(&world, alice, |event| matches!(event, Event::Skipped { .. })), 0);
}

/// Checks that a mailbox whose write key changes goes on answering the pulls before, and that no
/// loop is expected back before the relay has heard of the new key.
#[test]
fn a_write_key_that_changes_costs_no_answer() {
    let (mut world, _, bob) = alice_and_bob();
    world.run(START + SECOND * 20);
    let mut renewed = bobs();
    let mut rng = ChaCha20Rng::from_seed([33; 32]);
    for mailbox in &mut renewed.mailboxes {
        let new = WriteKey::generate(&mut rng);
        mailbox.predecessor = std::mem::replace(&mut mailbox.write_key, new);
    }
    world.couriers[bob].renew_account(renewed);
    world.couriers[bob].prepare(steady(START + SECOND * 20));
    let before = [3, 4].map(|relay| pulled(&world, bob, relay));
    world.run(START + SECOND * 25);
    let answers = [3, 4].map(|relay| pulled(&world, bob, relay));
    assert!(answers.iter().zip(before).all(|(now, before)| now - before >= 4), "{answers:?}");
    world.run(START + MINUTE * 3);
    assert_eq!(count(&world, bob, |event| matches!(event, Event::LoopLost { .. })), 0);
    assert!(count(&world, bob, |event| matches!(event, Event::LoopReturned { .. })) > 20);
}

/// Checks that a pull that is ready does not leave once the write keys that it names have changed:
/// it would have the relay accept for another second what a blocked contact stores.
#[test]
fn a_ready_pull_does_not_leave_when_write_keys_have_changed() {
    let (mut world, _, bob) = alice_and_bob();
    let mut rng = ChaCha20Rng::from_seed([34; 32]);
    let mut pulls = 0;
    for number in 1..=16 {
        let now = START + SECOND * 5 + T * number;
        world.run(now);
        let courier = &mut world.couriers[bob];
        let mut renewed = bobs();
        for mailbox in &mut renewed.mailboxes {
            mailbox.write_key = WriteKey::generate(&mut rng);
        }
        courier.renew_account(renewed);
        let slot = courier.poll_timeout().reading().slot(T);
        pulls += usize::from(slot.pulls());
        assert!(!(slot.pulls() && courier.is_ready()), "slot {}", slot.number());
        courier.prepare(steady(now));
        assert!(courier.is_ready());
    }
    assert!(pulls >= 8);
    assert_eq!(count(&world, bob, |event| matches!(event, Event::Skipped { .. })), 0);
}
