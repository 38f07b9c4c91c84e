//! Messages that a client sends: accepted means committed, and each has its number and its end.

use std::time::Duration;

use rohrpost_client::{Content, DeliveryStatus, StoreError};
use rohrpost_packet::envelope::Kind;
use rohrpost_proto::time::Time;

use super::world::{Client, DAY, Folder, HOUR, SECOND, START, announce, carry};

#[test]
fn what_was_accepted_is_there_after_reopening_with_rising_numbers() {
    let folder = Folder::new("accepted");
    let [alice, bob] = Client::pair(&folder);
    let carol = Client::new(&folder, "carol");
    alice.store.add_contact("carol", carol.card(START), START).unwrap();
    carry(&alice, &carol, START);
    let send = |to: &str, text: &str| {
        alice.store.accept(to, &Content::text(text), DAY, START + HOUR).unwrap()
    };
    let sent = [send("bob", "one"), send("carol", "two"), send("bob", "three")];
    let alice = alice.reopen();
    let outbox = alice.store.outbox().unwrap();
    let content: Vec<_> = outbox.iter().filter(|one| one.is_content()).map(|one| one.id).collect();
    assert!(sent.iter().all(|one| content.contains(&one.id)) && content.len() == 3);
    for (to, texts) in [(&bob, &["one", "three"][..]), (&carol, &["two"])] {
        let waiting = alice.waiting(to.key());
        for (message, text) in waiting.iter().zip(texts) {
            assert!(Content::decode(&message.body) == Ok(Content::text(text)));
            assert!(message.kind == Kind::Content);
        }
        let numbers = alice.numbers(to.key());
        assert_eq!(numbers.len(), texts.len());
        // The first number of this incarnation went to the address that was told first.
        let first = (u64::from(u32::try_from(START.as_secs()).unwrap()) << 32) + 1;
        assert!(numbers[0] >= first && numbers.is_sorted());
    }
    let next = alice.store.accept("bob", &Content::text("four"), DAY, START + HOUR).unwrap();
    let numbers = alice.numbers(bob.key());
    assert_eq!(numbers, (numbers[0]..numbers[0] + 3).collect::<Vec<_>>());
    assert!(alice.waiting(bob.key())[2].id == next.id);
}

#[test]
fn too_long_blocked_and_unknown_is_refused() {
    let folder = Folder::new("refused");
    let [alice, _bob] = Client::pair(&folder);
    let accept = |to: &str, content: &Content| alice.store.accept(to, content, DAY, START);
    let long = Content::file("f", vec![0; (16 << 20) - 3].into());
    assert!(
        matches!(accept("bob", &long), Err(StoreError::TooLong { limit, .. }) if limit == (16 << 20) - 4)
    );
    let fits = Content::file("f", vec![0; (16 << 20) - 4].into());
    accept("bob", &fits).unwrap();
    let text = Content::text("x");
    assert!(matches!(accept("eve", &text), Err(StoreError::Unknown(_))));
    alice.store.block("bob", START).unwrap();
    assert!(matches!(accept("bob", &text), Err(StoreError::Blocked(_))));
    assert!(alice.store.outbox().unwrap().iter().all(|one| !one.is_waiting()));
}

#[test]
fn a_lifetime_may_be_longer_than_time_can_be_counted() {
    let folder = Folder::new("forever");
    let [alice, bob] = Client::pair(&folder);
    alice.store.accept("bob", &Content::text("x"), Duration::MAX, START).unwrap();
    let waiting = alice.reopen().waiting(bob.key());
    assert!(waiting.len() == 1 && waiting[0].expires > Time::from_micros(0) + DAY * 365_000);
}

#[test]
fn an_expired_message_leaves_a_tombstone_until_that_is_delivered() {
    let folder = Folder::new("tombstone");
    let [alice, bob] = Client::pair(&folder);
    let sent = alice.store.accept("bob", &Content::text("late"), HOUR, START).unwrap();
    let number = alice.numbers(bob.key())[0];
    alice.store.settle(sent.id, DeliveryStatus::Sent, START + SECOND).unwrap();
    assert_eq!(alice.status(sent.id), Some(DeliveryStatus::Sent));
    alice.store.settle(sent.id, DeliveryStatus::Expired, START + HOUR).unwrap();
    let alice = alice.reopen();
    // Whatever is told of it late does not end the tombstone, nor does the time of keeping
    // messages.
    alice.store.settle(sent.id, DeliveryStatus::Sent, START + HOUR).unwrap();
    alice.store.prune(START + DAY * 300).unwrap();
    let waiting = alice.waiting(bob.key());
    assert!(waiting.len() == 1 && waiting[0].kind == Kind::Tombstone && waiting[0].body.is_empty());
    assert!((waiting[0].sequence, waiting[0].id) == (number, sent.id));
    alice.store.settle(sent.id, DeliveryStatus::Delivered, START + HOUR * 2).unwrap();
    assert_eq!(alice.status(sent.id), Some(DeliveryStatus::Expired));
    assert!(alice.waiting(bob.key()).is_empty());
    alice.store.prune(START + DAY * 300).unwrap();
    assert_eq!(alice.status(sent.id), None);
}

#[test]
fn an_expired_address_waits_for_its_tombstone_and_is_forgotten_then() {
    let folder = Folder::new("expired-address");
    let [alice, bob] = Client::pair(&folder);
    alice.store.roll(START + DAY).unwrap();
    announce(&alice, START + DAY);
    let told = alice.waiting(bob.key());
    assert!(told.len() == 1 && told[0].kind == Kind::Address);
    alice.store.settle(told[0].id, DeliveryStatus::Expired, START + DAY * 15).unwrap();
    assert!(alice.waiting(bob.key())[0].kind == Kind::Tombstone);
    alice.store.settle(told[0].id, DeliveryStatus::Delivered, START + DAY * 15).unwrap();
    assert_eq!(alice.status(told[0].id), None);
}

#[test]
fn retention_forgets_what_is_read_and_delivered_alone() {
    let folder = Folder::new("retention");
    let [alice, bob] = Client::pair(&folder);
    let send = |text: &str| alice.store.accept("bob", &Content::text(text), DAY, START).unwrap();
    let delivered = [send("read"), send("unread")];
    assert_eq!(carry(&alice, &bob, START + HOUR).len(), 2);
    let open = send("open");
    bob.store.acknowledge(&[bob.store.inbox(0).unwrap()[0].number]).unwrap();
    for store in [&alice.store, &bob.store] {
        assert_eq!(store.retention().unwrap(), DAY * 30);
        store.set_retention(DAY * 2).unwrap();
        assert_eq!(store.retention().unwrap(), DAY * 2);
        store.prune(START + HOUR + DAY * 2).unwrap();
    }
    assert_eq!(
        (bob.store.inbox(0).unwrap().len(), alice.status(delivered[0].id)),
        (2, Some(DeliveryStatus::Delivered))
    );
    for store in [&alice.store, &bob.store] {
        store.prune(START + HOUR + DAY * 2 + SECOND).unwrap();
    }
    let left = bob.store.inbox(0).unwrap();
    assert_eq!(left.len(), 1);
    assert!(bob.store.read(left[0].number).unwrap().1 == Content::text("unread"));
    assert!(matches!(bob.store.read(left[0].number - 1), Err(StoreError::Number(_))));
    assert!(delivered.iter().all(|one| alice.status(one.id).is_none()));
    assert_eq!(alice.status(open.id), Some(DeliveryStatus::Queued));
    assert!(alice.waiting(bob.key())[0].id == open.id);
}
