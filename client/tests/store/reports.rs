//! Reports: nothing that ends without delivery, and nothing that is forgotten, goes without a word.

use rohrpost_client::{Content, DeliveryStatus, Forgetting, Terms};
use rohrpost_packet::envelope::{EnvelopeMark, MARK_LEN, MessageId, PrekeyId};

use super::world::{Client, DAY, Folder, HOUR, SECOND, START, carry};

fn send(alice: &Client, program: bool) -> MessageId {
    let terms = Terms { lifetime: DAY, id: None, program, dated: true };
    match alice.store.accept_on("bob", &Content::text("x"), terms, START).unwrap() {
        rohrpost_client::Accepted::Now(one) | rohrpost_client::Accepted::Before(one) => one.id,
    }
}

fn undelivered(alice: &Client, program: bool) -> Vec<MessageId> {
    alice.store.undelivered(program).unwrap().iter().map(|one| one.id).collect()
}

#[test]
fn what_was_not_delivered_is_listed_until_its_sender_was_told() {
    let folder = Folder::new("undelivered");
    let [alice, _bob] = Client::pair(&folder);
    let [late, taken, heard, program, last] =
        [false, false, false, true, false].map(|program| send(&alice, program));
    for (id, status) in [
        (late, DeliveryStatus::Expired),
        (heard, DeliveryStatus::Delivered),
        (program, DeliveryStatus::Expired),
    ] {
        alice.store.settle(id, status, START + DAY).unwrap();
    }
    alice.store.cancel(taken, START + DAY).unwrap();
    let alice = alice.reopen();
    assert!(undelivered(&alice, false) == [late] && undelivered(&alice, true) == [program]);
    // Who says that he knows speaks for himself.
    alice.store.told_undelivered(&[program, heard, MessageId::new([9; 16])], false).unwrap();
    assert!(undelivered(&alice, true) == [program]);
    alice.store.told_undelivered(&[late], false).unwrap();
    assert!(undelivered(&alice, false).is_empty());
    // What waits for somebody who is removed is given up.
    alice.store.remove("bob", START + DAY).unwrap();
    assert!(undelivered(&alice.reopen(), false) == [last]);
}

#[test]
fn what_is_forgotten_is_named_and_counted() {
    let folder = Folder::new("forgotten");
    let [alice, bob] = Client::pair(&folder);
    let sent = [send(&alice, false), send(&alice, false)];
    carry(&alice, &bob, START);
    bob.store.acknowledge(&[1], START + HOUR).unwrap();
    let over = send(&alice, false);
    alice.store.settle(over, DeliveryStatus::Expired, START + HOUR).unwrap();
    let later = START + HOUR + DAY + SECOND;
    for client in [&alice, &bob] {
        client.store.set_retention(DAY).unwrap();
        assert_eq!(client.store.forgetting().unwrap(), Forgetting::default());
    }
    let forgotten = bob.store.prune(later).unwrap();
    assert!(forgotten.received == [1] && forgotten.sent.is_empty() && !forgotten.more);
    let forgotten = alice.store.prune(later).unwrap();
    assert!(forgotten.received.is_empty() && forgotten.sent == [sent[0], sent[1], over]);
    assert!(undelivered(&alice, false).is_empty(), "nothing is left to be said of it");
    for (client, count) in [(alice, 3), (bob, 1)] {
        let client = client.reopen();
        assert!(client.store.prune(later + DAY * 9).unwrap().sent.is_empty());
        let forgetting = client.store.forgetting().unwrap();
        assert_eq!((forgetting.count, forgetting.last.as_secs()), (count, later.as_secs()));
    }
}

#[test]
fn who_is_owed_an_acknowledgement_is_counted() {
    let folder = Folder::new("owed");
    let [alice, bob] = Client::pair(&folder);
    let carol = Client::new(&folder, "carol");
    alice.store.add_contact("carol", carol.card(START), START).unwrap();
    let comes = |from: &Client, number: u8| {
        let mark = EnvelopeMark::new(PrekeyId::new([1; 16]), [number; MARK_LEN]);
        alice.store.store_letters([], [(from.key(), mark)], START).unwrap();
    };
    comes(&bob, 1);
    comes(&bob, 2);
    comes(&carol, 3);
    assert_eq!(alice.store.owed().unwrap(), 2);
    alice.store.acknowledgement_sent(bob.key()).unwrap();
    assert_eq!(alice.store.owed().unwrap(), 1);
    alice.store.block("carol", START).unwrap();
    assert_eq!(alice.store.owed().unwrap(), 0, "nobody tells someone who is blocked");
    comes(&bob, 4);
    alice.store.remove("bob", START).unwrap();
    assert_eq!(alice.store.owed().unwrap(), 0);
}
