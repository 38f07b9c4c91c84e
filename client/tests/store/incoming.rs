//! Messages that a client receives: fragments last, and each message comes once.

use rohrpost_client::{Bounds, Completed, Content, Unreadable};
use rohrpost_packet::envelope::{EnvelopeMark, Fragment, KeyId, MessageId};
use rohrpost_proto::courier::{Memory, Message, PAST, Part};

use super::world::{
    Client, DAY, Folder, HOUR, SHORT, START, arrive, below, body, carry, complete, fragments,
    resumed,
};

/// A file of some fragments that waits at a client for another.
fn file(from: &Client, name: &str, len: usize) -> Message {
    let bytes: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let content = Content::file(name, bytes.into());
    let sent = from.store.accept("bob", &content, DAY, START).unwrap();
    from.message(sent.id).unwrap()
}

fn keep<'l>(at: &Client, sender: KeyId, fragments: impl IntoIterator<Item = &'l Fragment>) {
    at.store
        .store_letters(fragments.into_iter().map(|fragment| (sender, fragment)), [], START)
        .unwrap();
}

/// What a session is told of that has come from a contact.
fn memory(client: &Client, sender: KeyId) -> Memory {
    resumed(client, sender).unwrap().memory
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
    assert_eq!(memory(&bob, sender).below, 0);
    let (mut of_first, of_second) = (fragments(&first), fragments(&second));
    let last = of_first.pop().unwrap();
    keep(&bob, sender, of_second[2..5].iter().rev());
    keep(&bob, sender, &of_first);
    keep(&bob, sender, &of_first[..1]);
    let bob = bob.reopen();
    let before = memory(&bob, sender);
    let expected = [parts(&of_first), parts(&of_second[2..5])].concat();
    assert!(before.below == 0 && before.parts == expected);

    keep(&bob, sender, [&last]);
    let now = START + HOUR;
    let told =
        bob.store.complete(sender, &[complete(&first)], below(first.sequence + 1), now).unwrap();
    assert!(is_message(&told, &Content::decode(body(&first)), &bob));
    let bob = bob.reopen();
    let after = memory(&bob, sender);
    assert!(after.below == first.sequence + 1 && after.parts == parts(&of_second[2..5]));
    let [incoming] = &bob.store.inbox(0).unwrap()[..] else { panic!("one message has come") };
    assert!(incoming.file.as_deref() == Some("first") && incoming.len == 5000);
    assert!(incoming.name == "alice" && incoming.arrived == now && incoming.read.is_none());
    assert!(incoming.from == sender && incoming.id == first.id);
}

#[test]
fn what_is_completed_a_second_time_is_not_told_again() {
    let folder = Folder::new("twice");
    let [alice, bob] = Client::pair(&folder);
    let message = file(&alice, "file", 900);
    assert_eq!(arrive(alice.key(), &message, &bob, START).len(), 1);
    // The process died before it heard of its commit: the courier says it again.
    let bounds = below(message.sequence + 1);
    let again = bob.store.complete(alice.key(), &[complete(&message)], bounds, START).unwrap();
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
    assert_eq!(memory(&bob, alice.key()).below, message.sequence + 1);
    // Its id is remembered for longer than its sender could still be trying.
    bob.store.set_retention(DAY).unwrap();
    bob.store.acknowledge(&[bob.store.inbox(0).unwrap()[0].number], START + DAY).unwrap();
    bob.store.prune(START + DAY * 50).unwrap();
    message.sequence += 1;
    assert!(arrive(alice.key(), &message, &bob, START + DAY * 50).is_empty());
    assert!(bob.store.inbox(0).unwrap().is_empty());
}

/// Checks that what a newer program has written is in the inbox: its sender hears that it was
/// delivered.
#[test]
fn a_message_of_an_unknown_kind_is_kept() {
    let folder = Folder::new("unknown-kind");
    let [alice, bob] = Client::pair(&folder);
    let content = Content::decode(b"\x02\x00\x00x");
    alice.store.accept("bob", &content, DAY, START).unwrap();
    let told = carry(&alice, &bob, START);
    assert!(is_message(&told, &content, &bob));
    let bob = bob.reopen();
    let [incoming] = &bob.store.inbox(0).unwrap()[..] else { panic!("one message has come") };
    assert_eq!((incoming.len, incoming.unreadable), (4, Some(Unreadable::UnknownKind)));
}

/// Checks that nobody keeps another's message from its reader by sending one of the same id first, as
/// two programs may that name what they write by what it is about.
#[test]
fn messages_of_two_senders_may_have_one_id() {
    let folder = Folder::new("one-id");
    let [alice, bob] = Client::pair(&folder);
    let eve = Client::new(&folder, "eve");
    bob.store.add_contact("eve", eve.card(START), START).unwrap();
    let message = file(&alice, "file", 900);
    for (sender, came) in [(eve.key(), 1), (eve.key(), 0), (alice.key(), 1), (alice.key(), 0)] {
        assert_eq!(arrive(sender, &message, &bob, START).len(), came);
    }
    assert_eq!(bob.store.inbox(0).unwrap().len(), 2);
}

/// Checks that a sender who names another time of writing in each fragment loses nothing by it.
#[test]
fn fragments_with_other_times_are_of_one_message() {
    let folder = Folder::new("other-times");
    let [alice, bob] = Client::pair(&folder);
    let message = file(&alice, "file", 3000);
    let mut all = fragments(&message);
    (0..).zip(&mut all).for_each(|(minutes, fragment)| fragment.minutes = minutes);
    keep(&bob, alice.key(), &all);
    let bounds = below(message.sequence + 1);
    let told = bob.store.complete(alice.key(), &[complete(&message)], bounds, START).unwrap();
    assert!(is_message(&told, &Content::decode(body(&message)), &bob));
}

/// Checks that a message of which a part is missing is told of, and holds up none after it.
#[test]
fn a_message_that_cannot_be_put_together_is_told_of() {
    let folder = Folder::new("incomplete");
    let [alice, bob] = Client::pair(&folder);
    let (first, second) = (file(&alice, "first", 3000), file(&alice, "second", 900));
    keep(&bob, alice.key(), &fragments(&first)[1..]);
    keep(&bob, alice.key(), &fragments(&second));
    let both = [complete(&first), complete(&second)];
    let bounds = below(second.sequence + 1);
    assert_eq!(bob.store.complete(alice.key(), &both, bounds, START).unwrap().len(), 2);
    let inbox = bob.store.inbox(0).unwrap();
    let unreadable: Vec<_> = inbox.iter().map(|incoming| incoming.unreadable).collect();
    assert_eq!(unreadable, [Some(Unreadable::Incomplete), None]);
    assert!(inbox[0].id == first.id && inbox[1].id == second.id);
}

/// Checks that what a contact has given up is forgotten, whatever had come of it.
#[test]
fn the_fragments_of_what_was_given_up_are_forgotten() {
    let folder = Folder::new("given-up");
    let [alice, bob] = Client::pair(&folder);
    let (first, second) = (file(&alice, "first", 3000), file(&alice, "second", 3000));
    let sender = alice.key();
    keep(&bob, sender, &fragments(&first)[..4]);
    keep(&bob, sender, &fragments(&second)[..4]);
    let told = bob.store.complete(sender, &[], below(second.sequence), START).unwrap();
    assert!(told.is_empty());
    let after = memory(&bob.reopen(), sender);
    assert!(after.parts == parts(&fragments(&second)[..4]) && after.below == second.sequence);
}

/// Checks that messages that were told of are remembered by name until their sender knows.
#[test]
fn what_was_told_of_is_named_until_its_sender_has_heard_so() {
    let folder = Folder::new("named");
    let [alice, bob] = Client::pair(&folder);
    let files = [1, 2, 3].map(|len| file(&alice, "file", len));
    let sender = alice.key();
    let first = files[0].sequence;
    for (at, floor) in [(0, first), (1, first), (2, first + 1)] {
        keep(&bob, sender, &fragments(&files[at]));
        let bounds = Bounds { below: files[at].sequence + 1, floor, short: SHORT };
        bob.store.complete(sender, &[complete(&files[at])], bounds, START).unwrap();
    }
    let bob = bob.reopen();
    assert!(memory(&bob, sender).told == [complete(&files[1]), complete(&files[2])]);
    bob.store.remove("alice", START).unwrap();
    bob.store.add_contact("alice", alice.card(START), START + DAY).unwrap();
    let anew = memory(&bob, sender);
    assert!(anew.told.is_empty() && anew.below == 0 && anew.since > 0);
}

#[test]
fn what_comes_from_nobody_known_is_not_kept() {
    let folder = Folder::new("nobody");
    let [alice, bob] = Client::pair(&folder);
    let (message, sender) = (file(&alice, "file", 3000), alice.key());
    // Whole, and waiting for another.
    keep(&bob, sender, &fragments(&message));
    bob.store.remove("alice", START).unwrap();
    keep(&bob, sender, &fragments(&message));
    bob.store.add_contact("alice", alice.card(START), START + DAY).unwrap();
    assert!(memory(&bob, sender).parts.is_empty());
    keep(&bob, sender, &fragments(&message)[..3]);
    bob.store.block("alice", START + DAY).unwrap();
    keep(&bob, sender, &fragments(&message));
    let bounds = below(message.sequence + 1);
    let told = bob.store.complete(sender, &[complete(&message)], bounds, START + DAY).unwrap();
    assert!(told.is_empty() && bob.store.inbox(0).unwrap().is_empty());
    assert!(bob.store.correspondents().unwrap().is_empty());
}

#[test]
fn who_marks_what_is_forgotten_marks_the_rest() {
    let folder = Folder::new("marked");
    let [alice, bob] = Client::pair(&folder);
    for text in ["one", "two"] {
        alice.store.accept("bob", &Content::text(text), DAY, START).unwrap();
    }
    carry(&alice, &bob, START);
    let numbers: Vec<_> = bob.store.inbox(0).unwrap().iter().map(|one| one.number).collect();
    let read =
        || bob.store.inbox(0).unwrap().iter().map(|one| one.read.is_some()).collect::<Vec<_>>();
    assert_eq!(read(), [false, false]);
    assert_eq!(bob.store.acknowledge(&[77, numbers[0], 78], START).unwrap(), [77, 78]);
    assert_eq!(read(), [true, false]);
    assert_eq!(bob.store.inbox(numbers[1]).unwrap().len(), 1);
    assert!(bob.store.message(MessageId::new([7; 16])).unwrap().is_none());
}

/// Checks that an acknowledgement is owed until it has left, whatever the client does meanwhile: by
/// this, people who use commands without a daemon acknowledge at one of the next.
#[test]
fn an_acknowledgement_is_owed_over_restarts() {
    let folder = Folder::new("owed");
    let [alice, bob] = Client::pair(&folder);
    let prekey = bob.store.profile().unwrap().account.prekeys[0].public().id();
    assert!(!memory(&bob, alice.key()).owes);
    bob.store.store_letters([], [(alice.key(), EnvelopeMark::new(prekey, [1; 8]))], START).unwrap();
    let bob = bob.reopen();
    assert!(memory(&bob, alice.key()).owes);
    bob.store.acknowledgement_sent(alice.key()).unwrap();
    assert!(!memory(&bob.reopen(), alice.key()).owes);
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
    let opened = |byte: u8| (alice.key(), mark(byte));
    bob.store.store_letters(of_first[..1].iter().map(with_fragment), [opened(0)], START).unwrap();
    // Letters of fragments that were there already.
    bob.store.store_letters([], (1..200).map(opened), START).unwrap();
    bob.store.store_letters([], [opened(7), opened(1)], START).unwrap();
    let bob = bob.reopen();
    let known = |bob: &Client| {
        let mut opened = bob.store.resumption().unwrap().opened;
        opened.sort_unstable();
        opened
    };
    let mut all: Vec<_> = (0..200).map(mark).collect();
    all.sort_unstable();
    assert!(known(&bob) == all && memory(&bob, alice.key()).parts == parts(&of_first[..1]));
    for day in 1..24 {
        bob.store.roll(START + DAY * day).unwrap();
    }
    assert!(known(&bob) == all, "the prekey opens for twenty-four days");
    bob.store.roll(START + DAY * 24).unwrap();
    let left = bob.store.profile().unwrap().account.prekeys;
    assert!(left.iter().all(|other| other.public().id() != prekey) && known(&bob).is_empty());
}

/// Checks that the ids of the last messages last which a contact knows to have come, so that a number
/// that it gives again is known in the next run, and what was noted of such a number.
#[test]
fn numbers_that_are_given_again_are_known_in_the_next_run() {
    let folder = Folder::new("past");
    let [alice, bob] = Client::pair(&folder);
    let mut came = Vec::new();
    for text in 0..PAST + 6 {
        let content = Content::text(&text.to_string());
        let sent = alice.store.accept("bob", &content, DAY, START).unwrap();
        let message = alice.message(sent.id).unwrap();
        assert_eq!(arrive(alice.key(), &message, &bob, START).len(), 1);
        came.push((message.sequence, message.id));
    }
    bob.store.disputed(alice.key(), Some(came[9].0)).unwrap();
    let bob = bob.reopen();
    let memory = memory(&bob, alice.key());
    assert!(memory.told.is_empty() && memory.past == came[6..]);
    assert_eq!(memory.disputed, Some(came[9].0));
    bob.store.disputed(alice.key(), None).unwrap();
    bob.store.remove("alice", START).unwrap();
    bob.store.add_contact("alice", alice.card(START), START).unwrap();
    let memory = resumed(&bob, alice.key()).unwrap().memory;
    assert!(memory.past.is_empty() && memory.disputed.is_none());
}
