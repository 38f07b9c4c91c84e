//! Stories of the courier on a network in memory, all seeded.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod absence;
mod acknowledgements;
mod addresses;
mod ahead;
mod bodies;
mod clocks;
mod durable;
mod last_resort;
mod leaving;
mod own_client;
mod pace;
mod reserve;
mod twins;
#[cfg(feature = "danger-weaken")]
mod weakened;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, Kind};
use rohrpost_packet::{NodeNumber, SessionId};
use rohrpost_proto::courier::{Attachment, BODY_BYTES, Event, MESSAGE_BYTES, PostError};
use rohrpost_proto::time::{Slot, Time};

use world::{Load, START, Sight, T, World, file, message, steady};

const SECOND: Duration = Duration::from_secs(1);

/// Makes a world in which alice enters at relay 1, bob at relay 2, and they know each other.
fn alice_and_bob() -> (World, usize, usize) {
    let mut world = World::new();
    let alice = world.client(3, 1, &[2, 3]);
    let bob = world.client(77, 2, &[3, 4]);
    world.introduce(alice, bob);
    (world, alice, bob)
}

fn arrivals(world: &World, courier: usize) -> Vec<(Time, KeyId, String)> {
    let arrived = |(at, event): &(Time, Event)| match event {
        Event::Arrived { fragment, receipt, .. } => {
            let text = String::from_utf8(fragment.body.to_vec()).unwrap();
            Some((*at, receipt.sender, text))
        }
        _ => None,
    };
    world.events[courier].iter().filter_map(arrived).collect()
}

fn count(world: &World, courier: usize, wanted: impl Fn(&Event) -> bool) -> usize {
    let events = world.events[courier].iter();
    events.filter(|(_, event)| wanted(event)).count()
}

fn loads(world: &World, courier: usize) -> impl Iterator<Item = (Slot, Load, u32)> {
    let departures = world.departures[courier].iter();
    departures.filter_map(|left| Some((left.slot, left.end?.load, left.end?.relay.get())))
}

#[test]
fn a_letter_arrives_once_and_its_envelope_leaves_the_mailbox() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 10);
    let message = world.post(alice, bob, "guten Tag");
    world.run(START + SECOND * 75);

    let sent = world.events[alice].iter().find_map(|(at, event)| match event {
        Event::Sent { message: sent, slot, trip, .. } if *sent == message => {
            Some((*at, *slot, trip.clone()))
        }
        _ => None,
    });
    let (at, slot, trip) = sent.unwrap();
    assert_eq!((trip.at, slot), (at, at.slot(T)));
    assert!(!slot.pulls());
    let path: Vec<_> = trip.path.nodes().iter().map(|node| node.get()).collect();
    assert!(path.len() == 4 && path[3] > 2, "{path:?}");

    let arrived = arrivals(&world, bob);
    assert_eq!(arrived.len(), 1, "{} arrivals in a minute", arrived.len());
    let (arrived_at, sender, text) = &arrived[0];
    assert_eq!((*sender, text.as_str()), (world.key_id(alice), "guten Tag"));
    assert!(*arrived_at > at + trip.drawn());
    assert!(arrivals(&world, alice).is_empty());
    // What is held a minute later is loops.
    world.check_removal();
}

#[test]
fn loops_return_and_pulls_are_answered() {
    let (mut world, alice, _) = alice_and_bob();
    world.run(START + SECOND * 180);
    let sent = count(&world, alice, |event| matches!(event, Event::LoopSent));
    let mut away: Vec<_> = world.events[alice]
        .iter()
        .filter_map(|(_, event)| match event {
            Event::LoopReturned { after, lateness, .. } => Some((*after, *lateness)),
            _ => None,
        })
        .collect();
    // 720 slots, an eighth of them loops; the last few are still on their way.
    assert!((55..125).contains(&sent), "{sent} loops");
    let back = away.len();
    assert!(sent - back <= 8, "{sent} sent, {back} back");
    // Six mixes of 200 ms and up to a second for the common tick of the mailboxes.
    away.sort();
    let (after, _) = away[back / 2];
    assert!(after > SECOND && after < SECOND * 4, "{after:?}");
    let in_time = away.iter().filter(|(_, late)| late.is_zero()).count();
    assert!(in_time > back / 2, "{in_time} of {back} in time");
    let lost = count(&world, alice, |event| matches!(event, Event::LoopLost { .. }));
    assert_eq!(lost, 0);
    let answered = count(&world, alice, |event| matches!(event, Event::PullAnswered { .. }));
    // Each mailbox answers at each of 180 ticks but those of the first seconds, until its stock is
    // there, and the last, whose answers are on their way.
    assert!((340..=354).contains(&answered), "{answered} answers");
}

#[test]
fn a_virtual_client_lives_like_a_client_in_every_layer() {
    for (layer, number) in [11, 21, 31].into_iter().enumerate() {
        let mut world = World::new();
        let number = NodeNumber::new(number);
        let mix = world.courier(40, Attachment::Mix { number, layer }, &[1, 2]);
        world.run(START + SECOND * 60);
        assert_eq!(world.departures[mix].len(), 239);
        assert!(world.departures[mix].iter().all(|left| left.end.is_some()), "layer {layer}");
        let returned = count(&world, mix, |event| matches!(event, Event::LoopReturned { .. }));
        let lost =
            count(&world, mix, |event| matches!(event, Event::LoopLost { .. } | Event::Dropped));
        assert!(returned > 10 && lost == 0, "{returned} back, {lost} lost");
    }
}

/// Checks that counts lie within five standard deviations of the schedule, here as relays see them.
#[test]
fn slots_carry_what_the_schedule_says() {
    let mut world = World::new();
    let alice = world.client(12, 1, &[2, 3]);
    world.run(START + SECOND * 400);
    let total = 1_599;
    assert_eq!(world.departures[alice].len(), total);
    let mut pulls = BTreeMap::<u32, u32>::new();
    let mut drops = BTreeMap::<u32, u32>::new();
    let mut loops = 0;
    for (slot, load, relay) in loads(&world, alice) {
        assert_eq!(slot.pulls(), load == Load::Pull);
        match load {
            Load::Pull => *pulls.entry(relay).or_default() += 1,
            Load::Discard => *drops.entry(relay).or_default() += 1,
            Load::Store => loops += 1,
        }
    }
    let near = |count: u32, n: f64, p: f64| {
        (f64::from(count) - n * p).abs() < 5.0 * (n * p * (1.0 - p)).sqrt()
    };
    assert_eq!(pulls.keys().copied().collect::<Vec<_>>(), [2, 3]);
    // 800 even slots and every sixteenth of 800 odd ones, less the cell that names the session.
    assert!(pulls.values().all(|count| (424..=425).contains(count)), "{pulls:?}");
    assert!(near(loops, 750.0, 0.25), "{loops} loops");
    assert_eq!(drops.keys().copied().collect::<Vec<_>>(), world::RELAYS);
    for count in drops.values() {
        assert!(near(*count, 750.0, 0.75 / 4.0), "{drops:?}");
    }
}

#[test]
fn mail_changes_nothing_that_can_be_seen() {
    let record = |fragments: usize| {
        let (mut world, alice, bob) = alice_and_bob();
        for number in 0..fragments {
            world.run(START + SECOND * u32::try_from(5 + 2 * number).unwrap());
            world.post(alice, bob, &format!("message {number}"));
            world.post(bob, alice, &format!("answer {number}"));
        }
        world.run(START + SECOND * 60);
        let arrived = arrivals(&world, bob).len() + arrivals(&world, alice).len();
        (world.sights, arrived)
    };
    let (quiet, none) = record(0);
    let (busy, some) = record(15);
    assert_eq!((none, some), (0, 30));
    assert!(quiet.len() > 600, "{} sights", quiet.len());
    assert!(quiet.iter().any(|seen| matches!(seen.what, Sight::Answer { .. })));
    assert!(quiet == busy);
}

#[test]
fn a_stranger_is_told_of_and_hears_nothing() {
    let (mut world, _, bob) = alice_and_bob();
    let mallory = world.client(66, 4, &[1, 2]);
    let card = world.couriers[bob].contact();
    world.couriers[mallory].add_contact(card);
    world.run(START + SECOND * 2);
    world.post(mallory, bob, "spam");
    world.run(START + SECOND * 75);
    assert!(arrivals(&world, bob).is_empty());
    // The envelope comes once: it is acknowledged to the relay, else it would be served again every
    // 30 s.
    let identity = world.couriers[mallory].contact().identity;
    let met = |event: &Event| match event {
        Event::Stranger { identity: of, fragment } => {
            assert!(*of == identity && fragment.body.is_empty(), "its text concerns nobody");
            true
        }
        _ => false,
    };
    assert_eq!(count(&world, bob, met), 1);
    world.run(START + SECOND * 800);
    assert!(count(&world, bob, met) > 1, "it is not told that anything has come");
    let left = |event: &Event| matches!(event, Event::AcknowledgementSent { .. });
    assert_eq!(count(&world, bob, left), 0);
    // Once it is a contact, and has heard so by an address, what it wrote comes by itself.
    let card = world.couriers[mallory].contact();
    world.couriers[bob].add_contact(card);
    let mut address = message("", 1);
    address.kind = Kind::Address;
    let to = world.key_id(mallory);
    world.couriers[bob].announce(to, address);
    world.run(START + SECOND * 2000);
    let delivered = |event: &Event| matches!(event, Event::Delivered { .. });
    assert_eq!((arrivals(&world, bob).len(), count(&world, mallory, delivered)), (1, 1));
}

#[test]
fn without_a_way_a_client_idles_and_a_mix_is_silent() {
    let mut world = World::new();
    let alice = world.client(3, 1, &[2, 3]);
    let number = NodeNumber::new(11);
    let mix = world.courier(40, Attachment::Mix { number, layer: 0 }, &[1, 2]);
    // The whole third layer is down.
    let crippled = world.view(&[31, 32]);
    for courier in &mut world.couriers {
        courier.handle_view(steady(START), Arc::clone(&crippled));
    }
    // The mix's first packet was ready before that, as was the cell that names alice's session.
    let built = |world: &World| (loads(world, alice).count(), loads(world, mix).count());
    world.run(START + SECOND * 5);
    assert_eq!(built(&world), (0, 1));
    for courier in &mut world.couriers {
        courier.withdraw_view();
    }
    world.run(START + SECOND * 10);
    assert_eq!(built(&world), (0, 1));
    // All the same a cell left in every slot, the first of them naming the session.
    assert_eq!(world.sights.len(), 39);
    assert_eq!(world.departures[alice].len(), 39);
}

/// Of the second layer nothing is there.
#[test]
fn a_client_whose_document_names_too_little_idles_and_loses_nothing() {
    let (mut world, alice, bob) = alice_and_bob();
    world.post(alice, bob, "in time");
    let thin = world.view(&[21, 22]);
    assert!(thin.shortage().is_some());
    world.couriers[alice].handle_view(steady(START), thin);
    world.run(START + SECOND * 20);
    assert_eq!(world.departures[alice].len(), 79);
    assert!(loads(&world, alice).next().is_none(), "all cells idle");
    let whole = world.view(&[]);
    world.couriers[alice].handle_view(steady(START + SECOND * 20), whole);
    world.run(START + SECOND * 60);
    assert_eq!(arrivals(&world, bob).len(), 1);
}

#[test]
fn missed_slots_are_skipped_and_reported() {
    let (mut world, alice, _) = alice_and_bob();
    world.run(START + SECOND * 2);
    let before = world.departures[alice].len();
    let due = world.couriers[alice].poll_timeout().reading();
    world.depart(alice, due + T * 20);
    world.depart(alice, due + T * 20);
    assert_eq!(world.departures[alice].len(), before + 1);
    assert_eq!(world.couriers[alice].poll_timeout().reading(), due + T * 21);
    let skipped = count(&world, alice, |event| matches!(event, Event::Skipped { slots: 20 }));
    assert_eq!(skipped, 1);
}

#[test]
fn a_new_session_is_named_and_mail_goes_on() {
    let (mut world, alice, bob) = alice_and_bob();
    world.run(START + SECOND * 5);
    let idle_before = world.departures[alice].len() - loads(&world, alice).count();
    world.rejoin(alice, SessionId::new([200; 16]), SECOND / 20);
    world.post(bob, alice, "welcome back");
    world.run(START + SECOND * 40);
    let idle = world.departures[alice].len() - loads(&world, alice).count();
    assert_eq!((idle_before, idle), (1, 2));
    assert_eq!(arrivals(&world, alice).len(), 1);
}

#[test]
fn loops_and_pulls_that_stay_away_are_given_up() {
    let (mut world, alice, _) = alice_and_bob();
    world.run(START + SECOND * 10);
    world.deaf = true;
    world.run(START + SECOND * 100);
    let sent = count(&world, alice, |event| matches!(event, Event::LoopSent));
    let lost = count(&world, alice, |event| matches!(event, Event::LoopLost { .. }));
    assert!(lost > 5 && lost < sent, "{lost} of {sent} lost");
    let pulls = count(&world, alice, |event| matches!(event, Event::PullLost { .. }));
    // 191 pulls stay away, and the openers of the last 64 are retained.
    assert!((120..=140).contains(&pulls), "{pulls}");
}

#[test]
fn what_cannot_be_posted_is_refused() {
    let (mut world, alice, bob) = alice_and_bob();
    let (to, stranger) = (world.key_id(bob), world.key_id(alice));
    let courier = &mut world.couriers[alice];
    let text = |len: usize, sequence| message(&"x".repeat(len), sequence);
    assert_eq!(courier.post(stranger, text(5, 0)), Err(PostError::Contact));
    let (len, limit) = (BODY_BYTES + 1, BODY_BYTES);
    assert_eq!(courier.post(to, text(len, 0)), Err(PostError::TooLong { len, limit }));
    let (len, limit) = (MESSAGE_BYTES + 1, MESSAGE_BYTES);
    assert_eq!(courier.post(to, file(1, len, 0)), Err(PostError::TooLong { len, limit }));
    assert_eq!(courier.post(to, file(1, limit, 1)), Ok(()));
    assert_eq!(courier.post(to, text(5, 1)), Err(PostError::Order));
    for sequence in 2..257 {
        assert_eq!(courier.post(to, file(1, limit, sequence)), Ok(()));
    }
    assert_eq!(courier.post(to, text(1, 257)), Err(PostError::Full));
}

#[test]
fn a_note_to_oneself_arrives() {
    let (mut world, alice, _) = alice_and_bob();
    let card = world.couriers[alice].contact();
    world.couriers[alice].add_contact(card);
    world.run(START + SECOND * 2);
    world.post(alice, alice, "buy stamps");
    world.run(START + SECOND * 40);
    let arrived = arrivals(&world, alice);
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].2, "buy stamps");
}

#[test]
fn a_dead_mailbox_relay_turns_pulls_into_cover_not_idle_cells() {
    let (mut world, alice, bob) = alice_and_bob();
    let down = world.view(&[2]);
    world.couriers[alice].handle_view(steady(START), down);
    // Until then it may be leaving.
    let gone = START + world.roster.way();
    world.run(gone + SECOND);
    let from = world.departures[alice].len();
    world.post(alice, bob, "still here");
    world.run(gone + SECOND * 60);
    let after = &world.departures[alice][from..];
    assert!(after.iter().all(|left| left.end.is_some()));
    let even = |wanted: Load| {
        let loads = after.iter().filter(|left| left.slot.pulls());
        loads.filter(|left| left.end.unwrap().load == wanted).count()
    };
    assert!(even(Load::Pull) > 30 && even(Load::Discard) > 30);
    assert_eq!(arrivals(&world, bob).len(), 1);
}

#[test]
fn one_unreachable_contact_does_not_hold_up_the_others() {
    let (mut world, alice, bob) = alice_and_bob();
    let carol = world.client(21, 1, &[4]);
    world.introduce(alice, carol);
    let lost = world.view(&[4]);
    world.couriers[alice].handle_view(steady(START), lost);
    world.run(START + SECOND);
    world.post(alice, carol, "to carol");
    world.post(alice, bob, "to bob");
    world.run(START + SECOND * 30);
    assert_eq!(arrivals(&world, bob).len(), 1);
    let sent = |world: &World| count(world, alice, |event| matches!(event, Event::Sent { .. }));
    assert_eq!(sent(&world), 1);
    let again = world.view(&[]);
    world.couriers[alice].handle_view(steady(START), again);
    world.run(START + SECOND * 60);
    assert_eq!(arrivals(&world, carol).len(), 1);
}

#[test]
fn uncollected_events_hold_letters_back_and_lose_none() {
    let (mut world, alice, bob) = alice_and_bob();
    world.post(alice, bob, "patience");
    let courier = &mut world.couriers[alice];
    // Nothing is collected, and each late slot is reported, until there is no room.
    courier.withdraw_view();
    for _ in 0..1_100 {
        let late = courier.poll_timeout() + T;
        courier.handle_timeout(late).unwrap();
        courier.prepare(late);
    }
    let view = world.view(&[]);
    let courier = &mut world.couriers[alice];
    courier.handle_view(steady(START), view);
    for _ in 0..40 {
        let now = courier.poll_timeout();
        courier.handle_timeout(now).unwrap();
        courier.prepare(now);
    }
    assert_eq!(courier.outbox_len(), 1);
    while courier.poll_event().is_some() {}
    let resumed = courier.poll_timeout().reading();
    world.run(resumed + SECOND * 30);
    assert_eq!(arrivals(&world, bob).len(), 1);
}
