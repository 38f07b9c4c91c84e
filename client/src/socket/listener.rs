//! The daemon's side of the local API.

use std::future::pending;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::error::{SocketError, check_socket_path};
use super::line::read_line;
use super::seats::{Seat, Seats};
use crate::agent::{Agent, Asker, NoticeReader};
use crate::api::{Failure, FailureCode, LINE_LIMIT, Line, Notice, Request, RequestLine, VERSION};

/// A socket to which programs can connect; removed when this is dropped.
pub struct Listener {
    path: PathBuf,
    listener: UnixListener,
}

impl Listener {
    /// Makes the socket: programs can connect when this returns, and are answered once it is
    /// served. A socket that a daemon has left behind is taken over.
    ///
    /// # Errors
    /// A daemon serves there, something else than a socket is there, the path is too long, or the
    /// socket cannot be made.
    pub async fn bind(path: &Path) -> Result<Self, SocketError> {
        check_socket_path(path)?;
        let io = |source| SocketError::Io { path: path.to_owned(), source };
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if !std::fs::symlink_metadata(path).map_err(io)?.file_type().is_socket() {
                    return Err(SocketError::Occupied(path.to_owned()));
                }
                match UnixStream::connect(path).await {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    _ => return Err(SocketError::Taken(path.to_owned())),
                }
                std::fs::remove_file(path).and_then(|()| UnixListener::bind(path))
            }
            bound => bound,
        };
        let listener = Self { listener: listener.map_err(io)?, path: path.to_owned() };
        // Until this is done the home's mode keeps others out.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
        Ok(listener)
    }

    /// Serves an agent until the future is dropped, whatever becomes of single connections: where
    /// the system has no descriptor for one, it is taken when there is one again. All that is asked
    /// here is asked by `asker`.
    pub async fn serve(self, agent: Agent, asker: Asker) {
        let mut seats = Seats::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => match seats.take() {
                        Some(seat) => {
                            let asked = (agent.clone(), asker);
                            let conversation = Conversation::begin(asked, stream, &seat);
                            seats.seat(seat, conversation.run());
                        }
                        None => refuse(&stream),
                    },
                    Err(_) => {
                        seats.vacate();
                        sleep(PAUSE).await;
                    }
                },
                () = seats.ended() => {}
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Tells a program that there is no room for it. A new connection takes that without waiting.
fn refuse(stream: &UnixStream) {
    let why = "the daemon converses with as many programs as it can, and all wait for notices or \
               answers; end one of them";
    let error = Failure::new(FailureCode::Busy, &why);
    if let Ok(bytes) = encode(&Line::Error { id: 0, error }) {
        let _ = stream.try_write(&bytes);
    }
}

fn encode(line: &Line) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The daemon's side of a conversation with one program: its requests one after the other, and
/// notices in between once it has subscribed.
struct Conversation {
    agent: Agent,
    asker: Asker,
    requests: mpsc::Receiver<Result<RequestLine, Failure>>,
    notices: Option<NoticeReader>,
    writer: OwnedWriteHalf,
    seat: Seat,
    /// Task that reads the requests, and ends with the conversation.
    _reading: AbortOnDropHandle<()>,
}

impl Conversation {
    fn begin((agent, asker): (Agent, Asker), stream: UnixStream, seat: &Seat) -> Self {
        let (reader, writer) = stream.into_split();
        let (requests_in, requests) = mpsc::channel(1);
        let reading = tokio::spawn(read_lines(BufReader::new(reader), requests_in));
        let _reading = AbortOnDropHandle::new(reading);
        Self { agent, asker, requests, notices: None, writer, seat: seat.clone(), _reading }
    }

    /// Converses until the program hangs up, or does not read what it is sent.
    async fn run(mut self) {
        let run = self.agent.notice_log().run().to_owned();
        let mut line = Line::Hello { version: VERSION, run };
        while self.write(&line).await.is_ok() {
            let Some(next) = self.next_line().await else { return };
            line = next;
        }
    }

    async fn next_line(&mut self) -> Option<Line> {
        tokio::select! {
            request = self.requests.recv() => match request? {
                Ok(request) => Some(self.answer(request).await),
                Err(error) => Some(Line::Error { id: 0, error }),
            },
            (next, notice) = next_notice(&mut self.notices, self.asker) => {
                Some(Line::Notice { next, notice })
            }
        }
    }

    async fn answer(&mut self, RequestLine { id, request }: RequestLine) -> Line {
        self.seat.hold();
        if let Request::Subscribe(from) = &request {
            self.notices = Some(self.agent.notice_log().read(from));
        }
        let answer = self.agent.ask_as(self.asker, request).await;
        if self.notices.is_none() {
            // While the answer is written, too: its program may never read it.
            self.seat.release();
        }
        match answer {
            Ok(response) => Line::Response { id, response },
            Err(error) => Line::Error { id, error },
        }
    }

    async fn write(&mut self, line: &Line) -> io::Result<()> {
        timeout(WRITE, self.writer.write_all(&encode(line)?)).await?
    }
}

/// The next notice for this asker: a program hears of what came, and of what programs sent.
async fn next_notice(notices: &mut Option<NoticeReader>, asker: Asker) -> (u64, Notice) {
    let Some(reader) = notices else {
        return pending().await;
    };
    loop {
        let Some((next, notice)) = reader.next().await else {
            return pending().await;
        };
        let concerns = match &notice {
            Notice::Outgoing(outgoing) => outgoing.program,
            Notice::Contact { .. }
            | Notice::Request(_)
            | Notice::Retention(_)
            | Notice::Forgotten { .. } => false,
            _ => true,
        };
        if concerns || asker == Asker::User {
            return (next, notice);
        }
    }
}

/// Reads requests, a line each. A line that is too long ends the conversation: what follows it
/// cannot be told from its rest.
async fn read_lines(
    mut reader: BufReader<OwnedReadHalf>,
    requests: mpsc::Sender<Result<RequestLine, Failure>>,
) {
    let limit = u64::try_from(LINE_LIMIT).unwrap_or(u64::MAX);
    while let Ok(Some(line)) = read_line(&mut reader, &mut Vec::new(), limit).await {
        let request = serde_json::from_slice(&line).map_err(|error| {
            let why = format!("not a request of version {VERSION}: {error}");
            Failure::new(FailureCode::Request, &why)
        });
        if requests.send(request).await.is_err() {
            return;
        }
    }
}

/// Time that a program has to read what it is sent.
const WRITE: Duration = Duration::from_secs(60);
/// Pause after the system had no descriptor or memory for a connection.
const PAUSE: Duration = Duration::from_millis(200);
