//! Stories of messages that must not be lost: acknowledgement, time-outs, order, files, restarts.

use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{Kind, MessageId, fragment_body_len};
use rohrpost_packet::{Classic, envelope::FragmentPosition};
use rohrpost_proto::courier::{Acknowledged, Event, Memory, Part, PastFlights};

use crate::world::{START, T, World, file, file_bytes, message, steady, told};
use crate::{SECOND, alice_and_bob, count};

const MINUTE: Duration = Duration::from_secs(60);

/// Messages that a courier has told are complete, in that order.
fn completed(world: &World, courier: usize) -> Vec<MessageId> {
    let complete = |event: &Event| match event {
        Event::Complete { messages, .. } => {
            messages.iter().map(|complete| complete.message).collect()
        }
        _ => Vec::new(),
    };
    world.events[courier].iter().flat_map(|(_, event)| complete(event)).collect()
}

fn delivered(world: &World, courier: usize) -> Vec<MessageId> {
    let delivered = |event: &Event| match event {
        Event::Delivered { message } => Some(*message),
        _ => None,
    };
    world.events[courier].iter().filter_map(|(_, event)| delivered(event)).collect()
}

fn sent(world: &World, courier: usize) -> usize {
    count(world, courier, |event| matches!(event, Event::Sent { .. }))
}

/// Relays at which what a courier has sent was to be stored, in that order.
fn relays(world: &World, courier: usize) -> Vec<NodeNumber> {
    let relay = |event: &Event| match event {
        Event::Sent { trip, .. } => trip.path.nodes().into_iter().last(),
        _ => None,
    };
    world.events[courier].iter().filter_map(|(_, event)| relay(event)).collect()
}

#[test]
fn a_message_is_delivered_when_the_other_client_has_said_so() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    let message = world.post(alice, bob, "guten Tag");
    world.run(START + MINUTE * 5);
    assert!(delivered(&world, alice) == [message] && completed(&world, bob) == [message]);
    assert_eq!((world.couriers[alice].outbox_len(), sent(&world, alice)), (0, 1));
    assert_eq!(count(&world, bob, |event| matches!(event, Event::Delivered { .. })), 0);
}

#[test]
fn what_is_not_kept_is_not_acknowledged() {
    let (mut world, alice, bob) = alice_and_bob();
    world.keeps = false;
    let message = world.post(alice, bob, "not yet");
    world.run(START + MINUTE * 8);
    assert!(delivered(&world, alice).is_empty() && completed(&world, bob).is_empty());
    let arrived = count(&world, bob, |event| matches!(event, Event::Arrived { .. }));
    assert!(arrived >= 2, "a fragment is handed over until it is kept, {arrived} times");
    let receipts: Vec<_> =
        world.events[bob].iter().filter_map(|(_, event)| event.receipt().copied()).collect();
    world.couriers[bob].commit(steady(START + MINUTE * 8), &receipts[0]);
    world.run(START + MINUTE * 15);
    assert!(delivered(&world, alice) == [message]);
}

/// Checks that a relay still has a letter whose recipient's application ends without having stored
/// it, as one does whose disk is full.
#[test]
fn what_was_opened_and_not_stored_is_served_to_the_next_run() {
    let (mut world, alice, bob) = alice_and_bob();
    world.keeps = false;
    world.run(START + SECOND * 10);
    world.post(alice, bob, "not stored");
    let arrived = |world: &World| count(world, bob, |event| matches!(event, Event::Arrived { .. }));
    let mut now = START + SECOND * 10;
    while arrived(&world) == 0 {
        now = now + T;
        assert!(now < START + MINUTE * 2);
        world.run(now);
    }
    now = now + SECOND * 4;
    world.run(now);
    // The sender forgets it, too: nobody but the relay has it.
    world.restart_clients();
    world.introduce(alice, bob);
    world.keeps = true;
    world.run(now + MINUTE);
    assert_eq!(arrived(&world), 2);
    world.run(now + MINUTE * 3);
    assert_eq!(arrived(&world), 2, "once it is stored, the relay hears so");
}

#[test]
fn what_is_lost_on_the_way_leaves_again_until_it_arrives() {
    let (mut world, alice, bob) = alice_and_bob();
    world.leaky = true;
    let message = world.post(alice, bob, "again");
    world.run(START + MINUTE * 8);
    assert!(sent(&world, alice) >= 1 && completed(&world, bob).is_empty());
    world.leaky = false;
    world.run(START + MINUTE * 20);
    assert!(delivered(&world, alice) == [message] && completed(&world, bob) == [message]);
    let again = |event: &Event| matches!(event, Event::Sent { again: 1.., .. });
    assert!(count(&world, alice, again) >= 1);
}

#[test]
fn a_relay_that_loses_its_memory_costs_no_time_out() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    // Both mailboxes of bob lose what they hold before he can fetch it.
    world.deaf = true;
    let message = world.post(alice, bob, "held");
    world.run(START + SECOND * 40);
    assert_eq!(sent(&world, alice), 1);
    world.restart_relays(&[3, 4]);
    world.deaf = false;
    world.run(START + SECOND * 90);
    let arrived = count(&world, bob, |event| matches!(event, Event::Arrived { .. }));
    assert_eq!((arrived, sent(&world, alice)), (1, 2));
    world.run(START + MINUTE * 8);
    assert!(delivered(&world, alice) == [message]);
}

/// An entry relay leaves the relays of bob's mailboxes out of its documents while they change their
/// keys at the due time. Were that a loss of memory, alice would send all that waits there again at
/// once, and show the relay of the mailboxes where she enters.
#[test]
pub(crate) fn a_relay_that_is_left_out_over_its_change_of_keys_has_lost_nothing() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    world.deaf = true;
    world.post(alice, bob, "held");
    world.run(START + SECOND * 40);
    let before = world.view(&[]);
    let epoch = u32::try_from(before.roster().directory.epoch.as_secs()).unwrap();
    world.change_keys(&[3, 4], epoch);
    let mut at = START + SECOND * 40;
    let mut sent_after = |world: &mut World, views: &[_]| {
        for view in views {
            world
                .couriers
                .iter_mut()
                .for_each(|courier| courier.handle_view(steady(at), Arc::clone(view)));
        }
        at = at + SECOND * 40;
        world.run(at);
        sent(world, alice)
    };
    let (without, regular) = (world.view(&[3, 4]), world.view(&[]));
    assert_eq!(sent_after(&mut world, &[without, Arc::clone(&regular)]), 1, "left out");
    world.change_keys(&[3, 4], 60);
    let early = world.view(&[]);
    assert_eq!(sent_after(&mut world, &[Arc::clone(&early)]), 2, "started anew");
    let replayed = [before, Arc::clone(&early), regular, early];
    assert_eq!(sent_after(&mut world, &replayed), 2, "the same told of once more");
}

/// Checks that nothing leaves for a mailbox that its owner has not pulled yet: a relay refuses what
/// is for it.
#[test]
fn nothing_leaves_for_a_mailbox_that_cannot_be_there_again() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    world.restart_relays(&[3]);
    for number in 0..6 {
        world.post(alice, bob, &format!("message {number}"));
    }
    world.run(START + SECOND * 24);
    let relays = relays(&world, alice);
    assert!(relays.len() == 6 && relays.iter().all(|relay| relay.get() == 4), "{relays:?}");
    world.restart_relays(&[3, 4]);
    world.post(alice, bob, "later");
    world.run(START + SECOND * 38);
    let sent_before = sent(&world, alice);
    world.run(START + SECOND * 75);
    assert!(sent_before == 6 && sent(&world, alice) > 6, "{sent_before}");
    let arrived = count(&world, bob, |event| matches!(event, Event::Arrived { .. }));
    assert_eq!(arrived, 7);
}

#[test]
fn messages_are_told_of_in_the_order_of_posting() {
    let (mut world, alice, bob) = alice_and_bob();
    world.lost_every = 3;
    let posted: Vec<_> =
        (0..12).map(|number| world.post(alice, bob, &format!("message {number}"))).collect();
    world.run(START + MINUTE * 25);
    assert!(completed(&world, bob) == posted);
    assert_eq!(world.couriers[alice].outbox_len(), 0);
}

#[test]
fn a_file_arrives_whole_over_lossy_links() {
    let (mut world, alice, bob) = alice_and_bob();
    world.lost_every = 10;
    let (to, len) = (world.key_id(bob), 150 * fragment_body_len::<Classic>());
    world.couriers[alice].post(to, file(7, len, 0)).unwrap();
    world.run(START + MINUTE * 25);
    let mut parts: Vec<_> = world.events[bob]
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Arrived { fragment, .. } => {
                Some((fragment.position.index, fragment.body.to_vec()))
            }
            _ => None,
        })
        .collect();
    parts.sort();
    assert_eq!(parts.len(), 150, "each fragment is handed over once");
    assert!(parts.into_iter().flat_map(|(_, body)| body).eq(file_bytes(7).take(len)));
    assert_eq!(completed(&world, bob).len(), 1);
    assert_eq!(world.couriers[alice].outbox_len(), 0);
    // A tenth is lost and leaves again; what was acknowledged does not.
    let sent = sent(&world, alice);
    assert!((151..230).contains(&sent), "{sent} fragments left");
}

#[test]
fn an_expired_message_is_reported_and_does_not_hold_up_the_next() {
    let (mut world, alice, bob) = alice_and_bob();
    world.leaky = true;
    let to = world.key_id(bob);
    let mut short = message("too late", 0);
    short.expires = START + MINUTE * 5;
    let expired = short.id;
    world.couriers[alice].post(to, short).unwrap();
    let next = world.post(alice, bob, "in time");
    world.run(START + MINUTE * 7);
    world.leaky = false;
    world.run(START + MINUTE * 25);
    let told = |event: &Event| matches!(event, Event::Expired { message } if *message == expired);
    assert_eq!(count(&world, alice, told), 1);
    assert!(completed(&world, bob) == [next]);
    assert!(delivered(&world, alice) == [next], "what has expired is over");
    assert_eq!(world.couriers[alice].outbox_len(), 0);
}

#[test]
fn both_sides_go_on_after_a_restart() {
    let (mut world, alice, bob) = alice_and_bob();
    let (to, len) = (world.key_id(bob), 40 * fragment_body_len::<Classic>());
    world.couriers[alice].post(to, file(9, len, 0)).unwrap();
    world.run(START + SECOND * 30);
    let kept: Vec<_> = world.events[bob]
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Arrived { fragment, .. } => Some(Part::of(fragment)),
            _ => None,
        })
        .collect();
    assert!((1..39).contains(&kept.len()), "{} fragments in half a minute", kept.len());
    let before = kept.len();
    world.restart_clients();
    world.introduce(alice, bob);
    let sender = world.key_id(alice);
    let memory = Memory { parts: kept, ..Memory::default() };
    world.couriers[bob].resume(sender, 0, 0, &memory);
    world.couriers[alice].resume(to, 0, 1, &Memory::default());
    world.couriers[alice].post(to, file(9, len, 0)).unwrap();
    world.run(START + MINUTE * 15);
    let arrived = count(&world, bob, |event| matches!(event, Event::Arrived { .. }));
    assert_eq!((arrived, completed(&world, bob).len()), (40, 1), "{before} were kept before");
    assert_eq!(delivered(&world, alice).len(), 1);
}

#[test]
fn what_was_complete_before_a_restart_is_told_of_again() {
    let (mut world, alice, bob) = alice_and_bob();
    let sender = world.key_id(alice);
    let part = |sequence: u64, index, count, kind| Part {
        sequence,
        message: MessageId::new([u8::try_from(sequence).unwrap(); 16]),
        kind,
        position: FragmentPosition { index, count },
    };
    let parts =
        [part(5, 0, 1, Kind::Content), part(6, 1, 2, Kind::Content), part(7, 0, 1, Kind::Address)];
    let memory = Memory { below: 5, parts: parts.to_vec(), ..Memory::default() };
    world.couriers[bob].resume(sender, 0, 0, &memory);
    world.run(START + SECOND);
    let told: Vec<_> = world.events[bob]
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Complete { messages, below, .. } => {
                Some((messages.iter().map(|message| message.sequence).collect(), *below))
            }
            _ => None,
        })
        .collect();
    // An address does not wait for the message before it.
    assert_eq!(told, [(vec![7, 5], 6)]);
}

#[test]
fn the_way_to_a_mailbox_changes_when_the_first_brings_no_answer() {
    let (mut world, alice, bob) = alice_and_bob();
    world.leaky = true;
    world.post(alice, bob, "over the other");
    world.run(START + MINUTE * 20);
    let relays = relays(&world, alice);
    assert!(relays.len() >= 3, "{} times in 20 minutes", relays.len());
    assert!(relays.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(relays.iter().all(|relay| [3, 4].map(NodeNumber::new).contains(relay)));
}

/// Checks that a sender who is started often, as by a person who writes now and then, does not send
/// all that waits for its acknowledgement again each time.
#[test]
fn what_left_in_a_former_run_waits_for_its_acknowledgement() {
    let (mut world, alice, bob) = alice_and_bob();
    let to = world.key_id(bob);
    world.leaky = true;
    let mut before = message("before", 0);
    before.left = Some(PastFlights { last: START, times: 1 });
    world.couriers[alice].post(to, before).unwrap();
    let mut longer = file(8, 100 * fragment_body_len::<Classic>(), 1);
    longer.left = Some(PastFlights { last: START, times: 1 });
    world.run(START + SECOND * 40);
    assert_eq!(sent(&world, alice), 0);
    world.couriers[alice].post(to, longer).unwrap();
    world.run(START + SECOND * 60);
    assert!(sent(&world, alice) > 5, "a long file begins again");
    world.leaky = false;
    world.run(START + MINUTE * 7);
    assert_eq!(completed(&world, bob).len(), 2, "what was lost left again in its time");
}

/// Checks that a text that is sent while a file runs to the same contact is there, and acknowledged,
/// as soon as if there were no file, and that texts keep their order.
#[test]
fn texts_pass_a_file_to_the_same_contact() {
    let (mut world, alice, bob) = alice_and_bob();
    let to = world.key_id(bob);
    let longer = file(9, 400 * fragment_body_len::<Classic>(), 0);
    let last = longer.id;
    world.couriers[alice].post(to, longer).unwrap();
    world.run(START + MINUTE * 3);
    let texts = ["one", "two", "three"].map(|text| world.post(alice, bob, text));
    world.run(START + MINUTE * 4);
    assert!(completed(&world, bob) == texts, "texts wait for a file");
    world.run(START + MINUTE * 6);
    assert!(delivered(&world, alice) == texts, "the file has not come yet");
    world.run(START + MINUTE * 30);
    assert!(completed(&world, bob)[3..] == [last] && delivered(&world, alice)[3..] == [last]);
    assert_eq!(world.couriers[alice].outbox_len(), 0);
}

/// Checks that what is stored of the incarnation before can go at once, and is not asked for after
/// a restart.
#[test]
fn a_new_incarnation_is_told_of_with_its_first_fragment() {
    let (mut world, alice, bob) = alice_and_bob();
    let (to, born) = (world.key_id(bob), 7 << 32);
    let longer = file(1, 2 * fragment_body_len::<Classic>(), born);
    world.couriers[alice].post(to, longer).unwrap();
    world.run(START + MINUTE * 3);
    let told = |(_, event): &(_, Event)| match event {
        Event::Complete { messages, below, .. } => Some((messages.len(), *below)),
        _ => None,
    };
    let told: Vec<_> = world.events[bob].iter().filter_map(told).collect();
    assert_eq!(told, [(0, born), (1, born + 1)]);
}

/// Checks that a message that has come, and waits at the recipient for one that expires, is
/// delivered although its sender has nothing else to write.
#[test]
fn what_waits_for_an_expired_message_is_told_of_when_that_is_over() {
    let (mut world, alice, bob) = alice_and_bob();
    let to = world.key_id(bob);
    world.run(START + SECOND * 10);
    world.leaky = true;
    let mut short = message("too late", 0);
    short.expires = START + MINUTE;
    world.couriers[alice].post(to, short).unwrap();
    world.run(START + SECOND * 30);
    assert_eq!(sent(&world, alice), 1, "it has left and is lost");
    world.leaky = false;
    let next = world.post(alice, bob, "in time");
    world.run(START + SECOND * 55);
    assert!(completed(&world, bob).is_empty() && delivered(&world, alice).is_empty());
    let arrived = count(&world, bob, |event| matches!(event, Event::Arrived { .. }));
    assert_eq!(arrived, 1);
    world.run(START + MINUTE * 15);
    assert!(completed(&world, bob) == [next] && delivered(&world, alice) == [next]);
    assert_eq!(sent(&world, alice), 3, "the second once more, for what it says of the first");
}

/// Starts both anew: bob with all that he was told of, alice from a copy of her store that knows of so
/// many of her messages.
fn go_on_from_a_copy(world: &mut World, alice: usize, bob: usize, knows: u64) {
    let (mine, to) = (world.key_id(alice), world.key_id(bob));
    let heard = completed(world, bob);
    let below = u64::try_from(heard.len()).unwrap();
    let told = (0..).zip(heard).map(|(number, id)| told(number, id)).collect();
    world.restart_clients();
    world.introduce(alice, bob);
    let memory = Memory { below, told, ..Memory::default() };
    world.couriers[bob].resume(mine, 0, 0, &memory);
    world.couriers[alice].resume(to, knows, knows, &Memory::default());
}

/// A courier whose store was put back gives numbers that it gave before, in a copy that is lost.
#[test]
fn a_number_that_is_given_twice_delivers_nothing_and_shows_an_older_copy() {
    let (mut world, alice, bob) = alice_and_bob();
    let to = world.key_id(bob);
    for number in 0..3 {
        world.post(alice, bob, &format!("message {number}"));
    }
    world.run(START + MINUTE * 10);
    assert_eq!(delivered(&world, alice).len(), 3);
    go_on_from_a_copy(&mut world, alice, bob, 1);
    let from = START + MINUTE * 10;
    for number in 3..7 {
        world.post(alice, bob, &format!("message {number}"));
    }
    world.run(from + MINUTE * 15);
    let fourth = delivered(&world, alice);
    assert_eq!(fourth.len(), 3, "nothing is said to be delivered that is not there");
    let older = |event: &Event| matches!(event, Event::OlderCopy { contact, .. } if *contact == to);
    assert_eq!(count(&world, alice, older), 1);
}

/// Checks that what is written after a store was put back is told of in its order, though what comes of it
/// first stands behind a number that was given twice, and is the first of a new number itself.
#[test]
fn what_comes_first_behind_a_number_that_was_given_twice_is_not_told_of_first() {
    let (mut world, alice, bob) = alice_and_bob();
    let to = world.key_id(bob);
    for number in 0..3 {
        world.post(alice, bob, &format!("message {number}"));
    }
    world.run(START + MINUTE * 10);
    assert_eq!(completed(&world, bob).len(), 3);
    go_on_from_a_copy(&mut world, alice, bob, 2);
    // What leaves of its next message first is lost.
    world.post(alice, bob, "another message 2");
    world.mute = vec![alice];
    let before = sent(&world, alice);
    let at = world.run_until(START + MINUTE * 20, |world| sent(world, alice) > before);
    world.mute.clear();
    world.post(alice, bob, "message 3");
    world.run(at + MINUTE * 30);
    assert_eq!(completed(&world, bob).len(), 3, "nothing of it comes before what was lost");
    let older = |event: &Event| matches!(event, Event::OlderCopy { contact, .. } if *contact == to);
    assert_eq!(count(&world, alice, older), 1);
}

/// Checks that nothing is told of that no store has taken, though a letter of another message comes under
/// the same number, and its receipt is committed.
#[test]
fn a_letter_that_brings_nothing_commits_nothing() {
    let (mut world, alice, bob) = alice_and_bob();
    world.keeps = false;
    world.post(alice, bob, "what no store takes");
    world.run(START + MINUTE * 5);
    let arrived = |world: &World| count(world, bob, |event| matches!(event, Event::Arrived { .. }));
    assert!(arrived(&world) > 0);
    // Alice goes on from a copy of before that.
    let to = world.key_id(bob);
    let card = world.couriers[bob].contact();
    world.couriers[alice].remove_contact(to);
    world.couriers[alice].add_contact(card);
    world.couriers[alice].resume(to, 0, 0, &Memory::default());
    world.keeps = true;
    let before = arrived(&world);
    world.post(alice, bob, "under the same number");
    world.run(START + MINUTE * 15);
    let repeated = count(&world, bob, |event| matches!(event, Event::Repeated { .. }));
    assert!(arrived(&world) == before && repeated > 0);
    assert!(completed(&world, bob).is_empty());
}

/// A courier whose store was put back has forgotten what it acknowledged.
#[test]
fn what_was_acknowledged_and_is_forgotten_shows_an_older_copy() {
    let (mut world, alice, bob) = alice_and_bob();
    for number in 0..3 {
        world.post(alice, bob, &format!("message {number}"));
    }
    world.run(START + MINUTE * 10);
    let mine = world.key_id(alice);
    world.couriers[bob].remove_contact(mine);
    let card = world.couriers[alice].contact();
    world.couriers[bob].add_contact(card);
    world.couriers[bob].resume(mine, 0, 0, &Memory { below: 1, ..Memory::default() });
    let next = world.post(alice, bob, "message 3");
    world.run(START + MINUTE * 20);
    let older =
        |event: &Event| matches!(event, Event::OlderCopy { contact, .. } if *contact == mine);
    assert_eq!(count(&world, bob, older), 1);
    assert!(completed(&world, bob).last() == Some(&next), "what is new is not hidden");
}

/// A sender that was started anew says what a run before it has heard.
#[test]
fn what_a_former_run_has_heard_shows_an_older_copy() {
    let (mut world, alice, bob) = alice_and_bob();
    let to = world.key_id(bob);
    for number in 0..3 {
        world.post(alice, bob, &format!("message {number}"));
    }
    world.run(START + MINUTE * 10);
    let told = world.events[alice].iter().rev().find_map(|(_, event)| match event {
        Event::Acknowledged { by, acknowledged } if *by == to => Some(*acknowledged),
        _ => None,
    });
    let acknowledged = told.expect("bob has acknowledged them");
    assert_eq!(acknowledged, Acknowledged { below: 3, whole: 0b111, since: 0 });
    let mine = world.key_id(alice);
    world.restart_clients();
    world.introduce(alice, bob);
    let memory = Memory { acknowledged, ..Memory::default() };
    world.couriers[alice].resume(to, 3, 3, &memory);
    world.couriers[bob].resume(mine, 0, 0, &Memory { below: 1, ..Memory::default() });
    world.post(alice, bob, "message 3");
    world.run(START + MINUTE * 25);
    let older =
        |event: &Event| matches!(event, Event::OlderCopy { contact, .. } if *contact == mine);
    assert_eq!(count(&world, bob, older), 1);
}

/// Checks that a message which its sender takes back when part of it has come holds up nothing that
/// was posted after it, and that nothing of it leaves any more.
#[test]
fn a_message_that_is_taken_back_leaves_no_more() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    let (key, room) = (world.key_id(bob), fragment_body_len::<Classic>());
    let long = file(1, room * 60, world.couriers[alice].next_sequence(key));
    let id = long.id;
    world.couriers[alice].post(key, long).unwrap();
    let later = world.post(alice, bob, "later");
    let at = START + SECOND * 30;
    world.run(at);
    let of_the_long = |world: &World| {
        count(world, alice, |event| matches!(event, Event::Sent { message, .. } if *message == id))
    };
    let left = of_the_long(&world);
    assert!((5..55).contains(&left) && completed(&world, bob).is_empty(), "{left} have left");
    world.couriers[alice].cancel(steady(at), key, id);
    world.couriers[alice].prepare(steady(at));
    world.run(START + MINUTE * 10);
    // One may have been on its way to the relay, and was not noted yet.
    assert!(of_the_long(&world) <= left + 1);
    assert!(completed(&world, bob) == [later] && delivered(&world, alice) == [later]);
    assert_eq!(world.couriers[alice].outbox_len(), 0);
}

/// Checks that a message which has come already, and waits for one before it, is told of once that one
/// is taken back, although its sender has nothing else to write.
#[test]
fn what_waits_for_a_message_that_is_taken_back_waits_no_longer() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    world.leaky = true;
    let lost = world.post(alice, bob, "lost");
    let mut at = START + SECOND * 10;
    while sent(&world, alice) == 0 {
        at = at + SECOND;
        world.run(at);
    }
    world.leaky = false;
    let later = world.post(alice, bob, "later");
    // Long enough for an acknowledgement, too short for a time-out.
    let at = START + SECOND * 90;
    world.run(at);
    assert_eq!(sent(&world, alice), 2);
    assert!(completed(&world, bob).is_empty() && delivered(&world, alice).is_empty());
    let key = world.key_id(bob);
    world.couriers[alice].cancel(steady(at), key, lost);
    world.couriers[alice].prepare(steady(at));
    world.run(at + MINUTE);
    assert!(completed(&world, bob) == [later] && delivered(&world, alice) == [later]);
    assert_eq!(sent(&world, alice), 3);
}
