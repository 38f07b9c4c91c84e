//! Stories of long messages that go on, whatever becomes of their acknowledgements, and of what
//! their recipient's mailboxes keep for others.

use std::time::Duration;

use rohrpost_packet::Classic;
use rohrpost_packet::envelope::{MessageId, fragment_body_len};
use rohrpost_proto::courier::Event;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::time::Time;

use crate::world::{START, World, file};
use crate::{SECOND, count};

const MINUTE: Duration = Duration::from_secs(60);

/// Alice and bob, who know each other, in a network of the default rates; alice sends bob a file of
/// so many fragments.
fn sending(fragments: usize) -> (World, usize, usize) {
    let mut world = World::of(&Traffic::default());
    let (alice, bob) = (world.client(3, 1, &[2, 3]), world.client(77, 2, &[3, 4]));
    world.introduce(alice, bob);
    let to = world.key_id(bob);
    let mut file = file(7, fragments * fragment_body_len::<Classic>(), 0);
    file.expires = START + MINUTE * 60 * 24;
    world.couriers[alice].post(to, file).unwrap();
    (world, alice, bob)
}

/// Times at which fragments of a courier left for the first time.
fn fresh(world: &World, courier: usize) -> Vec<Time> {
    let left = world.events[courier].iter();
    let left = left.filter(|(_, event)| matches!(event, Event::Sent { again: 0, .. }));
    left.map(|(at, _)| *at).collect()
}

/// The longest time within `from` and `until` in which no new fragment left.
fn standstill(world: &World, courier: usize, from: Time, until: Time) -> Duration {
    let within = fresh(world, courier).into_iter().filter(|at| (from..until).contains(at));
    let times: Vec<_> = [from].into_iter().chain(within).chain([until]).collect();
    times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap()
}

/// Checks that a file does not stand still while an acknowledgement is drawn late: one in ten is so
/// by five minutes.
#[test]
fn a_file_goes_on_while_an_acknowledgement_is_late() {
    let (mut world, alice, bob) = sending(2_000);
    world.run(START + MINUTE * 15);
    assert!(count(&world, bob, |event| matches!(event, Event::AcknowledgementSent { .. })) > 1);
    world.mute = vec![bob];
    let begin = START + MINUTE * 15;
    world.run(begin + MINUTE * 5);
    let standstill = standstill(&world, alice, begin, begin + MINUTE * 5);
    assert!(standstill < SECOND * 20, "{standstill:?} without a new fragment");
}

/// Checks that the loss of an acknowledgement costs a file no time-out, though all that may be
/// under way waits for it: something new leaves, and draws another.
#[test]
fn a_lost_acknowledgement_is_made_up_for_before_anything_leaves_again() {
    let (mut world, alice, bob) = sending(100);
    world.run(START + SECOND * 5);
    // Bob is known to be there, by a text that he has written.
    world.post(bob, alice, "guten Tag");
    world.run(START + SECOND * 20);
    assert_eq!(count(&world, alice, |event| matches!(event, Event::Arrived { .. })), 1);
    world.mute = vec![bob];
    let acknowledged = |event: &Event| matches!(event, Event::AcknowledgementSent { .. });
    let lost = world.run_until(START + MINUTE * 20, |world| count(world, bob, acknowledged) > 0);
    world.run(lost + SECOND * 10);
    world.mute.clear();
    let before = fresh(&world, alice);
    let last = *before.last().unwrap();
    // A third of a first time-out after the last.
    world.run(last + MINUTE * 3 + SECOND * 10);
    assert_eq!(fresh(&world, alice).len(), before.len() + 1);
    assert_eq!(count(&world, alice, |event| matches!(event, Event::Sent { again: 1.., .. })), 0);
    world.run(last + MINUTE * 25);
    assert_eq!(world.couriers[alice].outbox_len(), 0);
}

/// Checks that whoever goes in the middle of a file finds what others wrote meanwhile.
#[test]
fn a_file_leaves_others_room_though_its_recipient_goes_in_the_middle_of_it() {
    let (mut world, alice, bob) = sending(2_000);
    let carol = world.client(21, 1, &[2, 4]);
    world.introduce(carol, bob);
    let gone = START + MINUTE * 10;
    world.run(gone);
    assert!(fresh(&world, alice).len() > 300);
    world.away = vec![bob];
    let mut texts = Vec::new();
    for turn in 3..7 {
        let now = gone + MINUTE * 5 * turn;
        world.run(now);
        texts.push(world.post(carol, bob, &format!("at {now:?}")));
    }
    // Time for three copies of each: the sparing mailboxes take one letter in two minutes, whosever.
    world.run(gone + MINUTE * 50);
    // Nothing leaves any more: what comes was in a mailbox.
    world.away = vec![alice, carol];
    world.run(gone + MINUTE * 56);
    let come = |id: &MessageId| {
        let of = |event: &Event| matches!(event, Event::Arrived { fragment, .. } if fragment.message == *id);
        count(&world, bob, of) > 0
    };
    assert!(texts.iter().all(come));
}
