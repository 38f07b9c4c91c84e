//! Messages that never become complete, because nothing is heard of their sender any more.

use std::time::Duration;

use rohrpost_client::{Content, Forgotten, Store};
use rohrpost_packet::envelope::Fragment;
use rohrpost_proto::courier::Message;

use super::world::{Client, DAY, Folder, SECOND, START, fragments, resumed};

/// The longest life of a message.
const LIFE: Duration = Duration::from_secs(77 * 86_400);

/// A file that waits at alice for bob.
fn file(alice: &Client, len: usize) -> Message {
    let content = Content::file("file", vec![1; len].into());
    let sent = alice.store.accept("bob", &content, DAY, START).unwrap();
    alice.message(sent.id).unwrap()
}

/// Fragments of alice's come to bob.
fn come(alice: &Client, bob: &Client, fragments: &[Fragment], now: Duration) {
    let fragments = fragments.iter().map(|fragment| (alice.key(), fragment));
    assert!(bob.store.store_letters(fragments, [], now).unwrap().is_empty());
}

/// Fragments that a session would go on with.
fn left(alice: &Client, bob: &Client) -> usize {
    resumed(bob, alice.key()).unwrap().memory.parts.len()
}

/// Forgets what is over, in as many slices as it takes.
fn prune(store: &Store, now: Duration) -> Forgotten {
    let mut all = Forgotten::default();
    loop {
        let Forgotten { more, arrived, .. } = store.prune(now).unwrap();
        all.arrived.extend(arrived);
        if !more {
            return all;
        }
    }
}

#[test]
fn fragments_of_a_contact_that_is_gone_stay_for_the_longest_life_of_a_message() {
    let folder = Folder::new("gone");
    let [alice, bob] = Client::pair(&folder);
    let [first, second] = [file(&alice, 3000), file(&alice, 3000)].map(|it| fragments(&it));
    come(&alice, &bob, &first[..3], START);
    come(&alice, &bob, &second[..2], START);
    // More of the second comes a month later.
    come(&alice, &bob, &second[2..4], START + DAY * 30);
    prune(&bob.store, START + LIFE);
    assert_eq!(left(&alice, &bob), 7);
    let bob = bob.reopen();
    prune(&bob.store, START + LIFE + SECOND);
    assert_eq!(left(&alice, &bob), 4);
    prune(&bob.store, START + LIFE + DAY * 30);
    assert_eq!(left(&alice, &bob), 4);
    prune(&bob.store, START + LIFE + DAY * 30 + SECOND);
    assert_eq!(left(&alice, &bob), 0);
    assert!(bob.store.inbox(0).unwrap().is_empty());
}

/// Checks that the room of such a message is free again.
#[test]
fn fragments_that_are_forgotten_give_their_room_back() {
    let folder = Folder::new("gone-room");
    let [alice, bob] = Client::pair(&folder);
    let largest: Vec<_> = (0..4).map(|_| file(&alice, 16_000_000)).collect();
    let key = alice.key();
    for (at, file) in largest.iter().enumerate() {
        let parts = fragments(file);
        let parts = parts[1..].iter().map(|part| (key, part));
        let refused = bob.store.store_letters(parts, [], START).unwrap();
        assert_eq!(refused.len(), usize::from(at == 3));
    }
    assert_eq!(bob.store.without_room().unwrap().len(), 1);
    prune(&bob.store, START + LIFE + SECOND);
    assert!(left(&alice, &bob) == 0 && bob.store.without_room().unwrap().is_empty());
    come(&alice, &bob, &fragments(&largest[3])[1..], START + LIFE + DAY);
}

/// Checks that fragments without bytes take room as well: each is a record of the disk.
#[test]
fn fragments_of_nothing_take_room() {
    let folder = Folder::new("of-nothing");
    let [alice, bob] = Client::pair(&folder);
    let mut parts = fragments(&file(&alice, 16_000_000));
    parts.iter_mut().for_each(|part| part.body.clear());
    parts.pop();
    let mut taken = 0;
    loop {
        let all = parts.iter().map(|part| (alice.key(), part));
        if !bob.store.store_letters(all, [], START).unwrap().is_empty() {
            break;
        }
        parts.iter_mut().for_each(|part| part.sequence += 1);
        taken += 1;
    }
    assert!((3..8).contains(&taken), "{taken}");
}

/// Checks that a message of which all has come, and whose sender knows it, is shown when what it
/// waited for cannot come any more, and is not taken for lost in the next run.
#[test]
fn a_message_that_is_whole_and_waits_for_another_in_vain_is_shown() {
    let folder = Folder::new("gone-whole");
    let [alice, bob] = Client::pair(&folder);
    let [first, second] = [file(&alice, 3000), file(&alice, 2000)];
    come(&alice, &bob, &fragments(&first)[1..], START);
    come(&alice, &bob, &fragments(&second), START);
    assert!(prune(&bob.store, START + LIFE).arrived.is_empty());
    let arrived = prune(&bob.store, START + LIFE + SECOND).arrived;
    assert!(arrived.len() == 1 && arrived[0].id == second.id && arrived[0].unreadable.is_none());
    let (_, content) = bob.store.read(arrived[0].number).unwrap();
    assert!(content == Content::file("file", vec![1; 2000].into()));
    assert!(left(&alice, &bob) == 0 && bob.store.unread().unwrap() == 1);
    let told = resumed(&bob, alice.key()).unwrap().memory.told;
    assert!(told.len() == 1 && told[0].message == second.id);
    let count = u32::try_from(fragments(&second).len()).unwrap();
    assert_eq!((told[0].sequence, told[0].fragments), (second.sequence, count));
}

/// Checks that messages which wait for one in vain are shown in the order of writing, whatever the
/// order in which they came.
#[test]
fn messages_that_wait_in_vain_are_shown_in_their_order() {
    let folder = Folder::new("gone-order");
    let [alice, bob] = Client::pair(&folder);
    let files: Vec<_> = (0..4).map(|at| file(&alice, 1000 + at)).collect();
    for (days, at) in [(0, 3), (1, 1), (2, 2)] {
        come(&alice, &bob, &fragments(&files[at]), START + DAY * days);
    }
    let arrived = prune(&bob.store, START + LIFE + SECOND).arrived;
    let ids: Vec<_> = arrived.iter().map(|incoming| incoming.id).collect();
    assert!(ids == [files[1].id, files[2].id, files[3].id]);
    assert!(left(&alice, &bob) == 0);
    assert!(prune(&bob.store, START + LIFE + DAY * 3).arrived.is_empty());
    assert_eq!(resumed(&bob, alice.key()).unwrap().memory.told.len(), 3);
}

/// Checks that fragments that came by a clock that was years ahead end as all others, from the day on
/// when the date is known.
#[test]
fn fragments_that_came_by_a_clock_that_was_ahead_end() {
    let folder = Folder::new("gone-ahead");
    let [alice, bob] = Client::pair(&folder);
    let [first, second] = [file(&alice, 3000), file(&alice, 3000)].map(|it| fragments(&it));
    come(&alice, &bob, &first[..3], START + DAY * 1000);
    come(&alice, &bob, &second[..3], START + DAY * 50);
    prune(&bob.store, START);
    prune(&bob.store, START + LIFE);
    assert_eq!(left(&alice, &bob), 6);
    prune(&bob.store, START + LIFE + SECOND);
    assert_eq!(left(&alice, &bob), 0);
}
