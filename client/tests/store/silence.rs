//! Silence: what is said of contacts of which nothing is heard though letters have left.

use rohrpost_client::{Content, DeliveryStatus, Silence};
use rohrpost_packet::envelope::MessageId;

use super::world::{Client, DAY, Folder, HOUR, SECOND, START};

/// Alice of the store's stories, and bob, whom she has heard on the second day.
fn heard(folder: &Folder) -> [Client; 2] {
    let pair = Client::pair(folder);
    pair[0].store.hear(pair[1].key(), START + DAY).unwrap();
    pair
}

fn send(alice: &Client, days: u32) -> MessageId {
    let now = START + DAY * days;
    alice.store.accept("bob", &Content::text("x"), DAY * 7, now).unwrap().id
}

/// Sends a text that leaves on this day.
fn leave(alice: &Client, days: u32) -> MessageId {
    let id = send(alice, days);
    alice.store.left(id, 1, START + DAY * days).unwrap();
    id
}

fn silent(alice: &Client, days: u32) -> Option<Silence> {
    let (known, now) = (alice.store.contact("bob").unwrap(), START + DAY * days);
    let silence = alice.store.silence(&known, now).unwrap();
    let all = alice.store.silences(now).unwrap();
    assert!(
        all.iter()
            .map(|(known, silence)| (&*known.name, *silence))
            .eq(silence.map(|it| ("bob", it)))
    );
    silence
}

#[test]
fn who_does_not_answer_a_letter_for_five_days_is_silent() {
    let folder = Folder::new("silent");
    let [alice, bob] = heard(&folder);
    assert_eq!(silent(&alice, 300), None, "nobody has written");
    let id = send(&alice, 100);
    assert_eq!(silent(&alice, 300), None, "nothing has left");
    alice.store.left(id, 1, START + DAY * 100).unwrap();
    let alice = alice.reopen();
    let silence = Silence { heard: Some(START + DAY), first: START + DAY * 100 };
    assert_eq!([104, 105].map(|days| silent(&alice, days)), [None, Some(silence)]);
    // Neither another letter nor the end of one is a sign of life.
    leave(&alice, 106);
    alice.store.left(id, 2, START + DAY * 106).unwrap();
    alice.store.settle(id, DeliveryStatus::Expired, START + DAY * 107).unwrap();
    assert_eq!(silent(&alice, 300), Some(silence));
    alice.store.hear(bob.key(), START + DAY * 108).unwrap();
    assert_eq!(silent(&alice, 300), None);
    // An acknowledgement is one, within the hour in which no other is noted as well.
    let id = leave(&alice, 108);
    alice.store.hear(bob.key(), START + DAY * 108 + HOUR / 2).unwrap();
    alice.store.settle(id, DeliveryStatus::Delivered, START + DAY * 108 + HOUR / 2).unwrap();
    assert_eq!(silent(&alice, 300), None);
}

/// Checks that a contact that was never heard is told of as such, though its letter left right after
/// it was added, and that its first sign of life is noted though it comes within the hour.
#[test]
fn who_was_never_heard_is_told_of_as_such() {
    let folder = Folder::new("never-heard");
    let [alice, bob] = Client::pair(&folder);
    let id = send(&alice, 0);
    alice.store.left(id, 1, START + SECOND).unwrap();
    assert_eq!(silent(&alice, 6), Some(Silence { heard: None, first: START + SECOND }));
    alice.store.hear(bob.key(), START + HOUR / 2).unwrap();
    let known = alice.store.contact("bob").unwrap();
    assert_eq!((known.last_heard(), silent(&alice, 6)), (Some(START + HOUR / 2), None));
}

/// Checks that the first part of a long message counts, though the whole of it does not leave while
/// nothing is heard; and that what ends the waiting ends the sentence.
#[test]
fn a_part_counts_and_a_new_card_blocking_and_a_move_begin_anew() {
    let folder = Folder::new("silent-part");
    let [alice, bob] = heard(&folder);
    let part = |alice: &Client| {
        alice.store.letter_left(bob.key(), START + DAY * 2).unwrap();
        alice.store.letter_left(bob.key(), START + DAY * 9).unwrap();
        assert_eq!(silent(alice, 7).map(|silence| silence.first), Some(START + DAY * 2));
    };
    part(&alice);
    let card = bob.store.card(&bob.network, START + DAY * 7).unwrap();
    alice.store.add_card("bob", card.address, START + DAY * 7).unwrap();
    assert_eq!(silent(&alice, 100), None);
    part(&alice);
    let backup = folder.path("backup");
    alice.store.back_up(&backup).unwrap();
    alice.store.block("bob", START + DAY * 8).unwrap();
    assert_eq!(silent(&alice, 100), None);
    let home = folder.path("new");
    let unlock = super::world::unlock();
    let now = START + DAY * 20;
    let store =
        rohrpost_client::Store::restore(&backup, &home, &unlock, &alice.network, now).unwrap();
    let moved = Client { home, network: super::world::network(), store };
    assert_eq!(silent(&moved, 100), None);
}

/// Checks that a sign of life from a clock that was years ahead hides nothing.
#[test]
fn a_sign_of_life_by_a_clock_that_was_ahead_hides_nothing() {
    let folder = Folder::new("silent-clock");
    let [alice, bob] = Client::pair(&folder);
    alice.store.hear(bob.key(), START + DAY * 4000).unwrap();
    leave(&alice, 2);
    let silence = Silence { heard: Some(START + DAY * 2), first: START + DAY * 2 };
    assert_eq!(silent(&alice, 8), Some(silence));
}
