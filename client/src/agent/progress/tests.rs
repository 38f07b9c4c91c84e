use std::time::Duration;

use super::*;
use crate::agent::tests::world::{Client, DAY, Folder, START, network};
use crate::content::Content;

/// Messages that the session is given, in that order, by the name of their contact.
fn given(progress: &mut Progress, outbox: &[Outgoing], most: usize) -> Vec<usize> {
    let number = |id| outbox.iter().position(|one| one.id == id).unwrap();
    let mut given = Vec::new();
    while given.len() < most
        && let Some((to, id)) = progress.next()
    {
        given.push(number(id));
        progress.posted(to);
    }
    given
}

/// Checks that messages for somebody for whom the session has no room hold up nobody else's.
#[test]
fn one_contact_never_holds_up_another() {
    let folder = Folder::new("hold-up");
    let [alice, bob] = Client::pair(&folder);
    let carol = Client::new(&folder, "carol");
    alice.store.add_contact("carol", carol.card(START), START).unwrap();
    for to in ["bob", "bob", "bob", "carol", "carol"] {
        alice.store.accept(to, &Content::text("x"), DAY, START + Duration::from_secs(1)).unwrap();
    }
    let outbox = alice.store.outbox().unwrap();
    let mut progress = Progress::new(&network());
    progress.load(&outbox);
    progress.refused(bob.key());
    assert_eq!(given(&mut progress, &outbox, 9), [3, 4], "carol's, while bob's find no room");
    progress.made_room();
    assert_eq!(given(&mut progress, &outbox, 9), [0, 1, 2], "in the order of acceptance");
    assert!(progress.next().is_none());
}

#[test]
fn contacts_take_turns() {
    let folder = Folder::new("turns");
    let [alice, _bob] = Client::pair(&folder);
    let carol = Client::new(&folder, "carol");
    alice.store.add_contact("carol", carol.card(START), START).unwrap();
    for to in ["bob", "bob", "bob", "carol"] {
        alice.store.accept(to, &Content::text("x"), DAY, START).unwrap();
    }
    let outbox = alice.store.outbox().unwrap();
    let mut progress = Progress::new(&network());
    progress.load(&outbox);
    let given = given(&mut progress, &outbox, 2);
    assert!(given.contains(&0) && given.contains(&3), "{given:?}");
}

/// Checks that a message that was taken back is not given to the session, and lets others pass.
#[test]
fn what_is_taken_back_is_not_given() {
    let folder = Folder::new("withdraw");
    let [alice, bob] = Client::pair(&folder);
    for _ in 0..3 {
        alice.store.accept("bob", &Content::text("x"), DAY, START).unwrap();
    }
    let outbox = alice.store.outbox().unwrap();
    let mut progress = Progress::new(&network());
    progress.load(&outbox);
    progress.refused(bob.key());
    progress.withdraw(bob.key(), outbox[1].id);
    assert_eq!(given(&mut progress, &outbox, 9), [0, 2]);
}
