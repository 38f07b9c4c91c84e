//! Stories of recipients that are away: what waits for them costs their mailboxes little.

use std::time::Duration;

use rohrpost_packet::Classic;
use rohrpost_packet::envelope::{Kind, fragment_body_len};
use rohrpost_proto::courier::{Event, Message, PastFlights};
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::time::Time;

use crate::count;
use crate::world::{START, World, file, message};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// Slots of a minute: a week is ten thousand.
const SLOW: Duration = Duration::from_secs(60);

/// Alice and bob, who know each other, in a network of slow rates.
fn world() -> (World, usize, usize) {
    let mut world = World::of(&Traffic { slot: SLOW, ..Traffic::default() });
    let (alice, bob) = (world.client(1, 1, &[1, 2]), world.client(2, 2, &[3, 4]));
    world.introduce(alice, bob);
    (world, alice, bob)
}

/// Posts a message of `len` bytes that waits for a month.
fn post(world: &mut World, from: usize, to: usize, number: u8, len: usize) {
    let to = world.key_id(to);
    let mut message = file(number, len, world.couriers[from].next_sequence(to));
    message.expires = START + DAY * 30;
    world.couriers[from].post(to, message).unwrap();
}

/// Letters from one courier that have come to the relays of another's mailboxes since a time, for
/// each mailbox.
fn stored(world: &World, from: usize, to: usize, since: Time) -> Vec<usize> {
    let contact = world.couriers[to].contact();
    let count = |id| {
        let stored = world.envelopes.iter().filter(|envelope| envelope.mailbox == id);
        stored.filter(|envelope| envelope.from == Some(from) && envelope.at >= since).count()
    };
    contact.mailboxes.iter().map(|mailbox| count(mailbox.id)).collect()
}

#[test]
fn a_letter_for_someone_away_leaves_four_times_in_a_week() {
    let (mut world, alice, bob) = world();
    world.away = vec![bob];
    post(&mut world, alice, bob, 1, 100);
    for week in 0..2 {
        let begin = START + DAY * 7 * week;
        world.run(begin + DAY * 7);
        let copies: usize = stored(&world, alice, bob, begin).iter().sum();
        assert!((1..=4).contains(&copies), "{copies} copies in week {week}");
    }
}

/// A client that is started anew each day goes on with the row of copies that the application has
/// stored, and begins another when the mailboxes have forgotten the one before.
#[test]
fn a_client_that_is_started_each_day_writes_to_someone_away_week_after_week() {
    let (mut world, alice, bob) = world();
    let to = world.key_id(bob);
    let mut left = None;
    for day in 0..35 {
        world.restart_clients();
        world.introduce(alice, bob);
        world.away = vec![bob];
        let expires = START + DAY * 60;
        let letter = Message { expires, left, ..file(1, 100, 0) };
        world.couriers[alice].post(to, letter).unwrap();
        world.run(START + DAY * (day + 1));
        let mut events = world.events[alice].iter().rev();
        left = events.find_map(|(last, event)| match event {
            Event::Sent { unanswered: times, .. } => {
                Some(PastFlights { last: *last, times: *times })
            }
            _ => None,
        });
    }
    for week in 0..5 {
        let begin = START + DAY * 7 * week;
        let copies: usize = stored(&world, alice, bob, begin).iter().sum();
        let later: usize = stored(&world, alice, bob, begin + DAY * 7).iter().sum();
        assert!((1..=4).contains(&(copies - later)), "{} in week {week}", copies - later);
    }
}

/// Someone who has just read a letter, and is away from then on.
#[test]
fn a_letter_for_someone_who_has_just_left_leaves_four_times_in_a_week() {
    let (mut world, alice, bob) = world();
    post(&mut world, alice, bob, 1, 100);
    world.run(START + HOUR * 12);
    assert_eq!(world.couriers[alice].outbox_len(), 0, "the first letter is delivered");
    world.away = vec![bob];
    let left = START + HOUR * 12;
    post(&mut world, alice, bob, 2, 100);
    world.run(left + DAY * 7);
    let copies: usize = stored(&world, alice, bob, left).iter().sum();
    assert!((2..=4).contains(&copies), "{copies} copies in a week");
}

/// A client has another address each day. Whoever is away gets no more letters for that.
#[test]
fn addresses_for_someone_away_leave_four_times_in_a_week() {
    let (mut world, alice, bob) = world();
    let to = world.key_id(bob);
    let left = START + HOUR * 12;
    world.run(left);
    world.away = vec![bob];
    for day in 0..6 {
        let mut address = message("", 1 + u64::from(day));
        address.kind = Kind::Address;
        address.expires = START + DAY * 30;
        world.couriers[alice].announce(to, address);
        world.run(left + DAY * (day + 1));
    }
    let copies: usize = stored(&world, alice, bob, left).iter().sum();
    assert!((2..=4).contains(&copies), "{copies} copies in a week");
    world.away.clear();
    world.run(left + DAY * 7);
    let told = |event: &Event| matches!(event, Event::Told { version: 6, .. });
    assert_eq!(count(&world, alice, told), 1, "the newest one arrives");
}

/// Whoever has not heard of an older address is told the newest in its place, whatever waits for him;
/// whoever has is not: when he is told is up to the application.
#[test]
fn the_newest_address_takes_the_place_of_one_that_is_not_there_yet() {
    let (mut world, alice, bob) = world();
    let carol = world.client(3, 3, &[1, 4]);
    world.introduce(alice, carol);
    let contacts = [bob, carol].map(|other| world.key_id(other));
    world.away = vec![bob];
    for to in contacts {
        let address = Message { kind: Kind::Address, ..message("", 1) };
        world.couriers[alice].announce(to, address);
    }
    world.run(START + HOUR * 12);
    world.couriers[alice].tell_newest(2, b"newest");
    world.away.clear();
    world.run(START + DAY * 2);
    let told = |(_, event): &(Time, Event)| match event {
        Event::Told { to, version } => Some((*to, *version)),
        _ => None,
    };
    let told: Vec<_> = world.events[alice].iter().filter_map(told).collect();
    let last = |contact| told.iter().rfind(|(to, _)| *to == contact).map(|(_, version)| *version);
    assert_eq!(contacts.map(last), [Some(2), Some(1)]);
    let announced = |event: &Event| matches!(event, Event::Announced { version: 2, .. });
    assert!(count(&world, alice, announced) > 0);
}

/// A mailbox that has earned no room holds thirty-two letters.
#[test]
fn a_file_for_someone_away_leaves_others_room() {
    let (mut world, alice, bob) = world();
    world.away = vec![bob];
    post(&mut world, alice, bob, 1, 256 * fragment_body_len::<Classic>());
    world.run(START + DAY * 7);
    let stored = stored(&world, alice, bob, START);
    assert!(stored.iter().all(|letters| (4..=15).contains(letters)), "{stored:?}");
    assert!(stored.iter().sum::<usize>() <= 27, "{stored:?}");
}

/// What was written days ago says that its sender was there then, and not that he is there now.
#[test]
fn what_has_waited_tells_when_its_sender_was_there() {
    let (mut world, alice, bob) = world();
    let of_bob = world.key_id(bob);
    world.run(START + HOUR * 12);
    world.away = vec![alice];
    post(&mut world, bob, alice, 1, 100);
    world.run(START + HOUR * 16);
    world.away = vec![alice, bob];
    world.run(START + DAY * 3);
    world.away = vec![bob];
    world.run(START + DAY * 3 + HOUR * 12);
    let ago = world.events[alice].iter().find_map(|(at, event)| match event {
        Event::Heard { of, ago } if *of == of_bob => Some((*at, *ago)),
        _ => None,
    });
    let (at, ago) = ago.expect("a letter has come");
    let left = START + HOUR * 12..START + HOUR * 17;
    assert!(left.contains(&(at - ago)), "{ago:?} ago");
}

/// Whoever comes back gets all at once: the first letter of his says that he is there.
#[test]
fn what_waited_is_there_soon_after_its_recipient() {
    let (mut world, alice, bob) = world();
    world.run(START + HOUR * 12);
    world.away = vec![bob];
    for number in 0..40 {
        post(&mut world, alice, bob, number, 100);
    }
    let back = START + DAY * 6;
    world.run(back);
    world.away.clear();
    world.run(back + DAY);
    assert_eq!(world.couriers[alice].outbox_len(), 0);
}
