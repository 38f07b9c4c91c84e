//! Stories of acknowledgements, and of who can draw them.

use std::time::Duration;

use rohrpost_packet::envelope::MessageId;
use rohrpost_proto::courier::{Event, Memory, Message};
use rohrpost_proto::time::Time;

use crate::world::{START, World, message, told};
use crate::{SECOND, alice_and_bob, arrivals, count};

const MINUTE: Duration = Duration::from_secs(60);

/// Times at which envelopes of one courier were at the mailboxes of another: of bob, who writes
/// nothing, these are acknowledgements.
fn envelopes(world: &World, from: usize, to: usize) -> Vec<Time> {
    let mailboxes = world.couriers[to].contact().mailboxes;
    let between = world.envelopes.iter().filter(|carried| {
        carried.from == Some(from) && mailboxes.iter().any(|known| known.id == carried.mailbox)
    });
    between.map(|carried| carried.at).collect()
}

/// A relay serves one letter again every ten minutes, also after the recipient was started anew. It
/// is acknowledged to the relay each time, and to its sender once.
#[test]
pub(crate) fn a_letter_that_is_served_again_draws_no_acknowledgement() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    let posted = world.post(alice, bob, "guten Tag");
    world.run(START + MINUTE * 3);
    assert_eq!((envelopes(&world, alice, bob).len(), envelopes(&world, bob, alice).len()), (1, 1));
    let own: Vec<_> =
        world.couriers[bob].contact().mailboxes.iter().map(|mailbox| mailbox.id).collect();
    let letter = world
        .envelopes
        .iter()
        .position(|carried| carried.from == Some(alice) && own.contains(&carried.mailbox))
        .unwrap();
    for round in 1..=3 {
        if round == 3 {
            world.restart_clients();
            world.introduce(alice, bob);
            let sender = world.key_id(alice);
            let told = vec![told(0, posted)];
            let memory = Memory { below: 1, told, ..Memory::default() };
            world.couriers[bob].resume(sender, 0, 0, &memory);
            world.run(START + MINUTE * 24);
        }
        world.serve_again(&world.envelopes[letter]);
        world.run(START + MINUTE * (3 + 10 * round));
        assert_eq!(envelopes(&world, bob, alice).len(), 1, "served again {round} times");
        // The relay is told.
        world.check_removal();
    }
    assert_eq!(arrivals(&world, bob).len(), 1);
}

/// A letter that leaves again is sealed anew: its sender has not heard that it came, and is told.
#[test]
fn a_letter_that_leaves_again_draws_another_acknowledgement() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    let posted = world.post(alice, bob, "guten Tag");
    world.run(START + SECOND * 20);
    assert_eq!(arrivals(&world, bob).len(), 1);
    world.leaky = true;
    world.run(START + SECOND * 100);
    assert_eq!(envelopes(&world, bob, alice).len(), 1, "it is lost");
    world.leaky = false;
    world.run(START + MINUTE * 5);
    assert_eq!((envelopes(&world, alice, bob).len(), envelopes(&world, bob, alice).len()), (2, 2));
    assert_eq!(count(&world, bob, |event| matches!(event, Event::Repeated { .. })), 1);
    let delivered =
        |event: &Event| matches!(event, Event::Delivered { message } if *message == posted);
    assert_eq!(count(&world, alice, delivered), 1);
}

/// Hands a sender a message that it has delivered before.
fn post_again(world: &mut World, from: usize, to: usize, id: MessageId) {
    let to = world.key_id(to);
    let again = Message { id, ..message("guten Tag", 0) };
    world.couriers[from].post(to, again).unwrap();
}

/// A sender that colludes with its contact's relay sends one letter again a hundred times, each
/// time sealed anew.
#[test]
fn letters_without_news_draw_one_acknowledgement_per_time_out() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    let id = world.post(alice, bob, "guten Tag");
    world.run(START + MINUTE * 4);
    assert_eq!(envelopes(&world, bob, alice).len(), 1);
    // By this roster a first time-out is 80 s, 50 s, and twice 5.3 s: 2 minutes and 20 s.
    let begin = START + MINUTE * 4;
    let mut repeated = 0;
    for second in 0..100 {
        let card = world.couriers[bob].contact();
        let key = world.key_id(bob);
        world.couriers[alice].remove_contact(key);
        world.couriers[alice].add_contact(card);
        post_again(&mut world, alice, bob, id);
        world.run(begin + SECOND * second);
        repeated = count(&world, bob, |event| matches!(event, Event::Repeated { .. }));
    }
    world.run(begin + SECOND * 140);
    let again = envelopes(&world, bob, alice).len() - 1;
    assert!(repeated >= 30, "{repeated} letters came again");
    assert_eq!(again, 1, "for {repeated} letters");
}

/// A client that is stopped before its acknowledgement leaves owes it in its next run, and says when
/// it has left.
#[test]
fn an_acknowledgement_that_is_owed_leaves_after_a_restart() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    let posted = world.post(alice, bob, "guten Tag");
    world.run(START + SECOND * 25);
    assert_eq!((arrivals(&world, bob).len(), envelopes(&world, bob, alice).len()), (1, 0));
    let sent = |event: &Event| matches!(event, Event::AcknowledgementSent { .. });
    assert_eq!(count(&world, bob, sent), 0);
    world.restart_clients();
    world.introduce(alice, bob);
    let told = vec![told(0, posted)];
    let memory = Memory { below: 1, told, owes: true, ..Memory::default() };
    let sender = world.key_id(alice);
    world.couriers[bob].resume(sender, 0, 0, &memory);
    world.run(START + MINUTE * 12);
    assert_eq!(envelopes(&world, bob, alice).len(), 1);
    assert_eq!(count(&world, bob, sent), 1);
}

/// Has alice write to bob, whose acknowledgement is lost, and gives the message.
fn acknowledged_in_vain(world: &mut World, alice: usize, bob: usize) -> MessageId {
    world.run(START + SECOND * 10);
    let posted = world.post(alice, bob, "guten Tag");
    world.run(START + SECOND * 20);
    world.leaky = true;
    let sent = |event: &Event| matches!(event, Event::AcknowledgementSent { .. });
    let left = world.run_until(START + MINUTE * 10, |world| count(world, bob, sent) > 0);
    world.run(left + SECOND * 3);
    world.leaky = false;
    posted
}

fn deliveries(world: &World, of: usize, posted: MessageId) -> usize {
    count(world, of, |event| matches!(event, Event::Delivered { message } if *message == posted))
}

/// An acknowledgement is lost with the memory of a relay, and the next one as well, if two people
/// never work on the same days. Whatever reaches the sender says what has been acknowledged.
#[test]
fn any_letter_repeats_what_was_acknowledged() {
    let (mut world, alice, bob) = alice_and_bob();
    let posted = acknowledged_in_vain(&mut world, alice, bob);
    assert_eq!(deliveries(&world, alice, posted), 0);
    let from = world.post(bob, alice, "zu etwas anderem");
    let come = |event: &Event| match event {
        Event::Arrived { fragment, .. } => fragment.message == from,
        _ => false,
    };
    let now = world.now;
    world.run_until(now + MINUTE, |world| count(world, alice, come) > 0);
    assert_eq!(deliveries(&world, alice, posted), 1);
    let again = |event: &Event| matches!(event, Event::Sent { again: 1.., .. });
    assert_eq!(count(&world, alice, again), 0);
}

/// A client that is started anew goes on repeating what it has acknowledged, and nothing else: what
/// it still owes is told by an acknowledgement alone, at the time that is drawn for it.
#[test]
fn a_letter_of_the_next_run_repeats_what_was_acknowledged() {
    for owes in [false, true] {
        let (mut world, alice, bob) = alice_and_bob();
        let posted = acknowledged_in_vain(&mut world, alice, bob);
        let other = world.copy(bob, 77, 2, 0);
        let sender = world.key_id(alice);
        let card = world.couriers[alice].contact();
        world.couriers[other].add_contact(card);
        let told = vec![told(0, posted)];
        let memory = Memory { below: 1, told, owes, ..Memory::default() };
        world.couriers[other].resume(sender, 0, 0, &memory);
        world.away = vec![bob];
        world.post(other, alice, "zu etwas anderem");
        let now = world.now;
        let sent = |event: &Event| matches!(event, Event::AcknowledgementSent { .. });
        let come = |event: &Event| matches!(event, Event::Arrived { .. });
        world.run_until(now + MINUTE, |world| count(world, alice, come) > 0);
        let acknowledged = count(&world, other, sent) > 0;
        assert_eq!(deliveries(&world, alice, posted) == 1, acknowledged || !owes, "{owes}");
    }
}

/// A client that goes on from an older copy numbers its messages anew. What a letter repeats of the old
/// numbers says nothing of the new ones: that the contact had them would be news to it.
#[test]
fn a_letter_repeats_nothing_of_a_message_that_has_another_number() {
    let (mut world, alice, bob) = alice_and_bob();
    let posted = acknowledged_in_vain(&mut world, alice, bob);
    world.away = vec![alice];
    let copy = world.copy(alice, 78, 1, 1);
    let (reader, card) = (world.key_id(bob), world.couriers[bob].contact());
    world.couriers[copy].add_contact(card);
    let begin = 1 << 32;
    world.couriers[copy].resume(reader, begin, begin, &Memory::default());
    let again = Message { id: posted, ..message("guten Tag", begin) };
    world.couriers[copy].post(reader, again).unwrap();
    world.mute = vec![copy];
    world.post(bob, alice, "zu etwas anderem");
    let come = |event: &Event| matches!(event, Event::Arrived { .. });
    let now = world.now;
    world.run_until(now + MINUTE, |world| count(world, copy, come) > 0);
    assert_eq!(deliveries(&world, copy, posted), 0);
}

/// What has come is told at the time that is drawn for it, and no sooner by a letter that leaves
/// before.
#[test]
fn a_letter_says_nothing_that_no_acknowledgement_has_said() {
    let (mut world, alice, bob) = alice_and_bob();
    let mut waits = 0;
    for number in 0..20 {
        let (arrived, heard) = (arrivals(&world, bob).len(), arrivals(&world, alice).len());
        let letters = envelopes(&world, bob, alice).len();
        let posted = world.post(alice, bob, &format!("{number} there"));
        let now = world.now;
        let now = world.run_until(now + MINUTE, |world| arrivals(world, bob).len() > arrived);
        world.post(bob, alice, &format!("{number} back"));
        world.run_until(now + MINUTE, |world| arrivals(world, alice).len() > heard);
        let alone = envelopes(&world, bob, alice).len() == letters + 1;
        assert!(!alone || deliveries(&world, alice, posted) == 0, "the answer alone tells it");
        waits += usize::from(alone);
    }
    assert!(waits > 10, "most answers are sooner than the acknowledgement: {waits}");
}
