//! Costs of a store that has grown for years: what opening, the minute's housekeeping and each
//! request take with many messages and contacts.
//!
//! `cargo test -p rohrpost-client --test store growth -- --ignored --nocapture` prints them. The
//! files lie in memory where the system offers that, so the disk's own time is not in them.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chacha20::ChaCha8Rng;
use chacha20::rand_core::SeedableRng;
use rand::RngExt;
use rohrpost_client::api::{Request, SendRequest};
use rohrpost_client::{Agent, Content, DeliveryStatus, Profile, Store};
use rohrpost_packet::envelope::{KeyId, Kind, MessageId};
use rohrpost_proto::courier::Message;
use rohrpost_proto::time::Time;

use super::world::{
    Client, DAY, Folder, SECOND, START, below, complete, fragments, network, unlock,
};

/// Seed of lengths and ids.
const SEED: u64 = 13;
/// Contacts that write.
const WRITERS: usize = 50;
/// Messages that come in one transaction.
const BATCH: u64 = 2000;
/// Messages that nobody has read.
const UNREAD: u64 = 100;

/// Size of a store.
#[derive(Clone, Copy)]
struct Size {
    messages: u64,
    contacts: usize,
}

/// Fills a client's store: of ten messages one was sent and delivered, nine have come, and all but
/// the last were read.
fn fill(client: &Client, size: Size) {
    let rng = &mut ChaCha8Rng::seed_from_u64(SEED);
    let mut names = Vec::new();
    let mut contacts = Vec::new();
    for number in 0..size.contacts {
        let profile = Profile::create(&client.network.roster, Some("north")).unwrap();
        names.push(format!("contact-{number}"));
        contacts.push(profile.account.contact());
    }
    let writers: Vec<_> = contacts.iter().take(WRITERS).map(|it| it.identity.key_id()).collect();
    let mut contacts = names.iter().zip(contacts);
    // Those to whom it writes first: before there was an index, each look-up read all contacts.
    for (name, contact) in contacts.by_ref().take(WRITERS) {
        client.store.add_contact(name, contact, START).unwrap();
    }
    for number in 0..size.messages / 10 {
        let to = &names[usize::try_from(number).unwrap() % writers.len()];
        let now = START + SECOND * u32::try_from(number).unwrap();
        let sent = client.store.accept(to, &text(rng), DAY, now).unwrap();
        client.store.settle(sent.id, DeliveryStatus::Delivered, now).unwrap();
    }
    for (name, contact) in contacts {
        client.store.add_contact(name, contact, START).unwrap();
    }
    let mut left = size.messages - size.messages / 10;
    let mut turn = 0;
    while left > 0 {
        let count = left.min(BATCH);
        left -= count;
        let read = if left == 0 { count - UNREAD } else { count };
        receive(client, writers[turn % writers.len()], turn, [count, read], rng);
        turn += 1;
    }
}

/// Messages of one contact come, all at once, and the first of them are read.
fn receive(
    client: &Client,
    from: KeyId,
    turn: usize,
    [count, read]: [u64; 2],
    rng: &mut ChaCha8Rng,
) {
    let first = u64::try_from(turn).unwrap() * BATCH;
    let message = |sequence| Message {
        id: MessageId::new(rng.random()),
        kind: Kind::Content,
        sequence,
        minutes: 0,
        expires: Time::from_micros(0),
        left: None,
        body: text(rng).encode(),
    };
    let messages: Vec<_> = (first..first + count).map(message).collect();
    let parts: Vec<_> = messages.iter().flat_map(fragments).collect();
    client.store.store_letters(parts.iter().map(|part| (from, part)), []).unwrap();
    let all: Vec<_> = messages.iter().map(complete).collect();
    let now = START + SECOND * u32::try_from(turn).unwrap();
    client.store.complete(from, &all, below(first + count), now).unwrap();
    let numbers: Vec<_> = (first..first + read).collect();
    client.store.acknowledge(&numbers, now).unwrap();
}

/// A text of a few words.
fn text(rng: &mut ChaCha8Rng) -> Content {
    Content::text(&"word ".repeat(rng.random_range(1..60)))
}

fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let done = work();
    (begin.elapsed(), done)
}

fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Prints the costs of a store of this size.
async fn measure(size: Size) {
    let folder = Folder::new(&format!("growth-{}", size.messages));
    let client = Client::new(&folder, "grown");
    let (filled, ()) = time(|| fill(&client, size));
    client.store.set_retention(DAY * 3000).unwrap();
    let Client { home, store, .. } = client;
    drop(store);
    let bytes = std::fs::metadata(home.join("store.vault")).unwrap().len();
    say(&format!(
        "{} messages, {} contacts: {} MiB, filled in {filled:.1?}",
        size.messages,
        size.contacts,
        bytes >> 20
    ));
    let show = |what: &str, cost: Duration| say(&format!("  {what:<22} {cost:>10.2?}"));
    let (cost, store) = time(|| Store::open(&home, &unlock(), &network()).unwrap());
    show("open", cost);
    let name = format!("contact-{}", size.contacts - 1);
    let (cost, _) = time(|| store.contact(&name).unwrap());
    show("contact by name", cost);
    let (cost, _) = time(|| store.prune(START + DAY).unwrap());
    show("prune", cost);
    let (cost, _) = time(|| store.announce(1, START + DAY).unwrap());
    show("announce", cost);
    let (cost, _) = time(|| store.roll(START + DAY * 2).unwrap());
    show("roll", cost);
    let (cost, agent) = time(|| Agent::start_offline(Arc::new(network()), store).unwrap());
    show("start of the agent", cost);
    let send = SendRequest { to: name, text: Some("hello".into()), ..SendRequest::default() };
    let requests = [
        ("status", Request::Status { from: 0, limit: None, open: false }),
        ("inbox, unread", Request::Inbox { from: 0, unread: true, limit: None, with_text: false }),
        ("send", Request::Send(send)),
    ];
    for (what, request) in requests {
        let begin = Instant::now();
        assert!(agent.ask(request).await.is_ok());
        show(what, begin.elapsed());
    }
    agent.end().await;
}

/// Records that each kind of work opens.
fn opened(client: &Client) -> Vec<(&'static str, u64)> {
    let store = &client.store;
    let count = |work: &dyn Fn()| {
        let before = store.records_opened();
        work();
        store.records_opened() - before
    };
    let bob = "contact-0";
    let accept = || store.accept(bob, &Content::text("x"), DAY, START).unwrap().id;
    vec![
        ("contact by name", count(&|| drop(store.contact(bob).unwrap()))),
        ("name that is taken", count(&|| assert!(store.rename(bob, "contact-1").is_err()))),
        ("send", count(&|| assert!(store.message(accept()).unwrap().is_some()))),
        ("tally", count(&|| assert!(store.tally().unwrap().delivered >= 30))),
        ("unread", count(&|| assert!(store.unread().unwrap() == UNREAD))),
        ("page of the unread", count(&|| drop(store.inbox_page(0, 5, true).unwrap()))),
        ("page of all", count(&|| drop(store.inbox_page(100, 5, false).unwrap()))),
        ("page of the outbox", count(&|| drop(store.outbox_page(2, 3).unwrap()))),
        ("prune", count(&|| assert!(!store.prune(START + DAY).unwrap()))),
        ("announce", count(&|| drop(store.announce(1, START + DAY).unwrap()))),
        ("settle", {
            let id = accept();
            count(&|| store.settle(id, DeliveryStatus::Delivered, START + DAY).unwrap())
        }),
        ("correspondent", {
            let key = store.contact(bob).unwrap().key();
            count(&|| drop(store.correspondent(key).unwrap()))
        }),
    ]
}

/// Checks that what is read for a request, a message and a minute does not grow with the store.
#[test]
fn work_costs_the_same_in_a_store_of_any_size() {
    let folder = Folder::new("any-size");
    let sizes = [Size { messages: 300, contacts: 3 }, Size { messages: 1500, contacts: 60 }];
    let [small, large] = sizes.map(|size| {
        let client = Client::new(&folder, &format!("of-{}", size.messages));
        fill(&client, size);
        client.store.set_retention(DAY * 3000).unwrap();
        opened(&client)
    });
    assert_eq!(small, large);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, of some minutes"]
async fn growth() {
    for messages in [10_000, 100_000, 1_000_000] {
        measure(Size { messages, contacts: 5000 }).await;
    }
}
