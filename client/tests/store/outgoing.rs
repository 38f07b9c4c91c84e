//! Messages that a client sends: accepted means committed, and each has its number and its end.

use std::time::Duration;

use rohrpost_client::{Accepted, Content, DeliveryStatus, Draft, StoreError, Terms};
use rohrpost_packet::envelope::{Kind, MessageId};
use rohrpost_proto::courier::Body;
use rohrpost_proto::time::Time;

use super::world::{Client, DAY, Folder, HOUR, SECOND, START, arrive, body, carry, resumed};

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
    assert!(outbox.iter().map(|one| one.id).eq(sent.iter().map(|one| one.id)));
    for (to, texts) in [(&bob, &["one", "three"][..]), (&carol, &["two"])] {
        let waiting = alice.waiting(to.key());
        for (message, text) in waiting.iter().zip(texts) {
            assert!(Content::decode(body(message)) == Content::text(text));
            assert!(message.kind == Kind::Content);
        }
        let numbers = alice.numbers(to.key());
        assert_eq!(numbers.len(), texts.len());
        let first = u64::from(u32::try_from(START.as_secs()).unwrap()) << 32;
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
    assert!(alice.store.outbox().unwrap().iter().all(|one| !one.status.is_open()));
}

/// Checks that no message is tried for longer than its recipient knows its id: a backup of its sender
/// that still has it in the outbox delivers nothing twice.
#[test]
fn what_is_sent_again_after_the_longest_life_is_known_to_have_come() {
    let folder = Folder::new("longest-life");
    let [alice, bob] = Client::pair(&folder);
    let text = Content::text("x");
    for life in [DAY * 77 + SECOND, DAY * 365, Duration::MAX] {
        let refused = alice.store.accept("bob", &text, life, START);
        let refused = refused.err().expect("it would be known for a shorter time");
        assert!(matches!(refused, StoreError::LongLife { limit } if limit == DAY * 77));
        assert!(refused.to_string().contains("after 77 days at the latest"), "{refused}");
    }
    alice.store.accept("bob", &text, DAY * 77, START).unwrap();
    let letter = alice.waiting(bob.key()).remove(0);
    assert!(letter.expires == Time::from_micros(0) + START + DAY * 77);
    assert_eq!(arrive(alice.key(), &letter, &bob, START).len(), 1);
    // It leaves once more on its last day, and waits at a mailbox for a week.
    let last = START + DAY * 84;
    bob.store.prune(last).unwrap();
    assert!(arrive(alice.key(), &letter, &bob, last).is_empty(), "it came before");
}

/// Checks that a message that is over is nothing to wait for: a session starts behind it.
#[test]
fn what_has_expired_is_over_whatever_is_told_of_it_late() {
    let folder = Folder::new("over");
    let [alice, bob] = Client::pair(&folder);
    let send = |text: &str| alice.store.accept("bob", &Content::text(text), HOUR, START).unwrap();
    let (late, next) = (send("late"), send("next"));
    let numbers = alice.numbers(bob.key());
    let bounds = |client: &Client| {
        let known = resumed(client, bob.key()).unwrap();
        (known.open, known.next)
    };
    assert_eq!(bounds(&alice), (numbers[0], numbers[1] + 1));
    alice.store.left(late.id, 1, START + SECOND).unwrap();
    assert_eq!(alice.status(late.id), Some(DeliveryStatus::Sent));
    alice.store.settle(late.id, DeliveryStatus::Expired, START + HOUR).unwrap();
    alice.store.left(late.id, 1, START + HOUR).unwrap();
    assert_eq!(alice.status(late.id), Some(DeliveryStatus::Expired));
    let alice = alice.reopen();
    assert_eq!(bounds(&alice), (numbers[1], numbers[1] + 1));
    alice.store.settle(next.id, DeliveryStatus::Delivered, START + HOUR).unwrap();
    assert_eq!(bounds(&alice), (numbers[1] + 1, numbers[1] + 1));
}

/// Checks that messages leave in the order of their acceptance, though the machine's clock went
/// back between them.
#[test]
fn a_clock_that_goes_back_reorders_nothing() {
    let folder = Folder::new("goes-back");
    let [alice, bob] = Client::pair(&folder);
    let accept =
        |text: &str, now| alice.store.accept("bob", &Content::text(text), DAY, now).unwrap().id;
    let sent = [accept("one", START + HOUR * 2), accept("two", START), accept("three", START)];
    let alice = alice.reopen();
    let outbox = alice.store.outbox().unwrap();
    assert!(outbox.iter().map(|one| one.id).eq(sent));
    let sequences: Vec<_> =
        sent.iter().map(|id| alice.store.message(*id).unwrap().unwrap().sequence).collect();
    assert!(sequences.is_sorted() && alice.numbers(bob.key()) == sequences);
}

/// Checks that a text can be read by whoever wrote it for as long as its record stays, and that of a
/// file only its name does.
#[test]
fn what_was_written_stays_readable_when_it_is_over() {
    let folder = Folder::new("written");
    let [alice, bob] = Client::pair(&folder);
    let accept = |content: &Content| alice.store.accept("bob", content, DAY, START).unwrap().id;
    let text = accept(&Content::text("grüß Gott"));
    let file = accept(&Content::file("big.bin", vec![7; 100_000].into()));
    let gone = accept(&Content::text("given up"));
    let read = |client: &Client, id| {
        let (outgoing, text) = client.store.sent(id).unwrap();
        (outgoing.status, text.map(|text| text.to_string()))
    };
    assert_eq!(read(&alice, text), (DeliveryStatus::Queued, Some("grüß Gott".into())));
    assert_eq!(read(&alice, file), (DeliveryStatus::Queued, None));
    for id in [text, file] {
        alice.store.settle(id, DeliveryStatus::Delivered, START + HOUR).unwrap();
    }
    alice.store.remove("bob", START + HOUR).unwrap();
    let alice = alice.reopen();
    assert_eq!(read(&alice, text), (DeliveryStatus::Delivered, Some("grüß Gott".into())));
    assert_eq!(read(&alice, file), (DeliveryStatus::Delivered, None));
    assert_eq!(read(&alice, gone), (DeliveryStatus::Undeliverable, Some("given up".into())));
    assert!([text, file, gone].iter().all(|id| alice.store.message(*id).unwrap().is_none()));
    assert!(resumed(&alice, bob.key()).is_none());
    alice.store.set_retention(DAY).unwrap();
    alice.store.prune(START + HOUR + DAY + SECOND).unwrap();
    for id in [text, file, gone] {
        assert!(matches!(alice.store.sent(id), Err(StoreError::Id(_))));
    }
}

#[test]
fn retention_forgets_what_is_read_and_delivered_alone() {
    let folder = Folder::new("retention");
    let [alice, bob] = Client::pair(&folder);
    let send = |text: &str| alice.store.accept("bob", &Content::text(text), DAY, START).unwrap();
    let delivered = [send("read"), send("unread")];
    assert_eq!(carry(&alice, &bob, START + HOUR).len(), 2);
    let open = send("open");
    bob.store.acknowledge(&[bob.store.inbox(0).unwrap()[0].number], START + HOUR).unwrap();
    for store in [&alice.store, &bob.store] {
        assert_eq!(store.retention().unwrap(), None);
        store.prune(START + DAY * 10_000).unwrap();
        store.set_retention(DAY * 2).unwrap();
        assert_eq!(store.retention().unwrap(), Some(DAY * 2));
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

/// Checks that a message that came long ago stays as long after its reading as any other.
#[test]
fn retention_counts_from_reading() {
    let folder = Folder::new("from-reading");
    let [alice, bob] = Client::pair(&folder);
    alice.store.accept("bob", &Content::text("x"), DAY, START).unwrap();
    carry(&alice, &bob, START);
    bob.store.set_retention(DAY * 30).unwrap();
    let number = bob.store.inbox(0).unwrap()[0].number;
    let back = START + DAY * 40;
    bob.store.acknowledge(&[number], back).unwrap();
    bob.store.acknowledge(&[number], back + DAY * 20).unwrap();
    bob.store.prune(back + DAY * 30).unwrap();
    assert!(bob.store.read(number).is_ok());
    bob.store.prune(back + DAY * 30 + SECOND).unwrap();
    assert!(matches!(bob.store.read(number), Err(StoreError::Number(_))), "from the first reading");
}

/// Checks that a message that was taken back is gone but for its record, and that a session starts
/// behind its number; and that what is over cannot be taken back.
#[test]
fn what_is_taken_back_is_over() {
    let folder = Folder::new("cancelled");
    let [alice, bob] = Client::pair(&folder);
    let send = |text: &str| alice.store.accept("bob", &Content::text(text), HOUR, START).unwrap();
    let (first, next) = (send("first"), send("next"));
    let numbers = alice.numbers(bob.key());
    alice.store.settle(first.id, DeliveryStatus::Sent, START + SECOND).unwrap();
    alice.store.cancel(first.id, START + SECOND * 2).unwrap();
    alice.store.settle(first.id, DeliveryStatus::Delivered, START + SECOND * 3).unwrap();
    let alice = alice.reopen();
    assert_eq!(alice.status(first.id), Some(DeliveryStatus::Cancelled));
    assert!(alice.store.message(first.id).unwrap().is_none());
    assert_eq!(resumed(&alice, bob.key()).unwrap().open, numbers[1]);
    alice.store.settle(next.id, DeliveryStatus::Delivered, START + SECOND).unwrap();
    for (id, was) in [(first.id, DeliveryStatus::Cancelled), (next.id, DeliveryStatus::Delivered)] {
        let refused = alice.store.cancel(id, START + SECOND * 4);
        assert!(matches!(refused, Err(StoreError::Settled { status, .. }) if status == was));
        assert_eq!(alice.status(id), Some(was));
    }
    let unknown = alice.store.cancel(MessageId::new([9; 16]), START);
    assert!(matches!(unknown, Err(StoreError::Id(id)) if id == "09".repeat(16)));
}

/// Checks that any part of a long body can be read, and that this costs what is read: not the whole
/// of it.
#[test]
fn a_part_of_a_body_is_read_by_itself() {
    let folder = Folder::new("pieces");
    let [alice, _bob] = Client::pair(&folder);
    let content =
        Content::file("big.bin", (0..=250).cycle().take(3_000_000).collect::<Vec<_>>().into());
    let id = alice.store.accept("bob", &content, DAY, START).unwrap().id;
    let whole = content.encode();
    let alice = alice.reopen();
    let message = alice.store.message(id).unwrap().unwrap();
    assert!(matches!(message.body, Body::Stored(len) if len == whole.len()));
    for (offset, len) in [(0, 1), (0, 65_536), (61_439, 2), (61_440, 61_440), (2_999_000, 1010)] {
        let before = alice.store.records_opened();
        let piece = alice.store.piece(id, offset, len).unwrap().unwrap();
        assert!(*piece == whole[offset..offset + len], "{offset} {len}");
        let opened = alice.store.records_opened() - before;
        assert!(opened <= 3, "{opened} records were opened for {len} bytes");
    }
    assert!(matches!(alice.store.piece(id, 2_999_000, 1011), Err(StoreError::Record)));
    alice.store.settle(id, DeliveryStatus::Delivered, START).unwrap();
    assert!(alice.store.piece(id, 0, 1).unwrap().is_none());
}

/// Checks that a file which is put into the store part by part is the message that it would be at
/// once, and is known when it is given once more.
#[test]
fn a_draft_is_accepted_as_the_file_that_it_is() {
    let folder = Folder::new("draft");
    let [alice, _bob] = Client::pair(&folder);
    let bytes: Vec<u8> = (0..=250).cycle().take(200_000).collect();
    let content = Content::file("big.bin", bytes.clone().into());
    let terms =
        Terms { lifetime: DAY, id: Some(MessageId::new([3; 16])), program: false, dated: true };
    let draft = |parts: usize| {
        let drafted = bytes
            .chunks(parts)
            .try_fold(Draft::file("/tmp/big.bin"), |draft, part| alice.store.extend(draft, part));
        alice.store.accept_draft("bob", drafted.unwrap(), terms, START).unwrap()
    };
    let Accepted::Now(sent) = draft(70_000) else { panic!("it is new") };
    let len = usize::try_from(sent.body_len()).unwrap();
    assert!(*alice.store.piece(sent.id, 0, len).unwrap().unwrap() == *content.encode());
    assert!(sent.name.as_deref() == Some("big.bin") && sent.len == 200_000);
    assert!(matches!(draft(61_440), Accepted::Before(before) if before.order == sent.order));
    let again = alice.store.accept_on("bob", &content, terms, START).unwrap();
    assert!(matches!(again, Accepted::Before(before) if before.order == sent.order));
    let other = alice.store.extend(Draft::file("big.bin"), &bytes[1..]).unwrap();
    let refused = alice.store.accept_draft("bob", other, terms, START);
    assert!(matches!(refused, Err(StoreError::IdTaken(_))));
    let empty = Terms { id: None, ..terms };
    let empty = alice.store.accept_draft("bob", Draft::file("empty"), empty, START).unwrap();
    assert!(matches!(empty, Accepted::Now(empty) if empty.len == 0));
}

#[test]
fn a_draft_that_grows_too_long_is_refused_at_once() {
    let folder = Folder::new("long-draft");
    let [alice, _bob] = Client::pair(&folder);
    let part = vec![0; 8 << 20];
    let draft = alice.store.extend(Draft::file("f"), &part).unwrap();
    let limit = (16 << 20) - 4;
    let refused = alice.store.extend(draft, &part).err();
    assert!(matches!(refused, Some(StoreError::TooLong { limit: at, .. }) if at == limit));
}

/// Checks that drafts which nobody accepts leave nothing behind, and that those of others stay.
#[test]
fn drafts_that_nobody_accepts_are_removed() {
    let folder = Folder::new("dead-draft");
    let [alice, _bob] = Client::pair(&folder);
    let extend = |client: &Client| client.store.extend(Draft::file("f"), &[7; 200_000]).unwrap();
    let (mine, others) = (extend(&alice), extend(&alice));
    let (kept, dead) = (mine.id(), others.id());
    alice.store.discard_drafts(|id| id == kept).unwrap();
    let terms = Terms { lifetime: DAY, id: None, program: false, dated: true };
    let accepted = alice.store.accept_draft("bob", mine, terms, START).unwrap();
    let Accepted::Now(sent) = accepted else { panic!("it is new") };
    let len = usize::try_from(sent.body_len()).unwrap();
    assert!(alice.store.piece(sent.id, 0, len).unwrap().is_some());
    assert!(dead != kept);
    let lost = alice.store.accept_draft("bob", others, terms, START).unwrap();
    let Accepted::Now(lost) = lost else { panic!("it is new") };
    let read = alice.store.piece(lost.id, 0, len);
    assert!(matches!(read, Err(StoreError::Record)), "its first pieces were removed");
}
