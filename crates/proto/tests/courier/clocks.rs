//! Stories of a relay's clock, which moves a client's slots and nothing else.

use std::time::Duration;

use rohrpost_packet::SessionId;
use rohrpost_proto::courier::Event;
use rohrpost_proto::time::{Slot, Time};

use crate::world::{START, T, World, message, steady};
use crate::{SECOND, alice_and_bob, arrivals, count};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const PHASE: Duration = Duration::from_millis(50);

/// Time at which bob, who writes nothing himself, first sent something to alice's mailboxes.
fn acknowledged(world: &World, bob: usize, alice: usize) -> Time {
    let mailboxes = world.couriers[alice].contact().mailboxes;
    let mut from_bob = world.envelopes.iter().filter(|carried| {
        carried.from == Some(bob) && mailboxes.iter().any(|known| known.id == carried.mailbox)
    });
    from_bob.next().unwrap().at
}

/// Runs the story of one letter to bob, whose entry relay drops his link every second from his
/// letter's arrival on and adds `step` to its clock each time. Tells when he acknowledged it.
fn story(step: Duration) -> (Time, Time) {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    world.post(alice, bob, "guten Tag");
    let mut seconds = 10;
    while arrivals(&world, bob).is_empty() {
        seconds += 1;
        world.run(START + SECOND * seconds);
    }
    for drop in 1..=6 {
        let now = START + SECOND * seconds;
        let session = SessionId::new([100 + u8::try_from(drop).unwrap(); 16]);
        world.rejoin_at(bob, session, PHASE, now + step * drop);
        seconds += 1;
        world.run(START + SECOND * seconds);
    }
    let dropped = START + SECOND * seconds;
    world.run(dropped + MINUTE * 3);
    (dropped, acknowledged(&world, bob, alice))
}

#[test]
pub(crate) fn a_relay_that_adds_minutes_at_each_link_does_not_make_an_acknowledgement_due() {
    let (dropped, due) = story(Duration::ZERO);
    assert!(due > dropped + SECOND * 2, "the delay is longer than the drops last");
    let (_, moved) = story(MINUTE * 10);
    // The same delay; the slots of other numbers carry payload at other times.
    let apart = moved.since(due).max(due.since(moved));
    assert!(apart < SECOND * 3, "{apart:?} apart");
}

/// Document time that is days ahead, as by a relay that started with a wrong clock, makes no
/// message expire, and slots follow it there and back.
#[test]
fn a_relays_clock_makes_no_message_expire() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    let ahead = START + SECOND * 10 + DAY * 8;
    world.rejoin_at(alice, SessionId::new([101; 16]), PHASE, ahead);
    // It expires after an hour.
    let posted = world.post(alice, bob, "in time");
    world.run(START + SECOND * 40);
    let slots = |world: &World| -> Vec<Slot> {
        let sent = world.events[alice].iter().filter_map(|(_, event)| match event {
            Event::Sent { slot, .. } => Some(*slot),
            _ => None,
        });
        sent.collect()
    };
    let [slot] = slots(&world)[..] else { panic!("it left once") };
    assert!(slot > ahead.slot(T) && slot < (ahead + SECOND * 30).slot(T));
    world.rejoin(alice, SessionId::new([102; 16]), PHASE);
    let second = world.post(alice, bob, "and back");
    world.run(START + MINUTE * 4);
    assert!(*slots(&world).last().unwrap() < (START + MINUTE * 4).slot(T));
    let told = |wanted| move |event: &Event| matches!(event, Event::Delivered { message } if *message == wanted);
    assert_eq!(count(&world, alice, told(posted)) + count(&world, alice, told(second)), 2);
    assert_eq!(count(&world, alice, |event| matches!(event, Event::Expired { .. })), 0);
}

/// A relay that nothing bears out takes a client whose own clock is ahead to a date after that of a
/// message. The client goes by no view then, and gives nothing up.
#[test]
fn nothing_expires_while_the_view_is_withdrawn() {
    let (mut world, alice, bob) = alice_and_bob();
    let now = START + SECOND * 10;
    let right = now - DAY;
    world.run(now);
    world.rejoin_at(alice, SessionId::new([101; 16]), PHASE, right);
    let to = world.key_id(bob);
    let mut letter = message("in time", 0);
    letter.expires = START;
    world.couriers[alice].post(to, letter).unwrap();

    world.couriers[alice].withdraw_view();
    world.rejoin_at(alice, SessionId::new([102; 16]), PHASE, now + DAY * 8);
    world.run(now + SECOND * 2);
    world.rejoin_at(alice, SessionId::new([103; 16]), PHASE, right + SECOND * 2);
    let view = world.view(&[]);
    world.couriers[alice].handle_view(steady(now + SECOND * 2), view);
    world.run(now + MINUTE * 4);
    assert_eq!(count(&world, alice, |event| matches!(event, Event::Expired { .. })), 0);
    assert_eq!(count(&world, alice, |event| matches!(event, Event::Delivered { .. })), 1);
}
