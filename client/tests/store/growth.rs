//! Costs of a store that has grown for years: what opening, the minute's housekeeping and each
//! request take with many messages and contacts.
//!
//! `just growth` prints them, and fails where one is too high; `just growth contacts` measures a small
//! store with many contacts. The files lie in memory where the system offers that, so the disk's own time is not in them.

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
    Client, DAY, Folder, PERIOD, SECOND, START, below, carry, complete, fragments, network, unlock,
};

/// Seed of lengths and ids.
const SEED: u64 = 13;
/// Contacts that write.
const WRITERS: usize = 50;
/// Messages that come in one transaction.
const BATCH: u64 = 2000;
/// Messages that are under way at once.
const WAITING: usize = 2000;
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
    let keys: Vec<_> = contacts.iter().map(|it| it.identity.key_id()).collect();
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
    // All have heard of the address.
    let newest = client.store.announcement(keys[0]).unwrap().unwrap().sequence;
    for key in keys {
        client.store.address_acknowledged(key, newest).unwrap();
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
        body: text(rng).encode().into(),
    };
    let messages: Vec<_> = (first..first + count).map(message).collect();
    let parts: Vec<_> = messages.iter().flat_map(fragments).collect();
    client.store.store_letters(parts.iter().map(|part| (from, part)), [], START).unwrap();
    let all: Vec<_> = messages.iter().map(complete).collect();
    let now = START + SECOND * u32::try_from(turn).unwrap();
    client.store.complete(from, &all, below(first + count), now).unwrap();
    let numbers: Vec<_> = (first..first + read).collect();
    client.store.acknowledge(&numbers, now).unwrap();
}

/// A client whose store has as much in use as one that runs moves at most, between files that are
/// gone.
fn sparse(folder: &Folder, number: u32) -> Client {
    let client = Client::new(folder, &format!("sparse-{number}"));
    let contact = Profile::create(&client.network.roster, None).unwrap().account.contact();
    client.store.add_contact("bob", contact, START).unwrap();
    let file = |_| {
        let file = Content::file("file", vec![1; 60_000].into());
        client.store.accept("bob", &file, DAY, START).unwrap().id
    };
    let files: Vec<_> = (0..240).map(file).collect();
    for (_, id) in (0..).zip(files).filter(|(at, _)| at % 10 != 0) {
        client.store.settle(id, DeliveryStatus::Delivered, START).unwrap();
    }
    client
}

/// Accepts a message for a contact.
fn waits(store: &Store, contact: usize) -> MessageId {
    let to = format!("contact-{contact}");
    store.accept(&to, &Content::text("x"), DAY, START).unwrap().id
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

/// Costs of a store, printed as they are measured.
#[derive(Default)]
struct Costs {
    /// What took longer than it may.
    over: Vec<String>,
}

impl Costs {
    fn show(&mut self, what: &str, cost: Duration, limit: Option<Duration>) {
        say(&format!("  {what:<22} {cost:>10.2?}"));
        if let Some(limit) = limit.filter(|limit| cost > *limit) {
            self.over.push(format!("{what} took {cost:.2?}; at most {limit:?} are allowed"));
        }
    }

    /// Shows the cost of work that nobody asks for: while it is done, mail and requests wait. What
    /// other programs take of the processor is no cost, so the least of some tries counts.
    fn background<T>(&mut self, what: &str, mut work: impl FnMut(u32) -> T) {
        let tries = (0..TRIES).map(|at| time(|| work(at)).0);
        self.show(what, tries.min().unwrap(), Some(BACKGROUND));
    }
}

/// Tries of work in the background.
const TRIES: u32 = 5;
/// Longest time for work in the background.
const BACKGROUND: Duration = Duration::from_millis(50);
/// Longest time in which a store of up to so many messages opens, without the work of its
/// passphrase.
const OPENING: (u64, Duration) = (100_000, Duration::from_millis(500));

/// Prints the costs of a store of this size; gives those that are too high.
async fn measure(size: Size) -> Vec<String> {
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
    let mut costs = Costs::default();
    let opening = Some(OPENING.1).filter(|_| size.messages <= OPENING.0);
    let (cost, store) = time(|| Store::open(&home, &unlock(), &network()).unwrap());
    costs.show("open", cost, opening);
    let (cost, _) = time(|| store.resumption().unwrap());
    costs.show("what a session needs", cost, opening);
    let name = format!("contact-{}", size.contacts - 1);
    let (cost, known) = time(|| store.contact(&name).unwrap());
    costs.show("contact by name", cost, None);
    costs.background("prune", |_| store.prune(START + DAY).unwrap());
    costs.background("roll", |day| assert!(store.roll(START + PERIOD * (day + 1)).unwrap()));
    let before = START + DAY * 2;
    costs.background("announce", |_| store.announce(1, before).unwrap());
    // After days without a link, when everybody is to be told.
    costs.background("announce, all due", |_| {
        assert!(size.contacts < 1000 || store.announce(720, before).unwrap().len() >= 100);
    });
    costs.background("hear", |day| store.hear(known.key(), START + DAY * (day + 1)).unwrap());
    let mut check = store.begin_check().unwrap();
    costs.background("slice of the check", |_| store.go_on(&mut check, 500).unwrap());
    drop(check);
    let mut sparse: Vec<_> = (0..TRIES).map(|at| sparse(&folder, at)).collect();
    costs.background("compaction", |at| {
        let at = usize::try_from(at).unwrap();
        assert!(sparse[at].store.compact_if_little().unwrap());
    });
    let waiting: Vec<_> = (0..WAITING).map(|at| waits(&store, at % size.contacts)).collect();
    let (cost, _) = time(|| store.resumption().unwrap());
    costs.show("with much under way", cost, opening);
    for id in waiting {
        store.settle(id, DeliveryStatus::Delivered, before).unwrap();
    }
    let (cost, agent) = time(|| Agent::start_offline(Arc::new(network()), store).unwrap());
    costs.show("start without a link", cost, opening);
    let send = SendRequest { to: name, text: Some("hello".into()), ..SendRequest::default() };
    let requests = [
        ("status", Request::Status { from: 0, limit: None, open: false }),
        ("inbox, unread", Request::Inbox { from: 0, unread: true, limit: None, with_text: false }),
        ("send", Request::Send(send)),
    ];
    for (what, request) in requests {
        let begin = Instant::now();
        assert!(agent.ask(request).await.is_ok());
        costs.show(what, begin.elapsed(), None);
    }
    agent.end().await;
    costs.over
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
        ("prune", count(&|| assert!(!store.prune(START + DAY).unwrap().more))),
        ("announce to nobody", count(&|| drop(store.announce(1, START + DAY).unwrap()))),
        ("roll", count(&|| assert!(store.roll(START + PERIOD).unwrap()))),
        ("announce", count(&|| while !store.announce(0, START + PERIOD).unwrap().is_empty() {})),
        ("hear", {
            let key = store.contact(bob).unwrap().key();
            count(&|| store.hear(key, START + DAY).unwrap())
        }),
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

/// Checks that files that were forgotten leave no long file behind.
#[test]
fn a_store_whose_files_are_forgotten_is_short_when_it_is_opened_again() {
    let folder = Folder::new("forgotten");
    let [alice, bob] = Client::pair(&folder);
    for _ in 0..8 {
        let file = Content::file("file", vec![1; 4 << 20].into());
        alice.store.accept("bob", &file, DAY, START).unwrap();
        carry(&alice, &bob, START);
    }
    let numbers: Vec<_> = bob.store.inbox(0).unwrap().iter().map(|one| one.number).collect();
    bob.store.acknowledge(&numbers, START).unwrap();
    let len = |client: &Client| std::fs::metadata(client.file()).unwrap().len();
    assert!(len(&bob) > 32 << 20);
    bob.store.set_retention(DAY).unwrap();
    while bob.store.prune(START + DAY * 2).unwrap().more {}
    for client in [alice, bob] {
        let client = client.reopen();
        assert!(len(&client) < 8 << 20, "{} bytes", len(&client));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, of some minutes"]
async fn growth() {
    let mut over = Vec::new();
    for messages in [10_000, 100_000, 1_000_000] {
        over.extend(measure(Size { messages, contacts: 5000 }).await);
    }
    assert!(over.is_empty(), "{over:#?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, of half a minute"]
async fn contacts() {
    let over = measure(Size { messages: 5000, contacts: 5000 }).await;
    assert!(over.is_empty(), "{over:#?}");
}
