//! A client's link as its relay drives it: at the session's ticks, without a task or a timer of its
//! own. A tick takes the cells that have come for a session and leaves one; all else is QUIC's.
//!
//! Streams are polled with a waker that does nothing: what has not arrived yet is taken at the next
//! tick, one slot later.
//!
//! QUIC follows a client to whatever address its datagrams come from. Here a link may change its
//! port, as behind a NAT that forgets, but not its host: a client that has moved to another network
//! comes with a new session, which shares nothing with the one before.

use std::collections::VecDeque;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};
use rohrpost_packet::{Buffer, HEADROOM};

use crate::stream::{Buffers, LinkError};

/// A client's link at its relay, polled at the ticks of the session.
pub struct ServedLink {
    connection: Connection,
    /// Host from which the client opened the link.
    host: IpAddr,
    sender: SendStream,
    /// Cells that QUIC has not taken yet; at most [`BACKLOG`], the newest is shed.
    backlog: VecDeque<Bytes>,
    /// Stream of the client; `None` until it appears, with its first cell.
    receiver: Option<RecvStream>,
    /// Head of a cell that has begun to arrive, and how much of it is there.
    head: ([u8; HEADROOM], usize),
    /// The cell that the head belongs to, and how much of it is there.
    partial: Option<(Option<Buffer>, usize)>,
    cell_len: usize,
    buffers: Buffers,
}

/// Outcome of a cell that a client has sent.
pub enum Arrival {
    /// A cell that has arrived whole.
    Cell(Buffer),
    /// A cell for which there was no buffer: it was read, and shed.
    Shed,
}

impl ServedLink {
    pub(crate) async fn open(
        connection: Connection,
        cell_len: usize,
        buffers: Buffers,
    ) -> Result<Self, LinkError> {
        let sender = connection.open_uni().await.map_err(|_| LinkError)?;
        Ok(Self {
            host: connection.remote_address().ip(),
            connection,
            sender,
            backlog: VecDeque::new(),
            receiver: None,
            head: ([0; HEADROOM], 0),
            partial: None,
            cell_len,
            buffers,
        })
    }

    /// Takes the next cell that has arrived whole; `None` if none has.
    ///
    /// # Errors
    /// The link is gone, or has moved to another host.
    pub fn poll_cell(&mut self) -> Result<Option<Arrival>, LinkError> {
        if self.connection.remote_address().ip() != self.host {
            return Err(LinkError);
        }
        if self.receiver.is_none() {
            self.receiver = now(self.connection.accept_uni())?;
        }
        let Some(mut receiver) = self.receiver.take() else { return Ok(None) };
        let arrived = self.poll_stream(&mut receiver);
        self.receiver = Some(receiver);
        arrived
    }

    fn poll_stream(&mut self, receiver: &mut RecvStream) -> Result<Option<Arrival>, LinkError> {
        let (head, there) = &mut self.head;
        if !fill(receiver, head, there)? {
            return Ok(None);
        }
        if self.partial.is_none() {
            let mut buffer = self.buffers.take(self.cell_len);
            if let Some(buffer) = &mut buffer {
                buffer[..HEADROOM].copy_from_slice(head);
            }
            self.partial = Some((buffer, HEADROOM));
        }
        let Some((buffer, there)) = &mut self.partial else { return Ok(None) };
        let whole = match buffer {
            Some(buffer) => fill(receiver, buffer, there)?,
            None => skip(receiver, self.cell_len, there)?,
        };
        if !whole {
            return Ok(None);
        }
        self.head.1 = 0;
        let cell = self.partial.take().and_then(|(buffer, _)| buffer);
        Ok(Some(cell.map_or(Arrival::Shed, Arrival::Cell)))
    }

    /// Hands a cell to QUIC; tells whether there was room for it. There is none for a client that
    /// has not read for several slots.
    ///
    /// # Errors
    /// The link is gone.
    pub fn send(&mut self, cell: Buffer) -> Result<bool, LinkError> {
        let has_room = self.backlog.len() < BACKLOG;
        if has_room {
            self.backlog.push_back(Bytes::from_owner(cell));
        }
        while let Some(chunk) = self.backlog.front_mut() {
            let chunks = std::slice::from_mut(chunk);
            match now(self.sender.write_chunks(chunks))? {
                // QUIC took a part: the chunk is now what is left.
                Some(written) if written.chunks == 0 => {}
                Some(_) => drop(self.backlog.pop_front()),
                None => break,
            }
        }
        Ok(has_room)
    }
}

impl Drop for ServedLink {
    fn drop(&mut self) {
        self.connection.close(0_u32.into(), b"");
    }
}

/// Polls `future` once; `None` if it is not ready.
fn now<T, E>(future: impl Future<Output = Result<T, E>>) -> Result<Option<T>, LinkError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(value)) => Ok(Some(value)),
        Poll::Ready(Err(_)) => Err(LinkError),
        Poll::Pending => Ok(None),
    }
}

/// Reads on into `out` from `there`; tells whether `out` is full.
fn fill(stream: &mut RecvStream, out: &mut [u8], there: &mut usize) -> Result<bool, LinkError> {
    while *there < out.len() {
        let mut context = Context::from_waker(Waker::noop());
        match stream.poll_read(&mut context, &mut out[*there..]) {
            Poll::Ready(Ok(0) | Err(_)) => return Err(LinkError),
            Poll::Ready(Ok(read)) => *there += read,
            Poll::Pending => return Ok(false),
        }
    }
    Ok(true)
}

/// Reads on and forgets, up to `len` bytes; tells whether it has got there.
fn skip(stream: &mut RecvStream, len: usize, there: &mut usize) -> Result<bool, LinkError> {
    while *there < len {
        match now(stream.read_chunk(len - *there, true))? {
            Some(Some(chunk)) => *there += chunk.bytes.len(),
            Some(None) => return Err(LinkError),
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// Cells on their way to one client: a second's worth at the default rates.
const BACKLOG: usize = 4;
