//! The inbox: messages that have come.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rohrpost_packet::envelope::{EnvelopeMark, Fragment, KeyId, Kind, MessageId};
use rohrpost_proto::courier::{Complete, Memory, Part};
use rohrpost_proto::time::Time;
use rohrpost_vault::{KeyedTable, OrderedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::contact::KnownContact;
use super::due::{self, Ended};
use super::error::StoreError;
use super::exchange;
use super::file::Store;
use super::fragments::{self, Assembled};
use super::outbox::Outgoing;
use super::record::{Hex, decode, encode};
use super::{address_versions, announcements, contact, numbers, opened, outbox, told};
use crate::address::Address;
use crate::content::Content;
use crate::session::{Correspondent, Resumption};

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
        }
    }

    /// Notes what the message holds.
    fn describe(&mut self, content: &Content) {
        self.file = content.name().map(str::to_owned);
        self.len = u64::try_from(content.bytes().len()).unwrap_or(u64::MAX);
        let unknown = matches!(content, Content::Unknown(_));
        self.unreadable = unknown.then_some(Unreadable::UnknownKind);
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
        }
    }
}

/// A complete message, by its kind.
pub enum Completed {
    /// The message is for the reader.
    Message(Incoming),
    /// The message tells a contact's newest address.
    Address(Box<Address>),
}

/// End of what has come from a contact, beside the messages that are told of.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Number before which every message is over.
    pub below: u64,
    /// Number before which the contact knows what has come.
    pub floor: u64,
}

impl Store {
    /// Stores fragments that have come, and sender and mark of all letters that were opened, with
    /// these fragments or with others that were stored before: their senders are owed an
    /// acknowledgement. When this returns, all that is on the disk, by one transaction. A fragment
    /// from someone who is no contact any more, or is blocked, is not stored.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn store_letters<'l>(
        &self,
        fragments: impl IntoIterator<Item = (KeyId, &'l Fragment)>,
        letters: impl IntoIterator<Item = (KeyId, EnvelopeMark)>,
    ) -> Result<(), StoreError> {
        let (senders, marks): (BTreeSet<_>, Vec<_>) = letters.into_iter().unzip();
        self.vault.write(|tx| {
            opened::remember(tx, marks)?;
            for sender in senders {
                owe(tx, sender, true)?;
            }
            let mut welcome = BTreeMap::new();
            for (sender, fragment) in fragments {
                if let Entry::Vacant(new) = welcome.entry(sender) {
                    new.insert(exchange::with(tx, sender)?.is_some_and(|with| !with.blocked));
                }
                if welcome[&sender] {
                    fragments::store(tx, sender, fragment)?;
                }
            }
            Ok(())
        })
    }

    /// Notes that the acknowledgement of all that has come from a contact has left.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn acknowledgement_sent(&self, to: KeyId) -> Result<(), StoreError> {
        self.vault.write(|tx| owe(tx, to, false))
    }

    /// Takes note, in one step, of complete messages and of all that is over by them. A message
    /// that came before, in another incarnation of its sender, does not come again.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn complete(
        &self,
        sender: KeyId,
        messages: &[Complete],
        Bounds { below, floor }: Bounds,
        now: Duration,
    ) -> Result<Vec<Completed>, StoreError> {
        self.vault.write(|tx| {
            let mut completed = Vec::new();
            for complete in messages {
                completed.extend(take(tx, sender, complete, now)?);
            }
            if let Some(mut with) = exchange::with(tx, sender)? {
                with.below = below;
                exchange::put(tx, sender, &with)?;
                let content = messages.iter().filter(|complete| complete.kind == Kind::Content);
                let named = content.map(|complete| (complete.sequence, complete.message));
                told::remember(tx, sender, named, floor)?;
            }
            fragments::drop_below(tx, sender, Kind::Content, below)?;
            Ok(completed)
        })
    }

    /// All that a session goes on with: the contacts, and the marks of letters that were opened.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn resumption(&self) -> Result<Resumption, StoreError> {
        let opened = self.vault.read(opened::all)?;
        Ok(Resumption { contacts: self.correspondents()?, opened })
    }

    /// The contacts as a session takes them, each with what is in the store of its unfinished
    /// messages. Blocked contacts are not among them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn correspondents(&self) -> Result<Vec<Correspondent>, StoreError> {
        self.vault.read(|tx| {
            let (outbox, newest) = (outbox::open(tx)?, address_versions::version(tx)?);
            let mut parts: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for (sender, part) in fragments::parts(tx)? {
                parts.entry(sender).or_default().push(part);
            }
            let mut correspondents = Vec::new();
            for known in contact::contacts(tx)?.into_iter().filter(|known| !known.blocked()) {
                let parts = parts.remove(&known.key()).unwrap_or_default();
                correspondents.push(correspondent(tx, known, &outbox, parts, newest)?);
            }
            Ok(correspondents)
        })
    }

    /// One contact as a session takes it; none if there is none, or it is blocked.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn correspondent(&self, key: KeyId) -> Result<Option<Correspondent>, StoreError> {
        self.vault.read(|tx| {
            let Some(known) = contact::by_key(tx, key)?.filter(|known| !known.blocked()) else {
                return Ok(None);
            };
            let parts = fragments::parts_of(tx, key)?;
            let newest = address_versions::version(tx)?;
            correspondent(tx, known, &outbox::open(tx)?, parts, newest).map(Some)
        })
    }

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
            Ok((incoming, content(tx, number)?))
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
                due::ended(tx, Ended::Read(*number), now)?;
            }
            Ok(gone)
        })
    }
}

/// A contact with what there is of its unfinished messages.
fn correspondent(
    tx: &ReadTx<'_>,
    known: KnownContact,
    outbox: &[Outgoing],
    mut parts: Vec<Part>,
    newest: u64,
) -> Result<Correspondent, StoreError> {
    let due = announcements::is_due(&known.exchange, newest);
    parts.sort_by_key(|part| (part.sequence, part.position.index));
    Ok(Correspondent {
        memory: Memory {
            since: known.exchange.since,
            below: known.exchange.below,
            told: told::of(tx, known.key())?,
            address: known.address.version,
            heard: Some(Time::from_micros(0) + known.heard()),
            acknowledged: known.exchange.acknowledged(),
            parts,
            owes: known.exchange.owes,
        },
        open: outbox::first_open(outbox, &known),
        next: known.exchange.next,
        announcement: due.then(|| announcements::newest(tx)).transpose()?,
        contact: known.address.contact,
    })
}

/// Notes whether a contact is owed an acknowledgement.
fn owe(tx: &mut WriteTx<'_>, to: KeyId, owes: bool) -> Result<(), StoreError> {
    match exchange::with(tx, to)?.filter(|with| with.owes != owes) {
        Some(mut with) => {
            with.owes = owes;
            exchange::put(tx, to, &with)
        }
        None => Ok(()),
    }
}

/// Moves a complete message to where it belongs.
fn take(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    complete: &Complete,
    now: Duration,
) -> Result<Option<Completed>, StoreError> {
    let Some(assembled) = fragments::assemble(tx, sender, complete)? else {
        return Ok(None);
    };
    match complete.kind {
        Kind::Address => {
            fragments::drop_below(tx, sender, Kind::Address, complete.sequence + 1)?;
            let address = assembled.body.as_ref().and_then(|body| Address::decode(body).ok());
            let Some(address) = address else {
                return Ok(None);
            };
            let newer = address_versions::take(tx, sender, address)?;
            Ok(newer.map(Box::new).map(Completed::Address))
        }
        Kind::Content => {
            fragments::forget(tx, sender, complete)?;
            let incoming = take_content(tx, sender, complete.message, &assembled, now)?;
            Ok(incoming.map(Completed::Message))
        }
        Kind::Acknowledgement | Kind::Loop => Ok(None),
    }
}

/// Puts a message for the reader into the inbox; none if it came before. One that cannot be shown is
/// there too: its sender hears that it was delivered.
fn take_content(
    tx: &mut WriteTx<'_>,
    from: KeyId,
    id: MessageId,
    Assembled { minutes, body }: &Assembled,
    now: Duration,
) -> Result<Option<Incoming>, StoreError> {
    if due::seen(tx, id)? {
        return Ok(None);
    }
    due::saw(tx, id, now)?;
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
    };
    if let Some(body) = body {
        incoming.describe(&Content::decode(body));
    }
    incoming.number = tx.append(INBOX, &encode(&incoming.record())?)?;
    numbers::insert(tx, UNREAD, incoming.number)?;
    let body = body.as_ref().map_or(&[][..], |body| body);
    tx.put(BODIES, &incoming.number.to_be_bytes(), body)?;
    Ok(Some(incoming))
}

/// Forgets a message.
pub(super) fn forget(tx: &mut WriteTx<'_>, number: u64) -> Result<(), StoreError> {
    tx.remove_entry(INBOX, number)?;
    tx.remove(BODIES, &number.to_be_bytes())?;
    Ok(())
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

/// Message of a record. Of one whose kind was not known it is looked whether this program knows it.
fn incoming(tx: &ReadTx<'_>, number: u64, record: &[u8]) -> Result<Incoming, StoreError> {
    let mut incoming = Incoming::of(number, decode(record)?);
    if incoming.unreadable == Some(Unreadable::UnknownKind) {
        incoming.describe(&content(tx, number)?);
    }
    Ok(incoming)
}

fn content(tx: &ReadTx<'_>, number: u64) -> Result<Content, StoreError> {
    let body = tx.get(BODIES, &number.to_be_bytes())?.ok_or(StoreError::Record)?;
    Ok(Content::decode(&body))
}

pub(super) const TABLES: [KeyedTable; 2] = [BODIES, UNREAD];
pub(super) const INBOX: OrderedTable = OrderedTable::new("inbox");
const BODIES: KeyedTable = KeyedTable::new("inbox bodies");
/// Numbers of messages that their reader has not acknowledged.
const UNREAD: KeyedTable = KeyedTable::new("unread");
