//! The inbox: messages that have come.

use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_vault::{KeyedTable, OrderedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::bodies::Body;
use super::due::{self, Ended};
use super::error::StoreError;
use super::file::Store;
use super::fragments::Whole;
use super::record::{Hex, decode, encode};
use super::{contact, numbers, quota};
use crate::content::{Content, KINDS, Outline};

/// A message that has come.
#[derive(Clone)]
pub struct Incoming {
    /// Number in the store: one more than the message before.
    pub number: u64,
    /// Id that the sender gave to the message.
    pub id: MessageId,
    /// Identity of the sender.
    pub from: KeyId,
    /// Name by which the user called the sender when the message came.
    pub name: String,
    /// Time of writing by the sender's word, since the Unix epoch; to the minute.
    pub written: Duration,
    /// Time at which the message was complete, since the Unix epoch.
    pub arrived: Duration,
    /// Name of the file, if the message is one.
    pub file: Option<String>,
    /// Bytes of text or file.
    pub len: u64,
    /// Time at which the reader read or acknowledged the message, since the Unix epoch, if he has.
    pub read: Option<Duration>,
    /// True if the sender's words had been compared when the message came.
    pub verified: bool,
    /// The reason why the message cannot be shown, if it cannot.
    pub unreadable: Option<Unreadable>,
    kinds: u8,
    body: Body,
    /// Bytes for which the message takes room until it is read.
    stored: u64,
}

/// Reason why a message that has come cannot be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unreadable {
    /// The content is of a kind that this program does not know. It is kept, and a program that
    /// knows it shows it.
    UnknownKind,
    /// Parts of the message are missing from the store; it has to be sent again.
    Incomplete,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IncomingRecord {
    version: u32,
    id: Hex<16>,
    from: Hex<32>,
    name: String,
    written: u64,
    arrived: u64,
    file: Option<String>,
    len: u64,
    read: Option<u64>,
    verified: bool,
    unreadable: Option<Unreadable>,
    /// Kinds of content that the program knew which looked at the body last ([`KINDS`]).
    kinds: u8,
    /// Id of the body.
    body: Hex<16>,
    pieces: u32,
    /// Bytes for which the body takes room.
    stored: u64,
}

impl Incoming {
    fn record(&self) -> IncomingRecord {
        IncomingRecord {
            version: 1,
            id: Hex(*self.id.as_bytes()),
            from: Hex(*self.from.as_bytes()),
            name: self.name.clone(),
            written: self.written.as_secs(),
            arrived: self.arrived.as_secs(),
            file: self.file.clone(),
            len: self.len,
            read: self.read.map(|at| at.as_secs()),
            verified: self.verified,
            unreadable: self.unreadable,
            kinds: self.kinds,
            body: Hex(self.body.id),
            pieces: self.body.pieces,
            stored: self.stored,
        }
    }

    /// Notes what the message holds.
    fn describe(&mut self, body: &[u8]) {
        let outline = Outline::of(body);
        self.file = outline.name;
        self.len = u64::try_from(outline.len).unwrap_or(u64::MAX);
        self.unreadable = (!outline.known).then_some(Unreadable::UnknownKind);
        self.kinds = KINDS;
    }

    fn of(number: u64, record: IncomingRecord) -> Self {
        Self {
            number,
            id: MessageId::new(record.id.0),
            from: KeyId::new(record.from.0),
            name: record.name,
            written: Duration::from_secs(record.written),
            arrived: Duration::from_secs(record.arrived),
            file: record.file,
            len: record.len,
            read: record.read.map(Duration::from_secs),
            verified: record.verified,
            unreadable: record.unreadable,
            kinds: record.kinds,
            body: Body { id: record.body.0, pieces: record.pieces },
            stored: record.stored,
        }
    }
}

impl Store {
    /// The messages from this number on, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn inbox(&self, from: u64) -> Result<Vec<Incoming>, StoreError> {
        self.vault.read(|tx| inbox(tx, from))
    }

    /// The messages from this number on, oldest first, at most so many; all of them or the unread
    /// ones alone.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn inbox_page(
        &self,
        from: u64,
        limit: usize,
        unread: bool,
    ) -> Result<Vec<Incoming>, StoreError> {
        self.vault.read(|tx| {
            if unread {
                let numbers = numbers::list(tx, UNREAD, from, limit)?.into_iter();
                return numbers.map(|number| by_number(tx, number)).collect();
            }
            let mut page = Vec::new();
            for record in tx.entries(INBOX, from)?.take(limit) {
                let (number, record) = record?;
                page.push(incoming(tx, number, &record)?);
            }
            Ok(page)
        })
    }

    /// Count of the messages that their reader has not acknowledged.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn unread(&self) -> Result<u64, StoreError> {
        self.vault.read(|tx| numbers::count(tx, UNREAD))
    }

    /// A message and its content.
    ///
    /// # Errors
    /// There is no message with this number.
    pub fn read(&self, number: u64) -> Result<(Incoming, Content), StoreError> {
        self.vault.read(|tx| {
            let incoming = by_number(tx, number)?;
            let content = Content::decode(&incoming.body.read(tx)?);
            Ok((incoming, content))
        })
    }

    /// Notes that the reader has these messages: they may be forgotten when they have stayed for as
    /// long as messages are kept, counted from now. Gives the numbers of which there is no message, as
    /// when one was forgotten since: whoever says the same once more is not held up by that.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn acknowledge(&self, numbers: &[u64], now: Duration) -> Result<Vec<u64>, StoreError> {
        self.vault.write(|tx| {
            let mut gone = Vec::new();
            for number in numbers {
                let mut incoming = match by_number(tx, *number) {
                    Ok(incoming) if incoming.read.is_none() => incoming,
                    Ok(_) => continue,
                    Err(StoreError::Number(_)) => {
                        gone.push(*number);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                incoming.read = Some(now);
                tx.replace(INBOX, *number, &encode(&incoming.record())?)?;
                numbers::remove(tx, UNREAD, *number)?;
                quota::read(tx, incoming.from, incoming.stored)?;
                due::ended(tx, Ended::Read(*number), now)?;
            }
            Ok(gone)
        })
    }
}

/// Puts a message for the reader into the inbox; none if it came before. One that cannot be shown is
/// there too: its sender hears that it was delivered. The body stays where it came to lie.
pub(super) fn take_content(
    tx: &mut WriteTx<'_>,
    from: KeyId,
    id: MessageId,
    Whole { minutes, bytes, body }: &Whole,
    now: Duration,
) -> Result<Option<Incoming>, StoreError> {
    if due::seen(tx, from, id)? {
        if let Some(body) = body {
            body.forget(tx)?;
        }
        return Ok(None);
    }
    due::saw(tx, from, id, now)?;
    let known = contact::by_key(tx, from)?;
    let verified = known.as_ref().is_some_and(|known| known.verified);
    let name = known.map(|known| known.name);
    let mut incoming = Incoming {
        number: 0,
        id,
        from,
        name: name.unwrap_or_default(),
        written: Duration::from_secs(60) * *minutes,
        arrived: now,
        file: None,
        len: 0,
        read: None,
        verified,
        unreadable: Some(Unreadable::Incomplete),
        kinds: KINDS,
        body: body.unwrap_or_else(Body::new),
        stored: if body.is_some() { *bytes } else { 0 },
    };
    if let Some(body) = body {
        incoming.describe(&body.read(tx)?);
    }
    incoming.number = tx.append(INBOX, &encode(&incoming.record())?)?;
    numbers::insert(tx, UNREAD, incoming.number)?;
    quota::came(tx, from, incoming.stored)?;
    Ok(Some(incoming))
}

/// Forgets a message; gives the pieces that it had.
pub(super) fn forget(tx: &mut WriteTx<'_>, number: u64) -> Result<u32, StoreError> {
    let Some(record) = tx.entry(INBOX, number)? else { return Ok(0) };
    let body = Incoming::of(number, decode(&record)?).body;
    body.forget(tx)?;
    tx.remove_entry(INBOX, number)?;
    Ok(body.pieces)
}

fn inbox(tx: &ReadTx<'_>, from: u64) -> Result<Vec<Incoming>, StoreError> {
    let mut inbox = Vec::new();
    for record in tx.entries(INBOX, from)? {
        let (number, record) = record?;
        inbox.push(incoming(tx, number, &record)?);
    }
    Ok(inbox)
}

fn by_number(tx: &ReadTx<'_>, number: u64) -> Result<Incoming, StoreError> {
    let record = tx.entry(INBOX, number)?.ok_or(StoreError::Number(number))?;
    incoming(tx, number, &record)
}

/// Message of a record. Of one whose kind an older program did not know it is looked whether this one
/// knows it; not of others, for their bodies may be long.
fn incoming(tx: &ReadTx<'_>, number: u64, record: &[u8]) -> Result<Incoming, StoreError> {
    let mut incoming = Incoming::of(number, decode(record)?);
    if incoming.unreadable == Some(Unreadable::UnknownKind) && incoming.kinds < KINDS {
        incoming.describe(&incoming.body.read(tx)?);
    }
    Ok(incoming)
}

pub(super) const TABLES: [KeyedTable; 1] = [UNREAD];
pub(super) const INBOX: OrderedTable = OrderedTable::new("inbox");
/// Numbers of messages that their reader has not acknowledged.
const UNREAD: KeyedTable = KeyedTable::new("unread");
