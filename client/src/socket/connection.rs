//! A program's side of the local API.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::error::{SocketError, check_socket_path};
use super::line::read_line;
use crate::api::{
    Failure, FailureCode, LINE_LIMIT, Line, Notice, Request, RequestLine, Response, VERSION,
};

/// A program's side of a conversation with a daemon.
pub struct Connection {
    path: PathBuf,
    reader: BufReader<OwnedReadHalf>,
    /// Begin of a line that has not come whole.
    begun: Vec<u8>,
    writer: OwnedWriteHalf,
    /// Number of the last request.
    id: u64,
    /// Notices that came before an answer; few, for answers come at once.
    early: VecDeque<Notice>,
}

impl Connection {
    /// Reaches the daemon at `path`; none if none runs there.
    ///
    /// # Errors
    /// The daemon does not answer or has no room, this user may not reach it, or a program answers
    /// that is no daemon of this version.
    pub async fn open(path: &Path) -> Result<Option<Self>, SocketError> {
        if check_socket_path(path).is_err() {
            // No daemon can serve there.
            return Ok(None);
        }
        match timeout(GREETING, Self::greet(path)).await {
            Ok(greeted) => greeted,
            Err(_) => Err(silent(path, GREETING)),
        }
    }

    async fn greet(path: &Path) -> Result<Option<Self>, SocketError> {
        let stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(source) => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => return Ok(None),
                // More programs wait than the system lets wait.
                io::ErrorKind::WouldBlock => return Err(silent(path, GREETING)),
                _ => return Err(SocketError::Io { path: path.to_owned(), source }),
            },
        };
        let (reader, writer) = stream.into_split();
        let (path, early, begun) = (path.to_owned(), VecDeque::new(), Vec::new());
        let reader = BufReader::new(reader);
        let mut connection = Self { path, reader, begun, writer, id: 0, early };
        match connection.line().await? {
            Line::Hello { version: VERSION, .. } => Ok(Some(connection)),
            Line::Error { error, .. } => Err(SocketError::Busy(error)),
            _ => Err(SocketError::Version(connection.path)),
        }
    }

    /// Asks the daemon for something, and waits for the answer.
    ///
    /// # Errors
    /// The daemon has ended, or does not answer. Or, within, the request was not done: also one
    /// whose line is too long.
    pub async fn ask(
        &mut self,
        request: Request,
    ) -> Result<Result<Response, Failure>, SocketError> {
        self.id += 1;
        let patience = if matches!(request, Request::Backup { .. }) { BACKUP } else { ANSWER };
        let mut bytes = serde_json::to_vec(&RequestLine { id: self.id, request })
            .map_err(|_| SocketError::Ended)?;
        bytes.push(b'\n');
        if bytes.len() > LINE_LIMIT {
            let why = "the request is too long to be written in JSON; send a long text as a file";
            return Ok(Err(Failure::new(FailureCode::TooLong, &why)));
        }
        match timeout(patience, self.exchange(&bytes)).await {
            Ok(answer) => answer,
            Err(_) => Err(silent(&self.path, patience)),
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Result<Response, Failure>, SocketError> {
        self.writer.write_all(request).await.map_err(|_| SocketError::Ended)?;
        loop {
            match self.line().await? {
                Line::Response { id, response } if id == self.id => return Ok(Ok(response)),
                Line::Error { error, .. } => return Ok(Err(error)),
                Line::Notice { notice, .. } => self.early.push_back(notice),
                _ => return Err(SocketError::Version(self.path.clone())),
            }
        }
    }

    /// The next notice, after [`Request::Subscribe`]. None is lost if the future is dropped.
    ///
    /// # Errors
    /// The daemon has ended.
    pub async fn notice(&mut self) -> Result<Notice, SocketError> {
        if let Some(notice) = self.early.pop_front() {
            return Ok(notice);
        }
        match self.line().await? {
            Line::Notice { notice, .. } => Ok(notice),
            _ => Err(SocketError::Version(self.path.clone())),
        }
    }

    async fn line(&mut self) -> Result<Line, SocketError> {
        let version = || SocketError::Version(self.path.clone());
        match read_line(&mut self.reader, &mut self.begun, ANSWER_LIMIT).await {
            Ok(Some(line)) => serde_json::from_slice(&line).map_err(|_| version()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(version()),
            Ok(None) | Err(_) => Err(SocketError::Ended),
        }
    }
}

fn silent(path: &Path, patience: Duration) -> SocketError {
    SocketError::Silent { path: path.to_owned(), seconds: patience.as_secs() }
}

/// Time in which a daemon greets a program: its tasks never wait for the disk.
const GREETING: Duration = Duration::from_secs(4);
/// Time for an answer: longer than any request takes but a backup, on a slow disk as well.
const ANSWER: Duration = Duration::from_secs(60);
/// Time for a backup, which copies the whole store.
const BACKUP: Duration = Duration::from_secs(3600);
/// Bytes of the longest answer that a program takes from a daemon. A contact may write a text of
/// control characters, six bytes each in JSON, and a list has some hundred bytes a message.
const ANSWER_LIMIT: u64 = 512 << 20;
