//! Room of contacts whose messages nobody reads: what becomes of their letters, and who is told.

use rohrpost_packet::Classic;
use rohrpost_packet::envelope::{Fragment, KeyId, Kind, MessageId};
use rohrpost_proto::courier::Complete;
use rohrpost_proto::time::Steady;
use tokio::sync::broadcast::Receiver as Notices;

use super::receiving::{Receiver, cut};
use super::world::{Folder, START, network};
use super::*;
use crate::session::{Resumption, SteppedSession};

/// Bytes that all unread messages may have; those of one contact have an eighth of it.
const ROOM: u64 = 8 << 20;
/// Bytes of a file, in five letters.
const FILE: usize = 100_000;

/// Has bob keep little of what is not read, and gives what his session is told to acknowledge.
fn with_little_room(bob: &mut Receiver) -> SteppedSession<Classic> {
    bob.agent.store.with(|store| store.set_unread_room(ROOM)).unwrap();
    let profile = bob.agent.store.with(Store::profile).unwrap();
    let (session, courier) = Session::stepped(&network(), profile, Resumption::default());
    bob.agent.session = session;
    courier
}

/// A contact of bob's who is not alice.
fn add_carol(bob: &Receiver) -> KeyId {
    let contact = Profile::create(&network().roster, None).unwrap().account.contact();
    let key = contact.identity.key_id();
    bob.agent.store.with(|store| store.add_contact("carol", contact, START)).unwrap();
    key
}

/// Letters of a message come; true if their sender hears of them.
async fn letters(
    bob: &mut Receiver,
    courier: &mut SteppedSession<Classic>,
    letters: &[Fragment],
) -> bool {
    for letter in letters {
        bob.take(letter, true);
    }
    bob.pass(Duration::from_secs(1)).await;
    courier.execute(Steady::BEGIN)
}

/// A whole message of a number comes, and is in the inbox if its sender hears of it.
async fn message(
    bob: &mut Receiver,
    courier: &mut SteppedSession<Classic>,
    sequence: u64,
    len: usize,
) -> bool {
    let mut parts = cut(&Content::text(&"x".repeat(len)).encode(), sequence, 20_000);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&sequence.to_be_bytes());
    id[8] = bob.sender.as_bytes()[0];
    parts.iter_mut().for_each(|part| part.message = MessageId::new(id));
    if !letters(bob, courier, &parts).await {
        return false;
    }
    let (message, fragments) = (parts[0].message, u32::try_from(parts.len()).unwrap());
    let messages = vec![Complete { sequence, message, kind: Kind::Content, fragments }];
    let (sender, below) = (bob.sender, sequence + 1);
    bob.tell(Event::Complete { sender, messages, below, floor: below, short: 1 }).await;
    true
}

/// Notices of room: the contact's name, and what is said of it.
fn of_room(notices: &mut Notices<Notice>) -> Vec<(String, Option<String>)> {
    let mut told = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        if let Notice::Room { name, trouble, bytes, limit, .. } = notice {
            assert!(limit == ROOM / 8 && bytes <= limit);
            told.push((name, trouble));
        }
    }
    told
}

/// Checks that a contact whose messages nobody reads takes no more than its room, that it hears of
/// nothing that was not taken, that the user is told, and that all heals when he reads.
#[tokio::test(flavor = "multi_thread")]
async fn unread_messages_of_a_contact_have_so_much_room_until_they_are_read() {
    let folder = Folder::new("room-unread");
    let mut bob = Receiver::new(&folder);
    let mut courier = with_little_room(&mut bob);
    let mut notices = bob.agent.notices.subscribe();
    let mut files = 0;
    while files < 20 && message(&mut bob, &mut courier, files, FILE).await {
        files += 1;
    }
    assert_eq!(files, 9, "nine files are in a room of a mebibyte");
    let told = of_room(&mut notices);
    assert!(told.len() == 1 && told[0].0 == "alice", "{told:?}");
    let problems = bob.problems().await;
    assert!(problems.len() == 1 && told[0].1.as_ref() == Some(&problems[0]), "{problems:?}");
    for words in ["alice: ", "have not read", "1 of the 1 MiB", "rohrpost block"] {
        assert!(problems[0].contains(words), "{}", problems[0]);
    }
    // Letters of the same file that come again change nothing, and are not told of again.
    assert!(!message(&mut bob, &mut courier, files, FILE).await);
    assert!(of_room(&mut notices).is_empty());

    let numbers: Vec<_> = (0..7).collect();
    let read = bob.agent.answer(Request::Acknowledge { numbers }, Asker::User).await;
    assert!(read.is_ok());
    assert_eq!(of_room(&mut notices), [("alice".to_owned(), None)]);
    assert!(bob.problems().await.is_empty());
    assert!(message(&mut bob, &mut courier, files, FILE).await, "it was sent again");
}

/// Checks that texts have room where files have none, and at last have none either; and that whatever
/// one contact has sent, others' messages come.
#[tokio::test(flavor = "multi_thread")]
async fn texts_pass_files_that_have_no_room_and_others_are_not_held_up() {
    let folder = Folder::new("room-texts");
    let mut bob = Receiver::new(&folder);
    let mut courier = with_little_room(&mut bob);
    let (alice, carol) = (bob.sender, add_carol(&bob));
    let mut next = 0;
    while next < 1000 && message(&mut bob, &mut courier, next, FILE).await {
        next += 1;
    }
    let files = next;
    while next < 1000 && message(&mut bob, &mut courier, next, 10).await {
        next += 1;
    }
    assert!((10..1000).contains(&(next - files)), "{} texts", next - files);
    bob.sender = carol;
    assert!(message(&mut bob, &mut courier, 0, 10).await, "a text of carol's");
    assert!(message(&mut bob, &mut courier, 1, FILE).await, "a file of carol's");
    assert_eq!(bob.problems().await.len(), 1);
    // Who is blocked has no problem that the user were to solve.
    bob.sender = alice;
    let blocked = bob.agent.answer(Request::Block { name: "alice".into() }, Asker::User).await;
    assert!(blocked.is_ok() && bob.problems().await.is_empty());
}

/// Checks that a contact that has no room is known after a restart, before another letter comes.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_room_is_known_after_a_restart() {
    let folder = Folder::new("room-restart");
    let mut bob = Receiver::new(&folder);
    let mut courier = with_little_room(&mut bob);
    let mut next = 0;
    while next < 20 && message(&mut bob, &mut courier, next, FILE).await {
        next += 1;
    }
    let alice = bob.sender;
    drop(bob);
    let store = Store::open(&folder.path("bob"), &unlock(), &network()).unwrap();
    let without = store.without_room().unwrap();
    assert!(without.len() == 1 && without[0].contact == alice);
    let mut bob = agent(store);
    let mut notices = bob.notices.subscribe();
    match bob.answer(Request::Health {}, Asker::User).await {
        Ok(Response::Health(health)) => {
            assert!(health.problems.iter().any(|problem| problem.starts_with("alice: ")));
        }
        _ => unreachable!("it was asked for the health"),
    }
    bob.tell_room();
    assert!(of_room(&mut notices).is_empty(), "it was told of before");
}
