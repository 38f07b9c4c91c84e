//! Forgetting: what is over goes in its order, some at a time, whatever the clocks showed.

use rohrpost_client::Content;

use super::world::{Client, DAY, Folder, SECOND, START, carry};

/// A client to whom so many texts have come.
fn with_texts(folder: &Folder, count: u32) -> Client {
    let [alice, bob] = Client::pair(folder);
    for _ in 0..count {
        alice.store.accept("bob", &Content::text("x"), DAY, START).unwrap();
    }
    carry(&alice, &bob, START);
    bob
}

fn left(client: &Client) -> Vec<u64> {
    client.store.inbox(0).unwrap().iter().map(|one| one.number).collect()
}

#[test]
fn much_is_forgotten_in_slices_and_nothing_that_is_not_due() {
    let folder = Folder::new("slices");
    let bob = with_texts(&folder, 500);
    bob.store.set_retention(DAY * 30).unwrap();
    bob.store.acknowledge(&(0..450).collect::<Vec<_>>(), START).unwrap();
    bob.store.acknowledge(&[460, 470], START + DAY).unwrap();
    assert!(!bob.store.prune(START + DAY * 30).unwrap().more);
    assert_eq!(left(&bob).len(), 500);
    let now = START + DAY * 30 + SECOND;
    let mut slices = 0;
    while bob.store.prune(now).unwrap().more {
        slices += 1;
        assert!(left(&bob).len() > 50, "a slice is a part");
    }
    assert!(slices > 1 && left(&bob) == (450..500).collect::<Vec<_>>());
    assert_eq!(bob.store.unread().unwrap(), 48);
    bob.store.prune(START + DAY * 31 + SECOND).unwrap();
    assert!(!left(&bob).contains(&460) && left(&bob).len() == 48);
}

/// Checks that what was read by a clock that was a year ahead stays for as long as all else, from
/// the day on when the date is known, and holds up nothing that was read after it.
#[test]
fn what_was_read_by_a_clock_that_was_ahead_holds_up_nothing() {
    let folder = Folder::new("read-ahead");
    let bob = with_texts(&folder, 3);
    bob.store.set_retention(DAY * 30).unwrap();
    bob.store.acknowledge(&[0], START + DAY * 365).unwrap();
    bob.store.acknowledge(&[1], START).unwrap();
    bob.store.prune(START + DAY).unwrap();
    bob.store.prune(START + DAY * 30 + SECOND).unwrap();
    assert_eq!(left(&bob), [0, 2]);
    bob.store.prune(START + DAY * 31 + SECOND).unwrap();
    assert_eq!(left(&bob), [2]);
}

/// Checks that long files are forgotten one by one: what forgets many at once holds up mail and
/// requests.
#[test]
fn long_files_are_forgotten_one_by_one() {
    let folder = Folder::new("long-files");
    let [alice, bob] = Client::pair(&folder);
    for _ in 0..3 {
        let file = Content::file("file", vec![1; 14_000_000].into());
        alice.store.accept("bob", &file, DAY, START).unwrap();
        carry(&alice, &bob, START);
    }
    bob.store.set_retention(DAY * 30).unwrap();
    bob.store.acknowledge(&[0, 1, 2], START).unwrap();
    let now = START + DAY * 30 + SECOND;
    for left in [2, 1, 0] {
        let forgotten = bob.store.prune(now).unwrap();
        assert!(forgotten.received.len() == 1 && forgotten.more, "{left} are left");
    }
    assert!(!bob.store.prune(now).unwrap().more && left(&bob).is_empty());
}
