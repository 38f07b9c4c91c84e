//! The local API over a socket, of a client without a link: what programs may send, and what comes
//! back.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rohrpost_client::api::{
    FailureCode, LINE_LIMIT, Line, Notice, OutgoingMessage, Request, Response, SendRequest,
    SubscribeRequest, VERSION,
};
use rohrpost_client::{
    Agent, Asker, Connection, Content, DeliveryStatus, Listener, SocketError, Store,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::world::{Client, DAY, Folder, START, arrive, network, unlock};

/// A daemon of alice, who has bob as a contact.
pub(crate) struct Daemon {
    pub(crate) folder: Folder,
    pub(crate) socket: PathBuf,
    pub(crate) agent: Agent,
    serving: JoinHandle<()>,
}

impl Daemon {
    pub(crate) async fn start(test: &str, prepare: impl FnOnce(&Client, &Client)) -> Self {
        Self::start_for(test, Asker::User, prepare).await
    }

    /// A daemon whose socket is for this asker.
    pub(crate) async fn start_for(
        test: &str,
        asker: Asker,
        prepare: impl FnOnce(&Client, &Client),
    ) -> Self {
        let folder = Folder::new(test);
        let [alice, bob] = Client::pair(&folder);
        prepare(&alice, &bob);
        let socket = folder.path("daemon.sock");
        let Client { store, home, .. } = alice;
        drop(store);
        let network = Arc::new(network());
        let store = Store::open(&home, &unlock(), &network).unwrap();
        let agent = Agent::start_offline(network, store).unwrap();
        let listener = Listener::bind(&socket).await.unwrap();
        let serving = tokio::spawn(listener.serve(agent.clone(), asker));
        Self { folder, socket, agent, serving }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(&self.socket).await.unwrap().unwrap()
    }

    /// A program that writes its own lines, after the greeting.
    pub(crate) async fn program(&self) -> BufReader<UnixStream> {
        let mut stream = BufReader::new(UnixStream::connect(&self.socket).await.unwrap());
        let hello = next(&mut stream).await.unwrap();
        assert!(matches!(hello, Line::Hello { version: VERSION, .. }));
        stream
    }
}

pub(crate) async fn next(stream: &mut BufReader<UnixStream>) -> Option<Line> {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
}

pub(crate) fn text(text: &str, expires_after: Option<u64>) -> Request {
    let (to, text) = ("bob".to_owned(), Some(text.to_owned()));
    Request::Send(SendRequest { to, text, expires_after, ..SendRequest::default() })
}

/// Asks for the counts alone.
pub(crate) const fn counts() -> Request {
    Request::Status { from: 0, limit: Some(0), open: false }
}

/// Asks for what is unread.
pub(crate) const fn inbox() -> Request {
    Request::Inbox { from: 0, unread: true, limit: None, with_text: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_and_the_conversation_goes_on() {
    let daemon = Daemon::start("api-refused", |_, _| {}).await;
    let mut program = daemon.program().await;
    let lines = [
        "",
        "{}",
        "\u{1}",
        r#"{"id":1,"request":{"sing":{}}}"#,
        r#"{"id":2,"request":{"status":{"x":1}}}"#,
    ];
    for line in lines {
        program.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let Some(Line::Error { id: 0, error }) = next(&mut program).await else {
            panic!("{line} is no request");
        };
        assert!(error.code == FailureCode::Request && error.message.contains("version 2"));
    }
    program.write_all(b"{\"id\":7,\"request\":{\"contacts\":{}}}\n").await.unwrap();
    let Some(Line::Response { id: 7, response: Response::Contacts(contacts) }) =
        next(&mut program).await
    else {
        panic!("a request is answered");
    };
    assert!(contacts.len() == 1 && contacts[0].name == "bob");
    daemon.agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_too_long_ends_the_conversation_alone() {
    let daemon = Daemon::start("api-long", |_, _| {}).await;
    let mut program = daemon.program().await;
    // The daemon may hang up before all is written.
    let _ = program.write_all(&vec![b'x'; LINE_LIMIT + 1]).await;
    let mut line = String::new();
    assert!(!matches!(program.read_line(&mut line).await, Ok(1..)));
    let mut other = daemon.connect().await;
    let refused = other.ask(text(&"\u{1}".repeat(LINE_LIMIT / 6), None)).await.unwrap();
    assert!(refused.is_err_and(|failure| failure.code == FailureCode::TooLong));
    assert!(matches!(other.ask(counts()).await, Ok(Ok(Response::Status(_)))));
    daemon.agent.end().await;
}

/// A contact may write such a text: one byte of it is six in JSON.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_whose_line_is_longer_than_any_request_can_be_read() {
    let long = "\u{1}".repeat(LINE_LIMIT / 6 + 1);
    let daemon = Daemon::start("api-text", |alice, bob| {
        let content = Content::text(&long);
        bob.store.accept("alice", &content, DAY, START).unwrap();
        let waiting = bob.waiting(alice.key());
        assert_eq!(arrive(bob.key(), &waiting[0], alice, START).len(), 1);
    })
    .await;
    let mut connection = daemon.connect().await;
    let Ok(Ok(Response::Inbox(inbox))) = connection.ask(inbox()).await else {
        panic!("the inbox can be listed");
    };
    let number = inbox[0].number;
    let Ok(Ok(Response::Message(body))) =
        connection.ask(Request::Read { number, save: None }).await
    else {
        panic!("the message can be read");
    };
    assert!(body.text == Some(long));
    daemon.agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_beyond_all_time_does_not_end_the_daemon() {
    let daemon = Daemon::start("api-lifetime", |_, _| {}).await;
    let mut connection = daemon.connect().await;
    let sent = connection.ask(text("x", Some(u64::MAX))).await.unwrap();
    assert!(sent.is_err_and(|failure| failure.code == FailureCode::Lifetime));
    assert!(matches!(connection.ask(counts()).await, Ok(Ok(Response::Status(_)))));
    daemon.agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_its_users_and_one_daemons_and_goes_with_it() {
    let daemon = Daemon::start("api-socket", |_, _| {}).await;
    drop(daemon.connect().await);
    let mode = std::fs::metadata(&daemon.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = Listener::bind(&daemon.socket).await;
    assert!(matches!(second, Err(SocketError::Taken(path)) if path == daemon.socket));
    daemon.serving.abort();
    while !daemon.serving.is_finished() {
        tokio::task::yield_now().await;
    }
    assert!(!daemon.socket.exists());
    // One that was killed leaves its socket behind.
    drop(std::os::unix::net::UnixListener::bind(&daemon.socket).unwrap());
    assert!(Connection::open(&daemon.socket).await.unwrap().is_none());
    let listener = Listener::bind(&daemon.socket).await.unwrap();
    let serving = tokio::spawn(listener.serve(daemon.agent.clone(), Asker::User));
    drop(daemon.connect().await);
    serving.abort();
    daemon.agent.end().await;
}

/// Checks that a daemon whose socket is to be where a file is leaves the file alone.
#[tokio::test]
async fn what_is_no_socket_is_not_replaced_by_one() {
    let folder = Folder::new("api-occupied");
    let (file, link) = (folder.path("precious"), folder.path("link"));
    std::fs::write(&file, "bytes").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let bound = Listener::bind(path).await;
        assert!(matches!(bound, Err(SocketError::Occupied(at)) if at == *path));
    }
    assert!(std::fs::read(&file).unwrap() == b"bytes" && link.is_symlink());
}

/// More programs than the daemon converses with.
const MANY: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_say_nothing_give_their_seats_to_others() {
    let daemon = Daemon::start("api-idle", |_, _| {}).await;
    let mut first = daemon.program().await;
    let mut asked = daemon.connect().await;
    assert!(asked.ask(Request::Subscribe(SubscribeRequest::default())).await.unwrap().is_ok());
    let mut others = Vec::new();
    for _ in 0..MANY {
        others.push(daemon.program().await);
    }
    assert!(next(&mut first).await.is_none(), "idle for longest");
    assert!(
        asked.ask(Request::Contacts {}).await.unwrap().is_ok(),
        "who subscribed keeps its seat"
    );
    let last = others.last_mut().unwrap();
    last.write_all(b"{\"id\":7,\"request\":{\"contacts\":{}}}\n").await.unwrap();
    assert!(matches!(next(last).await, Some(Line::Response { id: 7, .. })));
    daemon.agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_a_seat_is_told() {
    let daemon = Daemon::start("api-busy", |_, _| {}).await;
    let mut all = Vec::new();
    let refused = loop {
        match Connection::open(&daemon.socket).await {
            Ok(Some(mut connection)) => {
                assert!(
                    connection
                        .ask(Request::Subscribe(SubscribeRequest::default()))
                        .await
                        .unwrap()
                        .is_ok()
                );
                all.push(connection);
            }
            Err(error) => break error,
            Ok(None) => panic!("the daemon serves"),
        }
        assert!(all.len() < MANY);
    };
    assert!(matches!(&refused, SocketError::Busy(why) if why.code == FailureCode::Busy));
    drop(all.pop());
    while Connection::open(&daemon.socket).await.is_err() {}
    daemon.agent.end().await;
}

/// Checks that a program asks for the state of one message, and takes it back, by its id or the
/// begin of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_asked_for_and_taken_back_by_its_id() {
    let daemon = Daemon::start("api-cancel", |_, _| {}).await;
    let mut connection = daemon.connect().await;
    let sent = connection.ask(text("x", None)).await.unwrap();
    let Ok(Response::Accepted(OutgoingMessage { message, .. })) = sent else {
        panic!("it is accepted");
    };
    assert!(connection.ask(Request::Subscribe(SubscribeRequest::default())).await.unwrap().is_ok());
    let begin = message[..8].to_owned();
    let asked = connection.ask(Request::Message { message: begin.clone() }).await.unwrap();
    let Ok(Response::Outgoing(state)) = asked else { panic!("it is known") };
    assert!(state.message == message && state.status == DeliveryStatus::Queued);
    let cancelled = connection.ask(Request::Cancel { message: begin }).await.unwrap();
    let Ok(Response::Outgoing(state)) = cancelled else { panic!("it is taken back") };
    assert!(state.message == message && state.status == DeliveryStatus::Cancelled);
    let Notice::Outgoing(told) = connection.notice().await.unwrap() else { panic!("it is told") };
    assert!(told.message == message && told.status == DeliveryStatus::Cancelled);
    for (message, code) in [
        (message, FailureCode::Settled),
        ("00".repeat(16), FailureCode::UnknownMessage),
        ("00000000".to_owned(), FailureCode::UnknownMessage),
        ("0".to_owned(), FailureCode::Request),
        ("bob".to_owned(), FailureCode::Request),
    ] {
        let refused = connection.ask(Request::Cancel { message }).await.unwrap();
        assert!(refused.is_err_and(|failure| failure.code == code));
    }
    daemon.agent.end().await;
}
