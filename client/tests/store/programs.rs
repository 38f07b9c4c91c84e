//! Programs at the local API: what they send arrives once, what they list fits, and they may do no
//! more than they are for.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use rohrpost_client::api::{
    ContactChange, ContactEntry, FailureCode, FilePath, IncomingMessage, Line, Notice,
    OutgoingMessage, PAGE_BYTES, Request, Response, SendRequest, Status, SubscribeRequest,
};
use rohrpost_client::{Asker, Connection, Content, DeliveryStatus};
use tokio::io::AsyncWriteExt;

use super::local_api::{Daemon, counts, inbox, next, text};
use super::world::{Client, DAY, Folder, START, arrive};

/// Asks for something that must be done.
async fn done(connection: &mut Connection, request: Request) -> Response {
    connection.ask(request).await.unwrap().unwrap()
}

/// The code of a refusal.
async fn code(connection: &mut Connection, request: Request) -> FailureCode {
    connection.ask(request).await.unwrap().err().unwrap().code
}

async fn accepted(connection: &mut Connection, request: Request) -> OutgoingMessage {
    match done(connection, request).await {
        Response::Accepted(message) => Some(message),
        _ => None,
    }
    .unwrap()
}

async fn listed(connection: &mut Connection, request: Request) -> Vec<IncomingMessage> {
    match done(connection, request).await {
        Response::Inbox(page) => Some(page),
        _ => None,
    }
    .unwrap()
}

async fn status(connection: &mut Connection, request: Request) -> Status {
    match done(connection, request).await {
        Response::Status(status) => Some(status),
        _ => None,
    }
    .unwrap()
}

async fn contacts(connection: &mut Connection) -> Vec<ContactEntry> {
    match done(connection, Request::Contacts {}).await {
        Response::Contacts(contacts) => Some(contacts),
        _ => None,
    }
    .unwrap()
}

/// Contents come from a client to another.
fn come(from: &Client, name: &str, to: &Client, contents: &[Content]) {
    for content in contents {
        from.store.accept(name, content, DAY, START).unwrap();
    }
    for message in from.waiting(to.key()) {
        arrive(from.key(), &message, to, START);
        from.store.settle(message.id, DeliveryStatus::Delivered, START).unwrap();
    }
}

fn send(to: &str, message: &str, content: &str) -> Request {
    Request::Send(SendRequest {
        to: to.to_owned(),
        message: Some(message.to_owned()),
        text: Some(content.to_owned()),
        ..SendRequest::default()
    })
}

fn page(from: u64, limit: usize, with_text: bool) -> Request {
    Request::Inbox { from, unread: false, limit: Some(limit), with_text }
}

/// Checks that a program that got no answer sends the same once more, and nothing is sent twice; also
/// when the message is over, or its contact gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_accepted_once_under_its_id() {
    let daemon = Daemon::start("api-ids", |alice, _| {
        let carol = alice.store.contact("bob").unwrap().address.contact;
        assert!(alice.store.add_contact("carol", carol, START).is_err());
    })
    .await;
    let mut connection = daemon.connect().await;
    let id = "0A".repeat(16);
    let first = accepted(&mut connection, send("bob", &id, "x")).await;
    assert_eq!(first.message, "0a".repeat(16));
    let again = accepted(&mut connection, send("bob", &id, "x")).await;
    assert!((again.number, again.accepted) == (first.number, first.accepted));
    assert_eq!(code(&mut connection, send("bob", &id, "y")).await, FailureCode::IdTaken);
    assert_eq!(code(&mut connection, send("bob", "0a", "x")).await, FailureCode::Request);
    assert_eq!(status(&mut connection, counts()).await.queued, 1);
    done(&mut connection, Request::Cancel { message: id.clone() }).await;
    let again = accepted(&mut connection, send("bob", &id, "x")).await;
    assert_eq!(again.status, DeliveryStatus::Cancelled);
    done(&mut connection, Request::Remove { name: "bob".to_owned() }).await;
    let again = accepted(&mut connection, send("bob", &id, "x")).await;
    assert_eq!(again.status, DeliveryStatus::Cancelled);
    let other = send("bob", &"0b".repeat(16), "x");
    assert_eq!(code(&mut connection, other).await, FailureCode::UnknownContact);
    daemon.agent.end().await;
}

/// Checks that lists come in pages, with their texts as far as a page holds them, and counts alone.
#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let half = usize::try_from(PAGE_BYTES / 2).unwrap() + 1;
    let daemon = Daemon::start("api-pages", |alice, bob| {
        let long = Content::text(&"x".repeat(half));
        let file = Content::file("f", vec![0; 9].into());
        let contents = [Content::text("one"), file, long.clone(), long, Content::text("")];
        come(bob, "alice", alice, &contents);
    })
    .await;
    let mut connection = daemon.connect().await;
    let numbers = |page: Vec<IncomingMessage>| -> Vec<u64> {
        page.into_iter().map(|message| message.number).collect()
    };
    assert_eq!(numbers(listed(&mut connection, page(0, 2, false)).await), [0, 1]);
    assert_eq!(numbers(listed(&mut connection, page(2, 2, false)).await), [2, 3]);
    assert_eq!(numbers(listed(&mut connection, page(4, 2, false)).await), [4]);
    assert!(listed(&mut connection, page(5, 2, false)).await.is_empty());
    let texts = listed(&mut connection, page(0, 9, true)).await;
    assert_eq!(texts.len(), 3, "two of the long ones are too long for a page");
    assert_eq!((texts[0].text.as_deref(), &texts[1].text), (Some("one"), &None));
    let texts = listed(&mut connection, page(3, 9, true)).await;
    assert!(texts.len() == 2 && texts[1].text.as_deref() == Some(""));
    for _ in 0..3 {
        accepted(&mut connection, text("y", None)).await;
    }
    let all = |from, limit| Request::Status { from, limit: Some(limit), open: true };
    let first = status(&mut connection, all(0, 2)).await;
    assert_eq!((first.queued, first.unread, first.messages.len()), (3, 5, 2));
    let last = status(&mut connection, all(first.messages[1].number + 1, 2)).await;
    assert_eq!((last.queued, last.messages.len()), (3, 1));
    assert!(status(&mut connection, counts()).await.messages.is_empty());
    daemon.agent.end().await;
}

/// Checks that a batch of messages is marked though some of them are forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn who_acknowledges_hears_what_is_gone() {
    let daemon = Daemon::start("api-gone", |alice, bob| {
        come(bob, "alice", alice, &[Content::text("x")]);
    })
    .await;
    let mut connection = daemon.connect().await;
    let marked = done(&mut connection, Request::Acknowledge { numbers: vec![7, 0] }).await;
    assert!(matches!(marked, Response::Acknowledged { gone } if gone == [7]));
    assert!(listed(&mut connection, inbox()).await.is_empty());
    daemon.agent.end().await;
}

/// Checks that a file is sent from a path and saved to one, and what else is at a path is not.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_sent_and_saved_by_their_paths() {
    let daemon = Daemon::start("api-paths", |alice, bob| {
        come(bob, "alice", alice, &[Content::file("f", b"from bob".to_vec().into())]);
    })
    .await;
    let mut connection = daemon.connect().await;
    let at = |name: &str| daemon.folder.path(name);
    let words = |path: &Path| path.to_str().unwrap().to_owned();
    let from = |path: &Path, name: Option<&str>| {
        let path = Some(FilePath { path: words(path), name: name.map(str::to_owned) });
        Request::Send(SendRequest { to: "bob".to_owned(), path, ..SendRequest::default() })
    };
    fs::write(at("a.txt"), b"bytes").unwrap();
    symlink(at("a.txt"), at("link")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    fs::File::create(at("big")).unwrap().set_len(1 << 34).unwrap();
    let sent = accepted(&mut connection, from(&at("a.txt"), None)).await;
    assert_eq!((sent.file.as_deref(), sent.bytes), (Some("a.txt"), 5));
    let sent = accepted(&mut connection, from(&at("a.txt"), Some("b.txt"))).await;
    assert_eq!(sent.file.as_deref(), Some("b.txt"));
    for (path, refused) in [
        (at("link"), FailureCode::File),
        (at("pipe"), FailureCode::File),
        (at("none"), FailureCode::File),
        (at(""), FailureCode::File),
        ("/dev/zero".into(), FailureCode::File),
        ("a.txt".into(), FailureCode::Request),
        (at("big"), FailureCode::TooLong),
    ] {
        assert_eq!(code(&mut connection, from(&path, None)).await, refused, "{path:?}");
    }
    let save = |path: &Path| Request::Read { number: 0, save: Some(words(path)) };
    let Response::Message(saved) = done(&mut connection, save(&at("new"))).await else {
        panic!("it is saved");
    };
    assert!(saved.file.is_none() && saved.saved == Some(words(&at("new"))));
    assert_eq!(fs::read(at("new")).unwrap(), b"from bob");
    assert_eq!(fs::metadata(at("new")).unwrap().permissions().mode() & 0o777, 0o600);
    symlink(at("nowhere"), at("dangling")).unwrap();
    for path in [at("new"), at("link"), at("dangling"), at("none/x")] {
        assert_eq!(code(&mut connection, save(&path)).await, FailureCode::File, "{path:?}");
    }
    assert!(fs::read(at("a.txt")).unwrap() == b"bytes" && !at("nowhere").exists());
    daemon.agent.end().await;
}

/// Checks that a socket for programs sends and receives, and does nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_may_send_and_receive_alone() {
    let mut users = String::new();
    let daemon = Daemon::start_for("api-rights", Asker::Program, |alice, bob| {
        come(bob, "alice", alice, &[Content::text("x")]);
        let sent = alice.store.accept("bob", &Content::text("y"), DAY, START).unwrap();
        users = data_encoding::HEXLOWER.encode(sent.id.as_bytes());
    })
    .await;
    let mut program = daemon.connect().await;
    done(&mut program, Request::Subscribe(SubscribeRequest::default())).await;
    done(&mut program, Request::Health {}).await;
    let own = accepted(&mut program, text("z", None)).await;
    assert!(own.program);
    let number = listed(&mut program, inbox()).await[0].number;
    done(&mut program, Request::Read { number, save: None }).await;
    done(&mut program, Request::Acknowledge { numbers: vec![number] }).await;
    let name = || "bob".to_owned();
    let path = || "/tmp/x".to_owned();
    let file = FilePath { path: path(), name: None };
    let denied = [
        Request::Send(SendRequest { to: name(), path: Some(file), ..SendRequest::default() }),
        Request::Read { number, save: Some(path()) },
        counts(),
        Request::Sent { message: own.message.clone() },
        Request::Contacts {},
        Request::Card {},
        Request::Fingerprint { contact: None },
        Request::Add { name: name(), card: String::new(), reuse_name: true },
        Request::Verify { name: name(), words: String::new() },
        Request::Block { name: name() },
        Request::Rename { name: name(), to: "eve".to_owned(), reuse_name: true },
        Request::Remove { name: name() },
        Request::Retention { seconds: Some(0) },
        Request::Backup { path: path() },
    ];
    for request in denied {
        assert_eq!(code(&mut program, request).await, FailureCode::Denied);
    }
    // What others sent is none of its business, by whatever name.
    for message in [users.clone(), users[..8].to_owned()] {
        let asked = Request::Message { message: message.clone() };
        assert_eq!(code(&mut program, asked).await, FailureCode::UnknownMessage);
        let taken_back = code(&mut program, Request::Cancel { message }).await;
        assert_eq!(taken_back, FailureCode::UnknownMessage);
    }
    // The client's user knows of both, and it is told of its own alone.
    daemon.agent.ask(Request::Cancel { message: users }).await.unwrap();
    daemon.agent.ask(Request::Block { name: name() }).await.unwrap();
    let Notice::Outgoing(told) = program.notice().await.unwrap() else {
        panic!("it hears what became of its message");
    };
    assert!(told.message == own.message && told.status == DeliveryStatus::Undeliverable);
    daemon.agent.end().await;
}

/// Checks that contacts keep their ids whatever they are called, that a name of before is not given to
/// somebody else unawares, and that a message tells whether its sender was verified.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_meant_another_is_not_given_unawares() {
    let mut card = String::new();
    let daemon = Daemon::start("api-names", |alice, bob| {
        come(bob, "alice", alice, &[Content::text("before")]);
        alice.store.verify("bob").unwrap();
        come(bob, "alice", alice, &[Content::text("after")]);
        let folder = Folder::new("api-names-eve");
        let eve = Client::new(&folder, "eve");
        card = eve.store.card(&eve.network, rohrpost_client::unix_now()).unwrap().render();
    })
    .await;
    let mut connection = daemon.connect().await;
    let bob = contacts(&mut connection).await.remove(0);
    let messages = listed(&mut connection, inbox()).await;
    assert!(messages.iter().all(|message| message.contact == bob.contact));
    assert_eq!(messages.iter().map(|one| one.verified).collect::<Vec<_>>(), [false, true]);
    let rename = |name: &str, to: &str, reuse_name| Request::Rename {
        name: name.to_owned(),
        to: to.to_owned(),
        reuse_name,
    };
    // By its id as well as by its name.
    done(&mut connection, rename(&bob.contact, "robert", false)).await;
    let robert = contacts(&mut connection).await.remove(0);
    assert!(robert.name == "robert" && robert.contact == bob.contact);
    assert!(listed(&mut connection, inbox()).await.iter().all(|one| one.from == "robert"));
    let add = |name: &str, reuse_name| Request::Add {
        name: name.to_owned(),
        card: card.clone(),
        reuse_name,
    };
    assert_eq!(code(&mut connection, add("robert", true)).await, FailureCode::NameTaken);
    assert_eq!(code(&mut connection, add("bob", false)).await, FailureCode::NameUsed);
    assert_eq!(code(&mut connection, add(&bob.contact, true)).await, FailureCode::NameTaken);
    done(&mut connection, Request::Remove { name: "robert".to_owned() }).await;
    assert_eq!(code(&mut connection, add("Robert", false)).await, FailureCode::NameUsed);
    assert_eq!(code(&mut connection, add("", true)).await, FailureCode::Name);
    done(&mut connection, add("robert", true)).await;
    assert_eq!(code(&mut connection, add("eve", false)).await, FailureCode::Known);
    let eve = contacts(&mut connection).await.remove(0);
    assert!(eve.contact != bob.contact);
    let messages = listed(&mut connection, inbox()).await;
    assert!(messages.iter().all(|message| message.contact == bob.contact));
    // Eve's own name goes back to her.
    done(&mut connection, rename("robert", "eve", false)).await;
    done(&mut connection, rename("eve", "robert", false)).await;
    daemon.agent.end().await;
}

/// Checks that a program that was away reads the notices that it has not, and hears of contacts.
#[tokio::test(flavor = "multi_thread")]
async fn notices_go_on_where_a_program_was() {
    let daemon = Daemon::start("api-resume", |_, _| {}).await;
    let mut first =
        tokio::io::BufReader::new(tokio::net::UnixStream::connect(&daemon.socket).await.unwrap());
    let Some(Line::Hello { run, .. }) = next(&mut first).await else { panic!("it is greeted") };
    first.write_all(b"{\"id\":1,\"request\":{\"subscribe\":{}}}\n").await.unwrap();
    assert!(matches!(next(&mut first).await, Some(Line::Response { id: 1, .. })));
    let mut connection = daemon.connect().await;
    accepted(&mut connection, text("x", None)).await;
    let name = || "bob".to_owned();
    done(&mut connection, Request::Block { name: name() }).await;
    let Some(Line::Notice { next: at, notice }) = next(&mut first).await else {
        panic!("it is told");
    };
    let blocked = |notice: &Notice| {
        matches!(notice, Notice::Contact { change: ContactChange::Blocked, contact }
            if contact.name == "bob" && contact.blocked)
    };
    assert!(blocked(&notice));
    drop(first);
    done(&mut connection, Request::Remove { name: name() }).await;
    done(&mut connection, Request::Retention { seconds: Some(60) }).await;
    let again = |run: &str, from| SubscribeRequest { run: Some(run.to_owned()), from: Some(from) };
    let mut second = daemon.connect().await;
    done(&mut second, Request::Subscribe(again(&run, at))).await;
    let removed = second.notice().await.unwrap();
    assert!(matches!(removed, Notice::Contact { change: ContactChange::Removed, .. }));
    let told = second.notice().await.unwrap();
    let over = |one: &OutgoingMessage| one.status == DeliveryStatus::Undeliverable;
    assert!(matches!(told, Notice::Outgoing(one) if over(&one)), "once, in its newest state");
    let told = second.notice().await.unwrap();
    assert!(matches!(told, Notice::Retention(kept) if kept.seconds == Some(60)));
    let mut third = daemon.connect().await;
    done(&mut third, Request::Subscribe(again("another run", 0))).await;
    assert!(matches!(third.notice().await.unwrap(), Notice::Missed(None)));
    assert!(blocked(&third.notice().await.unwrap()));
    daemon.agent.end().await;
}

/// Checks that the example answers a text of each contact within its bound and no automatic one, and
/// gets past messages that nobody can be answered.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_gets_past_what_cannot_be_answered() {
    let daemon = Daemon::start_for("api-example", Asker::Program, |alice, bob| {
        let folder = Folder::new("api-example-carol");
        let carol = Client::new(&folder, "carol");
        alice.store.add_contact("carol", carol.card(START), START).unwrap();
        carol.store.add_contact("alice", alice.card(START), START).unwrap();
        come(&carol, "alice", alice, &[Content::text("and I am gone")]);
        alice.store.remove("carol", START).unwrap();
        let file = Content::file("f", b"bytes".to_vec().into());
        let mut contents = vec![Content::text("[automatic] You wrote: hello"), file];
        contents.extend((0..30).map(|_| Content::text("hello")));
        come(bob, "alice", alice, &contents);
    })
    .await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/examples/answer.py");
    let mut example = Command::new("python3");
    example.arg(path).arg(&daemon.socket).stdout(Stdio::null());
    let mut running = example.spawn().unwrap();
    loop {
        let Response::Status(status) = daemon.agent.ask(counts()).await.unwrap() else {
            panic!("there are counts");
        };
        if status.unread == 0 {
            assert_eq!(status.queued, 10);
            break;
        }
        assert!(running.try_wait().unwrap().is_none(), "it goes on");
        tokio::task::yield_now().await;
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let all = Request::Status { from: 0, limit: None, open: false };
    let Response::Status(outbox) = daemon.agent.ask(all).await.unwrap() else {
        panic!("the answers are listed");
    };
    for OutgoingMessage { message, .. } in outbox.messages {
        let Response::Sent(sent) = daemon.agent.ask(Request::Sent { message }).await.unwrap()
        else {
            panic!("an answer is kept");
        };
        assert_eq!(sent.text.as_deref(), Some("[automatic] You wrote: hello"));
    }
    daemon.agent.end().await;
}
