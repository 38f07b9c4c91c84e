//! Messages that a client receives: fragments last, and each message comes once.

use rohrpost_client::{Completed, Content, Correspondent, StoreError};
use rohrpost_packet::envelope::{EnvelopeMark, Fragment, KeyId, Kind, MessageId};
use rohrpost_proto::courier::{Message, Part};

use super::world::{Client, DAY, Folder, HOUR, START, arrive, carry, complete, fragments};

/// A file of some fragments that waits at a client for another.
fn file(from: &Client, name: &str, len: usize) -> Message {
    let bytes: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let content = Content::file(name, bytes.into());
    let sent = from.store.accept("bob", &content, DAY, START).unwrap();
    from.store.message(sent.id).unwrap().unwrap()
}

fn keep<'l>(at: &Client, sender: KeyId, fragments: impl IntoIterator<Item = &'l Fragment>) {
    at.store.store_letters(fragments.into_iter().map(|fragment| (sender, fragment)), []).unwrap();
}

/// A contact as a session is told of it.
fn resumed(client: &Client, sender: KeyId) -> Correspondent {
    let all = client.store.correspondents().unwrap().into_iter();
    all.into_iter().find(|other| other.contact.identity.key_id() == sender).unwrap()
}

fn parts(fragments: &[Fragment]) -> Vec<Part> {
    fragments.iter().map(Part::of).collect()
}

fn is_message(told: &[Completed], content: &Content, client: &Client) -> bool {
    match told {
        [Completed::Message(incoming)] => client.store.read(incoming.number).unwrap().1 == *content,
        _ => false,
    }
}

#[test]
fn fragments_last_and_a_session_resumes_with_exactly_those() {
    let folder = Folder::new("fragments");
    let [alice, bob] = Client::pair(&folder);
    let (first, second) = (file(&alice, "first", 5000), file(&alice, "second", 3000));
    let sender = alice.key();
    let below = resumed(&bob, sender).below;
    assert_eq!(below, first.sequence);
    let (mut of_first, of_second) = (fragments(&first), fragments(&second));
    let last = of_first.pop().unwrap();
    keep(&bob, sender, of_second[2..5].iter().rev());
    keep(&bob, sender, &of_first);
    keep(&bob, sender, &of_first[..1]);
    let bob = bob.reopen();
    let before = resumed(&bob, sender);
    let expected = [parts(&of_first), parts(&of_second[2..5])].concat();
    assert!(before.below == below && before.parts == expected);

    keep(&bob, sender, [&last]);
    let now = START + HOUR;
    let told = bob.store.complete(sender, &[complete(&first)], first.sequence + 1, now).unwrap();
    assert!(is_message(&told, &Content::decode(&first.body).unwrap(), &bob));
    let bob = bob.reopen();
    let after = resumed(&bob, sender);
    assert!(after.below == first.sequence + 1 && after.parts == parts(&of_second[2..5]));
    let [incoming] = &bob.store.inbox(0).unwrap()[..] else { panic!("one message has come") };
    assert!(incoming.file.as_deref() == Some("first") && incoming.len == 5000);
    assert!(incoming.name == "alice" && incoming.arrived == now && !incoming.read);
    assert!(incoming.from == sender && incoming.id == first.id);
}

#[test]
fn what_is_completed_a_second_time_is_not_told_again() {
    let folder = Folder::new("twice");
    let [alice, bob] = Client::pair(&folder);
    let message = file(&alice, "file", 900);
    assert_eq!(arrive(alice.key(), &message, &bob, START).len(), 1);
    // The process died before it heard of its commit: the courier says it again.
    let below = message.sequence + 1;
    let again = bob.store.complete(alice.key(), &[complete(&message)], below, START).unwrap();
    assert!(again.is_empty());
    assert_eq!(bob.store.inbox(0).unwrap().len(), 1);
}

#[test]
fn a_message_that_came_in_another_incarnation_does_not_come_again() {
    let folder = Folder::new("incarnation");
    let [alice, bob] = Client::pair(&folder);
    let mut message = file(&alice, "file", 900);
    assert_eq!(arrive(alice.key(), &message, &bob, START).len(), 1);
    message.sequence = ((message.sequence >> 32) + 7) << 32;
    assert!(arrive(alice.key(), &message, &bob, START + DAY).is_empty());
    assert_eq!(resumed(&bob, alice.key()).below, message.sequence + 1);
    // Its id is remembered for longer than its sender could still be trying.
    bob.store.set_retention(DAY).unwrap();
    bob.store.acknowledge(&[bob.store.inbox(0).unwrap()[0].number]).unwrap();
    bob.store.prune(START + DAY * 50).unwrap();
    message.sequence += 1;
    assert!(arrive(alice.key(), &message, &bob, START + DAY * 50).is_empty());
    assert!(bob.store.inbox(0).unwrap().is_empty());
}

#[test]
fn a_tombstone_takes_the_place_of_the_fragments_that_came() {
    let folder = Folder::new("tombstone-comes");
    let [alice, bob] = Client::pair(&folder);
    let message = file(&alice, "file", 3000);
    let sender = alice.key();
    keep(&bob, sender, &fragments(&message)[..4]);
    let tombstone = Message { kind: Kind::Tombstone, body: Vec::new().into(), ..message };
    let tombstone_fragments = fragments(&tombstone);
    keep(&bob, sender, &tombstone_fragments);
    let bob = bob.reopen();
    assert!(resumed(&bob, sender).parts == parts(&tombstone_fragments));
    let told =
        bob.store.complete(sender, &[complete(&tombstone)], tombstone.sequence + 1, START).unwrap();
    assert!(told.is_empty() && bob.store.inbox(0).unwrap().is_empty());
    let after = resumed(&bob, sender);
    assert!(after.parts.is_empty() && after.below == tombstone.sequence + 1);
}

#[test]
fn what_comes_from_nobody_known_is_not_kept() {
    let folder = Folder::new("nobody");
    let [alice, bob] = Client::pair(&folder);
    let (message, sender) = (file(&alice, "file", 3000), alice.key());
    bob.store.remove("alice", START).unwrap();
    keep(&bob, sender, &fragments(&message));
    bob.store.add_contact("alice", alice.card(START), START + DAY).unwrap();
    assert!(resumed(&bob, sender).parts.is_empty());
    keep(&bob, sender, &fragments(&message)[..3]);
    bob.store.block("alice", START + DAY).unwrap();
    keep(&bob, sender, &fragments(&message));
    let below = message.sequence + 1;
    let told = bob.store.complete(sender, &[complete(&message)], below, START + DAY).unwrap();
    assert!(told.is_empty() && bob.store.inbox(0).unwrap().is_empty());
    assert!(bob.store.correspondents().unwrap().is_empty());
}

#[test]
fn messages_are_marked_together_or_not_at_all() {
    let folder = Folder::new("marked");
    let [alice, bob] = Client::pair(&folder);
    for text in ["one", "two"] {
        alice.store.accept("bob", &Content::text(text), DAY, START).unwrap();
    }
    carry(&alice, &bob, START);
    let numbers: Vec<_> = bob.store.inbox(0).unwrap().iter().map(|one| one.number).collect();
    let wrong = bob.store.acknowledge(&[numbers[0], 77]);
    assert!(matches!(wrong, Err(StoreError::Number(77))));
    let read = || bob.store.inbox(0).unwrap().iter().map(|one| one.read).collect::<Vec<_>>();
    assert_eq!(read(), [false, false]);
    bob.store.acknowledge(&numbers[..1]).unwrap();
    assert_eq!(read(), [true, false]);
    assert_eq!(bob.store.inbox(numbers[1]).unwrap().len(), 1);
    assert!(bob.store.message(MessageId::new([7; 16])).unwrap().is_none());
}

/// Letters that were opened are known for as long as the prekey is there that opened them: what its
/// courier is told after a restart, and what is gone with the prekey.
#[test]
fn marks_of_opened_letters_last_as_long_as_their_prekey() {
    let folder = Folder::new("marks");
    let [alice, bob] = Client::pair(&folder);
    let prekey = bob.store.profile().unwrap().account.prekeys[0].public().id();
    let mark = |byte: u8| EnvelopeMark::new(prekey, [byte % 3, 0, 0, 0, 0, 0, 0, byte]);
    let message = file(&alice, "file", 900);
    let of_first = fragments(&message);
    let with_fragment = |fragment| (alice.key(), fragment);
    bob.store.store_letters(of_first[..1].iter().map(with_fragment), [mark(0)]).unwrap();
    // Letters of fragments that were there already.
    bob.store.store_letters([], (1..200).map(mark)).unwrap();
    bob.store.store_letters([], [mark(7), mark(1)]).unwrap();
    let bob = bob.reopen();
    let known = |bob: &Client| {
        let mut opened = bob.store.resumption().unwrap().opened;
        opened.sort_unstable();
        opened
    };
    let mut all: Vec<_> = (0..200).map(mark).collect();
    all.sort_unstable();
    assert!(known(&bob) == all && resumed(&bob, alice.key()).parts == parts(&of_first[..1]));
    for day in 1..14 {
        bob.store.roll(START + DAY * day).unwrap();
    }
    assert!(known(&bob) == all, "the prekey opens for fourteen days");
    bob.store.roll(START + DAY * 14).unwrap();
    let left = bob.store.profile().unwrap().account.prekeys;
    assert!(left.iter().all(|other| other.public().id() != prekey) && known(&bob).is_empty());
}
