//! The outbox: messages that were accepted, each with its status.

pub(super) mod bodies;
mod outgoing;
mod tally;

use std::collections::HashMap;
use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_proto::courier::{Body, MESSAGE_BYTES, Message, first_number};
use rohrpost_proto::mailbox::TTL;
use rohrpost_vault::{KeyedTable, OrderedTable, ReadTx, WriteTx};
use zeroize::Zeroizing;

use super::contact::{self, KnownContact};
use super::due::{self, Ended};
use super::error::StoreError;
use super::exchange::{self, Exchange};
use super::file::Store;
use super::record::{Hex, decode, encode};
use super::status::DeliveryStatus;
use super::{silence, undelivered};
use crate::content::{Content, HEAD_LEN};
use crate::randomness;
use bodies::{BodyWriter, StoredBody};

pub use bodies::BodyId;
pub use outgoing::Outgoing;
pub use tally::Tally;

/// What is said with a message that is to be accepted.
#[derive(Clone, Copy)]
pub struct Terms {
    /// Time after which the message is given up.
    pub lifetime: Duration,
    /// Id for the message; drawn if there is none.
    pub id: Option<MessageId>,
    /// True if a program that may do nothing but send and receive gives the message.
    pub program: bool,
    /// False if nothing but the machine's clock says when this is, which may be wrong: the message's
    /// life begins when a link has shown the date ([`Store::date_outbox`]).
    pub dated: bool,
}

/// A message that was accepted.
pub enum Accepted {
    /// The message was accepted now.
    Now(Outgoing),
    /// The message was accepted before, under the same id.
    Before(Outgoing),
}

impl Store {
    /// Accepts a message for a contact. When this returns, the message is on the disk.
    ///
    /// # Errors
    /// There is no such contact, it is blocked, or the message or its life too long.
    pub fn accept(
        &self,
        to: &str,
        content: &Content,
        lifetime: Duration,
        now: Duration,
    ) -> Result<Outgoing, StoreError> {
        let terms = Terms { lifetime, id: None, program: false, dated: true };
        match self.accept_on(to, content, terms, now)? {
            Accepted::Now(outgoing) | Accepted::Before(outgoing) => Ok(outgoing),
        }
    }

    /// Accepts a message for a contact, under the id that its sender has chosen. When this returns,
    /// the message is on the disk, once: a message of this id that was accepted before is given, if
    /// it was the same for the same contact, whatever has become of both since.
    ///
    /// # Errors
    /// There is no such contact, it is blocked, the message or its life is too long, or another was
    /// accepted under its id.
    pub fn accept_on(
        &self,
        to: &str,
        content: &Content,
        terms: Terms,
        now: Duration,
    ) -> Result<Accepted, StoreError> {
        let (head, len) = (content.head(), content.bytes().len());
        let limit = MESSAGE_BYTES - head.len();
        if len > limit {
            return Err(StoreError::TooLong { len, limit });
        }
        let digest = blake3::Hasher::new().update(&head).update(content.bytes()).finalize();
        if let Some(before) = self.accepted_before(to, terms, &Hex(*digest.as_bytes()))? {
            return Ok(Accepted::Before(before));
        }
        self.vault.write(|tx| {
            let contact = contact::named(tx, to)?;
            let mut body = BodyWriter::new(&head);
            body.push(tx, content.bytes())?;
            let body = body.end(tx)?;
            accept(tx, contact, (content.name(), body), terms, now).map(Accepted::Now)
        })
    }

    /// The message that was accepted before on these terms, if it was the same for the same contact.
    pub(super) fn accepted_before(
        &self,
        to: &str,
        terms: Terms,
        digest: &Hex<32>,
    ) -> Result<Option<Outgoing>, StoreError> {
        if terms.lifetime > LONGEST_LIFE {
            return Err(StoreError::LongLife { limit: LONGEST_LIFE });
        }
        let Some(id) = terms.id else { return Ok(None) };
        let Some(before) = self.outgoing(id)? else { return Ok(None) };
        let same_contact = match self.contact(to) {
            Ok(contact) => contact.key() == before.to,
            Err(StoreError::Unknown(_)) => true,
            Err(error) => return Err(error),
        };
        if before.digest == *digest && same_contact {
            return Ok(Some(before));
        }
        Err(StoreError::IdTaken(name(id)))
    }

    /// Dates the messages that were accepted before anything had shown the date: their lives begin now.
    /// What the machine's clock said when they were written is kept if it can be true.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn date_outbox(&self, date: Duration) -> Result<(), StoreError> {
        let undated = |one: &Outgoing| !one.dated;
        if !self.vault.read(open)?.iter().any(undated) {
            return Ok(());
        }
        self.vault.write(|tx| {
            for mut outgoing in open(tx)?.into_iter().filter(undated) {
                outgoing.date(date, LONGEST_LIFE);
                put(tx, &outgoing)?;
            }
            Ok(())
        })
    }

    /// All messages that were accepted and are not forgotten, in the order of acceptance.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn outbox(&self) -> Result<Vec<Outgoing>, StoreError> {
        self.vault.read(|tx| page(tx, 0, usize::MAX))
    }

    /// The messages with which the courier has to do, in the order of acceptance.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn outbox_open(&self) -> Result<Vec<Outgoing>, StoreError> {
        self.vault.read(open)
    }

    /// The messages that were accepted from this number on, in their order, at most so many.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn outbox_page(&self, from: u64, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        self.vault.read(|tx| page(tx, from, limit))
    }

    /// Counts of the messages of the outbox by status.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn tally(&self) -> Result<Tally, StoreError> {
        self.vault.read(|tx| {
            let mut tally = tally::settled(tx)?;
            for one in open(tx)? {
                *tally.of(one.status) += 1;
            }
            Ok(tally)
        })
    }

    /// The accepted message with this id.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn outgoing(&self, id: MessageId) -> Result<Option<Outgoing>, StoreError> {
        self.vault.read(|tx| by_id(tx, id))
    }

    /// An accepted message as the courier takes it; none if the courier has nothing to do with it
    /// any more.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.vault.read(|tx| {
            let outgoing = by_id(tx, id)?.filter(|outgoing| outgoing.status.is_open());
            let Some(outgoing) = outgoing else {
                return Ok(None);
            };
            let len = usize::try_from(outgoing.body_len()).map_err(|_| StoreError::Record)?;
            let body = match len {
                ..=WITH_MESSAGE => Body::With(bodies::read(tx, outgoing.body, 0, len)?),
                _ => Body::Stored(len),
            };
            let Some(with) = exchange::with(tx, outgoing.to)? else {
                return Ok(None);
            };
            let left = with.past_flights(outgoing.left, outgoing.times);
            Ok(Some(outgoing.message(body, left)))
        })
    }

    /// A piece of the body of an accepted message, for the courier; none if the courier has nothing to
    /// do with the message any more.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn piece(
        &self,
        id: MessageId,
        offset: usize,
        len: usize,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.vault.read(|tx| {
            let outgoing = by_id(tx, id)?.filter(|outgoing| outgoing.status.is_open());
            outgoing.map(|outgoing| bodies::read(tx, outgoing.body, offset, len)).transpose()
        })
    }

    /// A message that was accepted, and its text; a file's bytes are given to the courier alone.
    ///
    /// # Errors
    /// There is no message with this id.
    pub fn sent(&self, id: MessageId) -> Result<(Outgoing, Option<Zeroizing<String>>), StoreError> {
        self.vault.read(|tx| {
            let outgoing = by_id(tx, id)?.ok_or_else(|| unknown(id))?;
            if outgoing.name.is_some() {
                return Ok((outgoing, None));
            }
            let len = usize::try_from(outgoing.body_len()).map_err(|_| StoreError::Record)?;
            match Content::decode(&bodies::read(tx, outgoing.body, 0, len)?) {
                Content::Text(text) => Ok((outgoing, Some(text))),
                _ => Err(StoreError::Record),
            }
        })
    }

    /// Gives a message another status. A text stays for as long as its record, for whoever wrote it
    /// to read; of a file that is over, name and length do.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn settle(
        &self,
        id: MessageId,
        status: DeliveryStatus,
        now: Duration,
    ) -> Result<(), StoreError> {
        self.vault.write(|tx| settle(tx, id, status, now))
    }

    /// Takes a message back that is still on its way. Its number is over, as that of one that has
    /// expired: the contact is told not to wait for it.
    ///
    /// # Errors
    /// There is no such message, or it was settled before.
    pub fn cancel(&self, id: MessageId, now: Duration) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            let outgoing = by_id(tx, id)?.ok_or_else(|| unknown(id))?;
            if !outgoing.status.is_open() {
                let (message, status) = (name(id), outgoing.status);
                return Err(StoreError::Settled { message, status });
            }
            settle(tx, id, DeliveryStatus::Cancelled, now)
        })
    }

    /// Notes that all of a message has left, at `now` by the machine's clock, `times` times in a row
    /// without a sign of life from its recipient: a client that is started anew goes on by that.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn left(&self, id: MessageId, times: u32, now: Duration) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            let Some(mut outgoing) = by_id(tx, id)?.filter(|one| one.status.is_open()) else {
                return Ok(());
            };
            if outgoing.status == DeliveryStatus::Queued {
                (outgoing.status, outgoing.since) = (DeliveryStatus::Sent, now);
            }
            (outgoing.left, outgoing.times) = (now, times);
            silence::letter_left(tx, outgoing.to, now)?;
            put(tx, &outgoing)
        })
    }
}

/// Puts a message of this body and name into the outbox.
pub(super) fn accept(
    tx: &mut WriteTx<'_>,
    mut contact: KnownContact,
    (name, body): (Option<&str>, StoredBody),
    Terms { lifetime, id, program, dated }: Terms,
    now: Duration,
) -> Result<Outgoing, StoreError> {
    if contact.blocked() {
        return Err(StoreError::Blocked(contact.name));
    }
    let head = HEAD_LEN + name.map_or(0, str::len);
    let mut outgoing = Outgoing {
        id: id.unwrap_or_else(|| MessageId::random(&mut randomness::rng())),
        to: contact.key(),
        sequence: contact.exchange.next,
        order: 0,
        name: name.map(str::to_owned),
        len: u64::try_from(body.len - head).unwrap_or(u64::MAX),
        accepted: now,
        expires: now.saturating_add(lifetime),
        status: DeliveryStatus::Queued,
        since: now,
        program,
        dated,
        body: body.id,
        digest: body.digest,
        left: Duration::ZERO,
        times: 0,
    };
    contact.exchange.next += 1;
    exchange::put(tx, outgoing.to, &contact.exchange)?;
    outgoing.order = tx.append(ORDER, outgoing.id.as_bytes())?;
    tx.put(OPEN, outgoing.id.as_bytes(), &[])?;
    put(tx, &outgoing)?;
    Ok(outgoing)
}

fn settle(
    tx: &mut WriteTx<'_>,
    id: MessageId,
    status: DeliveryStatus,
    now: Duration,
) -> Result<(), StoreError> {
    let Some(mut outgoing) = by_id(tx, id)?.filter(|outgoing| outgoing.status.is_open()) else {
        return Ok(());
    };
    (outgoing.status, outgoing.since) = (status, now);
    if !status.is_open() {
        if outgoing.name.is_some() {
            bodies::remove(tx, outgoing.body)?;
        }
        tx.remove(OPEN, id.as_bytes())?;
        undelivered::note(tx, id, status)?;
        if status == DeliveryStatus::Delivered {
            silence::end(tx, outgoing.to)?;
        }
        due::ended(tx, Ended::Settled(id), now)?;
        tally::count(tx, status)?;
    }
    put(tx, &outgoing)
}

/// Gives up all that waits for a contact.
pub(super) fn drop_all(tx: &mut WriteTx<'_>, to: KeyId, now: Duration) -> Result<(), StoreError> {
    for outgoing in open(tx)?.into_iter().filter(|outgoing| outgoing.to == to) {
        settle(tx, outgoing.id, DeliveryStatus::Undeliverable, now)?;
    }
    Ok(())
}

/// Forgets a message that was settled.
pub(super) fn forget(tx: &mut WriteTx<'_>, id: MessageId) -> Result<(), StoreError> {
    let Some(outgoing) = by_id(tx, id)?.filter(|outgoing| !outgoing.status.is_open()) else {
        return Ok(());
    };
    undelivered::forget(tx, id)?;
    tx.remove(OUTBOX, id.as_bytes())?;
    bodies::remove(tx, outgoing.body)?;
    tx.remove_entry(ORDER, outgoing.order)?;
    tally::uncount(tx, outgoing.status)
}

fn page(tx: &ReadTx<'_>, from: u64, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
    let mut page = Vec::new();
    for record in tx.entries(ORDER, from)?.take(limit) {
        let id = record?.1.as_slice().try_into().map_err(|_| StoreError::Record)?;
        page.push(by_id(tx, MessageId::new(id))?.ok_or(StoreError::Record)?);
    }
    Ok(page)
}

/// What the courier has to do with, in the order of acceptance.
pub(super) fn open(tx: &ReadTx<'_>) -> Result<Vec<Outgoing>, StoreError> {
    let mut open = Vec::new();
    for record in tx.iter(OPEN)? {
        let id = record?.0.as_slice().try_into().map_err(|_| StoreError::Record)?;
        open.push(by_id(tx, MessageId::new(id))?.ok_or(StoreError::Record)?);
    }
    open.sort_by_key(|outgoing| outgoing.order);
    Ok(open)
}

/// Number of the first message to each contact that is not over, of those that have one.
pub(super) fn first_open(tx: &ReadTx<'_>) -> Result<HashMap<KeyId, u64>, StoreError> {
    let mut first = HashMap::new();
    for Outgoing { to, sequence, .. } in open(tx)? {
        let first = first.entry(to).or_insert(sequence);
        *first = sequence.min(*first);
    }
    Ok(first)
}

/// Begins an incarnation of what is exchanged with a contact, above the last: numbers what waits
/// for it anew, and counts its messages anew.
pub(super) fn renumber(
    tx: &mut WriteTx<'_>,
    to: KeyId,
    mut exchange: Exchange,
    incarnation: u32,
) -> Result<(), StoreError> {
    exchange.since = incarnation.max(exchange.since.saturating_add(1));
    exchange.next = first_number(exchange.since);
    let waits = open(tx)?.into_iter().rev().filter(|one| one.to == to);
    for (number, mut outgoing) in (0..exchange.next).rev().zip(waits) {
        outgoing.sequence = number;
        put(tx, &outgoing)?;
    }
    exchange::put(tx, to, &exchange)
}

fn unknown(id: MessageId) -> StoreError {
    StoreError::Id(name(id))
}

fn name(id: MessageId) -> String {
    data_encoding::HEXLOWER.encode(id.as_bytes())
}

pub(super) fn by_id(tx: &ReadTx<'_>, id: MessageId) -> Result<Option<Outgoing>, StoreError> {
    let record = tx.get(OUTBOX, id.as_bytes())?;
    record.map(|record| Ok(Outgoing::of(decode(&record)?))).transpose()
}

fn put(tx: &mut WriteTx<'_>, outgoing: &Outgoing) -> Result<(), StoreError> {
    let record = encode(&outgoing.record())?;
    Ok(tx.put(OUTBOX, outgoing.id.as_bytes(), &record)?)
}

/// The longest time for which a message is tried, beyond sixty days of leave: its recipient remembers its id for that long, and
/// for a week more in which a letter of it may wait at a mailbox ([`SEEN`](super::SEEN)).
pub(super) const LONGEST_LIFE: Duration = Duration::from_secs(11 * TTL.as_secs());
pub(super) const TABLES: [KeyedTable; 4] = [OUTBOX, bodies::BODIES, OPEN, tally::TALLY];
const OUTBOX: KeyedTable = KeyedTable::new("outbox");
/// Ids of messages in the order of acceptance.
pub(super) const ORDER: OrderedTable = OrderedTable::new("outbox order");
/// Ids of messages with which the courier has to do.
const OPEN: KeyedTable = KeyedTable::new("outbox open");
/// Bytes of a body that the courier is given with its message: most texts, and all that are written in
/// a chat. Others are read in pieces, as they leave.
const WITH_MESSAGE: usize = 1 << 10;
