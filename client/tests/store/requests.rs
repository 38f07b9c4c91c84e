//! Requests: what is kept of people whom the client does not know, and what never comes of it.

use std::time::Duration;

use rohrpost_client::{Address, Content, StoreError};
use rohrpost_packet::envelope::{
    Fragment, FragmentPosition, IdentityPublic, IdentitySecret, Kind, MessageId, Standing,
};

use super::world::{Client, DAY, Folder, HOUR, START, carry, fragments, resumed};

/// Alice, whom mallory has written a text, of whom she knows nothing; and mallory, who has her card.
fn written(folder: &Folder) -> [Client; 2] {
    let pair = ["alice", "mallory"].map(|name| Client::new(folder, name));
    let [alice, mallory] = &pair;
    mallory.store.add_contact("alice", alice.card(START), START).unwrap();
    mallory.store.accept("alice", &Content::text("let me in"), DAY, START).unwrap();
    pair
}

fn identity(client: &Client) -> IdentityPublic {
    client.store.profile().unwrap().account.identity.public().clone()
}

/// Carries all that waits at one client for another that does not know it; counts what was news.
fn knock(from: &Client, at: &Client, now: Duration) -> usize {
    let waiting = from.announcement(at.key()).into_iter().chain(from.waiting(at.key()));
    let letters: Vec<_> = waiting.flat_map(|message| fragments(&message)).collect();
    let take = |fragment: &Fragment| {
        at.store.take_stranger(&identity(from), fragment, now).unwrap().is_some()
    };
    // They come in any order.
    letters.iter().rev().filter(|fragment| take(fragment)).count()
}

fn letter(kind: Kind, number: u8, position: FragmentPosition, len: usize) -> Fragment {
    Fragment {
        message: MessageId::new([number; 16]),
        kind,
        sequence: 1_000 + u64::from(number),
        position,
        minutes: 0,
        standing: Standing::default(),
        body: vec![number; len].into(),
    }
}

fn stranger(number: u8) -> IdentityPublic {
    IdentitySecret::from_seed(&[number; 32]).public().clone()
}

#[test]
fn somebody_unknown_is_counted_and_accepted_and_comes_through() {
    let folder = Folder::new("accepted-request");
    let [alice, mallory] = written(&folder);
    assert!(alice.store.requests().unwrap().is_empty());
    assert!(knock(&mallory, &alice, START + HOUR) > 1);
    assert_eq!(knock(&mallory, &alice, START + HOUR * 2), 0, "nothing of it is news");
    let alice = alice.reopen();
    let mut requests = alice.store.requests().unwrap();
    let request = requests.pop().unwrap();
    assert!(requests.is_empty() && request.key() == mallory.key());
    assert_eq!((request.messages, request.first), (1, START + HOUR));
    assert!(alice.store.inbox(0).unwrap().is_empty() && resumed(&alice, mallory.key()).is_none());
    assert_eq!(alice.store.owed().unwrap(), 0);
    let address = request.address.expect("it has come whole");
    alice.store.add_address("max", address, START + HOUR * 3).unwrap();
    assert!(alice.store.requests().unwrap().is_empty());
    let known = alice.store.contact("max").unwrap();
    let newest = mallory.card(START);
    assert!(known.address.version > 0 && known.address.contact.prekey == newest.prekey);
    // The courier of the one sends again, that of the other takes it for a contact's.
    carry(&alice, &mallory, START + HOUR * 3);
    assert_eq!(carry(&mallory, &alice, START + HOUR * 3).len(), 1);
    assert!(alice.store.read(0).unwrap().1 == Content::text("let me in"));
}

#[test]
fn who_is_refused_or_blocked_does_not_come_back() {
    let folder = Folder::new("refused-request");
    let [alice, mallory] = written(&folder);
    knock(&mallory, &alice, START);
    alice.store.refuse(mallory.key()).unwrap();
    let alice = alice.reopen();
    assert_eq!(knock(&mallory, &alice, START + DAY), 0);
    assert!(alice.store.requests().unwrap().is_empty());
    // By the card it can be added all the same, and is a contact like any other.
    alice.store.add_contact("mallory", mallory.card(START), START + DAY).unwrap();
    alice.store.block("mallory", START + DAY).unwrap();
    assert_eq!(knock(&mallory, &alice, START + DAY), 0);
    // One that is removed is unknown again.
    alice.store.remove("mallory", START + DAY).unwrap();
    assert!(knock(&mallory, &alice, START + DAY) > 0);
}

#[test]
fn requests_are_few_and_the_oldest_yields() {
    let folder = Folder::new("many-requests");
    let alice = Client::new(&folder, "alice");
    let knock = |number: u8| {
        let fragment = letter(Kind::Content, number, FragmentPosition::WHOLE, 0);
        alice.store.take_stranger(&stranger(number), &fragment, START).unwrap().unwrap();
    };
    (0..40).for_each(knock);
    let kept = |alice: &Client| {
        let requests = alice.store.requests().unwrap();
        requests.iter().map(|request| request.key()).collect::<Vec<_>>()
    };
    let newest: Vec<_> = (24..40).map(|number| stranger(number).key_id()).collect();
    assert!(kept(&alice) == newest && alice.store.request_count().unwrap() == 16);
    // Another letter of one that is kept makes it no younger.
    let fragment = letter(Kind::Content, 99, FragmentPosition::WHOLE, 0);
    alice.store.take_stranger(&stranger(24), &fragment, START).unwrap().unwrap();
    knock(50);
    assert!(!kept(&alice).contains(&stranger(24).key_id()));
}

/// Checks that what is kept does not grow with what a stranger claims or sends.
#[test]
fn what_is_kept_of_one_is_bounded() {
    let folder = Folder::new("bounded-request");
    let alice = Client::new(&folder, "alice");
    let take = |fragment: &Fragment| alice.store.take_stranger(&stranger(7), fragment, START);
    let messages = (0..=255).filter(|number| {
        let fragment = letter(Kind::Content, *number, FragmentPosition::WHOLE, 0);
        take(&fragment).unwrap().is_some()
    });
    assert_eq!(messages.count(), 64);
    let position = |index, count| FragmentPosition { index, count };
    for (fragment, news) in [
        (letter(Kind::Address, 1, position(0, u32::MAX), 10), false),
        (letter(Kind::Address, 1, position(0, 9), 10), false),
        (letter(Kind::Address, 1, position(0, 8), 4_000), true),
        (letter(Kind::Address, 1, position(0, 8), 4_000), false),
        (letter(Kind::Address, 1, position(1, 8), 97), false),
        (letter(Kind::Address, 1, position(1, 7), 1), false),
        (letter(Kind::Address, 1, position(1, 8), 96), true),
        (letter(Kind::Address, 0, position(0, 2), 1), false),
        (letter(Kind::Address, 2, position(0, 2), 1), true),
        (letter(Kind::Acknowledgement, 3, FragmentPosition::WHOLE, 1), false),
        (letter(Kind::Loop, 3, FragmentPosition::WHOLE, 1), false),
        // What is no address, or another's, leads to nobody.
        (letter(Kind::Address, 3, FragmentPosition::WHOLE, 900), true),
    ] {
        let (kind, place) = (fragment.kind, fragment.position);
        assert_eq!(take(&fragment).unwrap().is_some(), news, "{kind:?} {place:?}");
    }
    let request = alice.store.requests().unwrap().pop().unwrap();
    assert!(request.messages == 64 && request.address.is_none());
    let other = Client::new(&folder, "other");
    let mut fragment = letter(Kind::Address, 9, FragmentPosition::WHOLE, 0);
    let contact = other.card(START);
    fragment.body = Address { version: fragment.sequence, contact }.encode().into();
    take(&fragment).unwrap();
    assert!(alice.store.requests().unwrap()[0].address.is_none(), "it is that of another");
    assert!(matches!(alice.store.contact("anybody"), Err(StoreError::Unknown(_))));
}
