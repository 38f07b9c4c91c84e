//! Stories of messages whose bodies the application stores: the courier asks for what leaves next, and
//! nobody sees how long it waits for that.

use std::time::Duration;

use rohrpost_packet::Classic;
use rohrpost_packet::envelope::{MessageId, fragment_body_len};
use rohrpost_proto::courier::{Event, MESSAGE_BYTES};
use rohrpost_proto::time::Time;

use crate::world::{START, T, World, file, file_bytes};
use crate::{SECOND, alice_and_bob, count};

const MINUTE: Duration = Duration::from_secs(60);

/// Bytes of a file that have come, in the order of its fragments.
fn come(world: &World, courier: usize, message: MessageId) -> Vec<u8> {
    let part = |(_, event): &(Time, Event)| match event {
        Event::Arrived { fragment, .. } if fragment.message == message => {
            Some((fragment.position.index, fragment.body.to_vec()))
        }
        _ => None,
    };
    let mut parts: Vec<_> = world.events[courier].iter().filter_map(part).collect();
    parts.sort();
    parts.into_iter().flat_map(|(_, body)| body).collect()
}

/// Time at which a message left first.
fn left(world: &World, courier: usize, id: MessageId) -> Option<Time> {
    let left = |event: &Event| matches!(event, Event::Sent { message, .. } if *message == id);
    world.events[courier].iter().find(|(_, event)| left(event)).map(|(at, _)| *at)
}

/// Checks that whoever observes the network, or serves a mailbox, cannot tell whether the application
/// of a sender has a fast disk, a slow one or none.
#[test]
fn how_long_the_store_takes_is_not_seen() {
    let record = |takes: Option<Duration>| {
        let (mut world, alice, bob) = alice_and_bob();
        world.store_takes = takes;
        let (to, len) = (world.key_id(bob), 300 * fragment_body_len::<Classic>());
        if takes != Some(Duration::MAX) {
            world.couriers[alice].post(to, file(7, len, 0)).unwrap();
        }
        world.run(START + MINUTE * 4);
        let sent = count(&world, alice, |event| matches!(event, Event::Sent { .. }));
        (world.sights, sent)
    };
    let (quiet, nothing) = record(Some(Duration::MAX));
    let (fast, some) = record(Some(Duration::ZERO));
    let (slow, others) = record(Some(SECOND * 20));
    let (dead, none) = record(None);
    assert!(nothing == 0 && none == 0 && some > 50 && others > 50, "{some} {others}");
    assert!(quiet.len() > 2_400 && quiet == fast && quiet == slow && quiet == dead);
}

#[test]
fn a_file_arrives_whole_from_a_slow_store_over_lossy_links() {
    let (mut world, alice, bob) = alice_and_bob();
    (world.store_takes, world.lost_every) = (Some(SECOND * 10), 10);
    let (to, len) = (world.key_id(bob), 150 * fragment_body_len::<Classic>() + 3);
    let posted = file(7, len, 0);
    let id = posted.id;
    world.couriers[alice].post(to, posted).unwrap();
    world.run(START + MINUTE * 35);
    assert!(come(&world, bob, id).into_iter().eq(file_bytes(7).take(len)));
    assert_eq!(world.couriers[alice].outbox_len(), 0);
}

/// Checks that files which wait for a contact take no room of a text's, and hold it up by nothing:
/// it leaves in the first payload slot after it was posted.
#[test]
fn a_text_leaves_at_once_however_many_files_wait() {
    let time = |files: u8| {
        let (mut world, alice, bob) = alice_and_bob();
        let to = world.key_id(bob);
        for number in 0..files {
            let file = file(number + 1, MESSAGE_BYTES, number.into());
            world.couriers[alice].post(to, file).unwrap();
        }
        world.run(START + SECOND * 30);
        let text = world.post(alice, bob, "it is urgent");
        world.run(START + SECOND * 60);
        left(&world, alice, text)
    };
    let alone = time(0).unwrap();
    assert!(alone < START + SECOND * 34);
    for files in [1, 3, 100] {
        let beside = time(files).unwrap();
        // A mailbox takes a burst of four fragments, then one per one and a half of its answers.
        assert!(beside < alone + SECOND * 4, "{files}: {:?}", beside.since(alone));
    }
}

/// Checks that the courier asks for no more than leaves soon, for each piece once, and ahead of the
/// slot that needs it: a file leaves as fast as if the courier had it.
#[test]
fn pieces_are_asked_for_once_and_ahead() {
    let (mut world, alice, bob) = alice_and_bob();
    world.store_takes = Some(T * 3);
    let (to, room) = (world.key_id(bob), fragment_body_len::<Classic>());
    world.couriers[alice].post(to, file(7, MESSAGE_BYTES, 0)).unwrap();
    world.run(START + MINUTE * 4);
    let wanted = |(_, event): &(Time, Event)| match event {
        Event::Wanted { offset, len, .. } => Some((*offset, *len)),
        _ => None,
    };
    let wanted: Vec<_> = world.events[alice].iter().filter_map(wanted).collect();
    let mut once = wanted.clone();
    once.dedup();
    assert!(once == wanted && wanted.iter().all(|(_, len)| *len <= 64 << 10), "{wanted:?}");
    let sent = count(&world, alice, |event| matches!(event, Event::Sent { .. }));
    let asked: usize = wanted.iter().map(|(_, len)| len).sum();
    assert!(asked < sent * room + (128 << 10), "{asked} bytes for {sent} fragments");
    world.store_takes = Some(Duration::ZERO);
    let (mut other, alice, bob) = alice_and_bob();
    let to = other.key_id(bob);
    other.couriers[alice].post(to, file(7, MESSAGE_BYTES, 0)).unwrap();
    other.run(START + MINUTE * 4);
    let at_once = count(&other, alice, |event| matches!(event, Event::Sent { .. }));
    assert!(at_once <= sent + 3, "{sent} fragments, {at_once} from a store that takes no time");
}
