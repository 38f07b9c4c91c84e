//! The local API over a Unix socket, which the client's own user alone can reach: it has mode 0600,
//! in the client's home of mode 0700.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::agent::Agent;
use crate::api::{
    Failure, FailureCode, LINE_LIMIT, Line, Notice, Request, RequestLine, Response, VERSION,
};

/// Reason why the API is not served, or not reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// A daemon serves the API already.
    #[error("a daemon runs already for this client, at {0}")]
    Taken(PathBuf),
    /// The system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A program answers that is no daemon of this version.
    #[error("what answers at {0} is not a daemon of this version; end it and start it again")]
    Version(PathBuf),
    /// The daemon has ended.
    #[error("the daemon has ended")]
    Ended,
}

/// Serves an agent at `path` until the future is dropped. A socket that a daemon has left behind is
/// taken over.
///
/// # Errors
/// A daemon serves there, or the socket cannot be made.
pub async fn serve(agent: Agent, path: &Path) -> Result<(), SocketError> {
    let io = |source| SocketError::Io { path: path.to_owned(), source };
    let listener = bind(path).await?;
    // Until this is done the home's mode keeps others out.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    let _unlink = Unlink(path.to_owned());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => {
                let (stream, _) = accepted.map_err(io)?;
                connections.spawn(Conversation::begin(agent.clone(), stream).run());
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if UnixStream::connect(path).await.is_ok() {
                return Err(SocketError::Taken(path.to_owned()));
            }
            std::fs::remove_file(path).and_then(|()| UnixListener::bind(path))
        }
        bound => bound,
    }
    .map_err(|source| SocketError::Io { path: path.to_owned(), source })
}

/// A socket that is removed when this is dropped.
struct Unlink(PathBuf);

impl Drop for Unlink {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The daemon's side of a conversation with one program: its requests one after the other, and
/// notices in between once it has subscribed.
struct Conversation {
    agent: Agent,
    requests: mpsc::Receiver<Result<RequestLine, Failure>>,
    notices: Option<broadcast::Receiver<Notice>>,
    writer: OwnedWriteHalf,
    /// Task that reads the requests, and ends with the conversation.
    _reading: AbortOnDropHandle<()>,
}

impl Conversation {
    fn begin(agent: Agent, stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        let (requests_in, requests) = mpsc::channel(1);
        let reading = tokio::spawn(read_lines(BufReader::new(reader), requests_in));
        let _reading = AbortOnDropHandle::new(reading);
        Self { agent, requests, notices: None, writer, _reading }
    }

    /// Converses until the program hangs up.
    async fn run(mut self) {
        let mut line = Line::Hello { version: VERSION };
        while write_line(&mut self.writer, &line).await.is_ok() {
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
            notice = next_notice(&mut self.notices) => Some(Line::Notice(notice)),
        }
    }

    async fn answer(&mut self, RequestLine { id, request }: RequestLine) -> Line {
        if matches!(request, Request::Subscribe {}) {
            self.notices = Some(self.agent.notices());
        }
        match self.agent.ask(request).await {
            Ok(response) => Line::Response { id, response },
            Err(error) => Line::Error { id, error },
        }
    }
}

async fn next_notice(notices: &mut Option<broadcast::Receiver<Notice>>) -> Notice {
    match notices {
        Some(receiver) => match receiver.recv().await {
            Ok(notice) => notice,
            Err(RecvError::Lagged(missed)) => Notice::Missed(missed),
            Err(RecvError::Closed) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// Reads requests, a line each. A line that is too long ends the conversation: what follows it
/// cannot be told from its rest.
async fn read_lines(
    mut reader: BufReader<OwnedReadHalf>,
    requests: mpsc::Sender<Result<RequestLine, Failure>>,
) {
    let limit = u64::try_from(LINE_LIMIT).unwrap_or(u64::MAX);
    while let Ok(Some(line)) = read_line(&mut reader, limit).await {
        let request = serde_json::from_slice(&line).map_err(|error| {
            let why = format!("not a request of version {VERSION}: {error}");
            Failure::new(FailureCode::Request, &why)
        });
        if requests.send(request).await.is_err() {
            return;
        }
    }
}

async fn read_line(
    reader: &mut BufReader<OwnedReadHalf>,
    limit: u64,
) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(limit).read_until(b'\n', &mut line).await?;
    match line.pop() {
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
        None => Ok(None),
    }
}

async fn write_line(writer: &mut OwnedWriteHalf, line: &Line) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    writer.write_all(&bytes).await
}

/// A program's side of a conversation with a daemon.
pub struct Connection {
    path: PathBuf,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// Number of the last request.
    id: u64,
    /// Notices that came before an answer; few, for answers come at once.
    early: std::collections::VecDeque<Notice>,
}

impl Connection {
    /// Reaches the daemon at `path`; none if none runs there.
    ///
    /// # Errors
    /// A program answers that is no daemon of this version.
    pub async fn open(path: &Path) -> Result<Option<Self>, SocketError> {
        let Ok(stream) = UnixStream::connect(path).await else {
            return Ok(None);
        };
        let (reader, writer) = stream.into_split();
        let (path, early) = (path.to_owned(), std::collections::VecDeque::new());
        let mut connection = Self { path, reader: BufReader::new(reader), writer, id: 0, early };
        match connection.line().await? {
            Line::Hello { version: VERSION } => Ok(Some(connection)),
            _ => Err(SocketError::Version(connection.path)),
        }
    }

    /// Asks the daemon for something, and waits for the answer.
    ///
    /// # Errors
    /// The daemon has ended. Or, within, the request was not done: also one whose line is too long.
    pub async fn ask(
        &mut self,
        request: Request,
    ) -> Result<Result<Response, Failure>, SocketError> {
        self.id += 1;
        let mut bytes = serde_json::to_vec(&RequestLine { id: self.id, request })
            .map_err(|_| SocketError::Ended)?;
        bytes.push(b'\n');
        if bytes.len() > LINE_LIMIT {
            let why = "the request is too long to be written in JSON; send a long text as a file";
            return Ok(Err(Failure::new(FailureCode::Refused, &why)));
        }
        self.writer.write_all(&bytes).await.map_err(|_| SocketError::Ended)?;
        loop {
            match self.line().await? {
                Line::Response { id, response } if id == self.id => return Ok(Ok(response)),
                Line::Error { error, .. } => return Ok(Err(error)),
                Line::Notice(notice) => self.early.push_back(notice),
                _ => return Err(SocketError::Version(self.path.clone())),
            }
        }
    }

    /// The next notice, after [`Request::Subscribe`].
    ///
    /// # Errors
    /// The daemon has ended.
    pub async fn notice(&mut self) -> Result<Notice, SocketError> {
        if let Some(notice) = self.early.pop_front() {
            return Ok(notice);
        }
        match self.line().await? {
            Line::Notice(notice) => Ok(notice),
            _ => Err(SocketError::Version(self.path.clone())),
        }
    }

    /// Reads a line of any length: the daemon is one's own, and a text of control characters, six
    /// bytes each in JSON, is longer than any request.
    async fn line(&mut self) -> Result<Line, SocketError> {
        let line = read_line(&mut self.reader, u64::MAX).await.ok().flatten();
        let line = line.ok_or(SocketError::Ended)?;
        serde_json::from_slice(&line).map_err(|_| SocketError::Version(self.path.clone()))
    }
}

/// Programs that converse at once; others wait.
const CONNECTIONS: usize = 32;
