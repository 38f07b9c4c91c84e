//! A message of the outbox, and its record.

use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, Kind, MessageId};
use rohrpost_proto::courier::{Body, Message, PastFlights};
use rohrpost_proto::time::Time;
use serde::{Deserialize, Serialize};

use super::super::record::Hex;
use super::super::status::DeliveryStatus;
use super::bodies::BodyId;
use crate::content::HEAD_LEN;

/// A message that was accepted.
#[derive(Clone)]
pub struct Outgoing {
    /// Id that names the message.
    pub id: MessageId,
    /// Identity of the recipient.
    pub to: KeyId,
    /// Number among the messages to the recipient.
    pub(crate) sequence: u64,
    /// Number among all messages that were accepted: clocks may go back, this does not.
    pub order: u64,
    /// Name of the file, if the message is one.
    pub name: Option<String>,
    /// Bytes of text or file.
    pub len: u64,
    /// Time of acceptance, since the Unix epoch.
    pub accepted: Duration,
    /// Time at which the message is given up, since the Unix epoch.
    pub expires: Duration,
    /// Status of the message.
    pub status: DeliveryStatus,
    /// Time since which the message has this status, since the Unix epoch.
    pub since: Duration,
    /// True if a program that may do nothing but send and receive gave the message.
    pub program: bool,
    /// False if nothing but the machine's clock said when the message was accepted.
    pub(super) dated: bool,
    /// Id of the body in the store.
    pub(super) body: BodyId,
    /// Hash of the content, by which the same message is known when it is given once more.
    pub(super) digest: Hex<32>,
    /// Time at which the message left last, by the machine's clock.
    pub(super) left: Duration,
    /// Number of times in a row that the whole message has left without a sign of life from its
    /// recipient.
    pub(super) times: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutgoingRecord {
    version: u32,
    id: Hex<16>,
    to: Hex<32>,
    sequence: u64,
    order: u64,
    name: Option<String>,
    len: u64,
    accepted: u64,
    expires: u64,
    status: DeliveryStatus,
    since: u64,
    program: bool,
    dated: bool,
    body: Hex<16>,
    digest: Hex<32>,
    left: u64,
    times: u32,
}

impl Outgoing {
    pub(super) fn record(&self) -> OutgoingRecord {
        OutgoingRecord {
            version: 1,
            id: Hex(*self.id.as_bytes()),
            to: Hex(*self.to.as_bytes()),
            sequence: self.sequence,
            order: self.order,
            name: self.name.clone(),
            len: self.len,
            accepted: self.accepted.as_secs(),
            expires: self.expires.as_secs(),
            status: self.status,
            since: self.since.as_secs(),
            program: self.program,
            dated: self.dated,
            body: Hex(*self.body.as_bytes()),
            digest: self.digest.clone(),
            left: self.left.as_secs(),
            times: self.times,
        }
    }

    pub(super) fn of(record: OutgoingRecord) -> Self {
        Self {
            id: MessageId::new(record.id.0),
            to: KeyId::new(record.to.0),
            sequence: record.sequence,
            order: record.order,
            name: record.name,
            len: record.len,
            accepted: Duration::from_secs(record.accepted),
            expires: Duration::from_secs(record.expires),
            status: record.status,
            since: Duration::from_secs(record.since),
            program: record.program,
            dated: record.dated,
            body: BodyId::new(record.body.0),
            digest: record.digest,
            left: Duration::from_secs(record.left),
            times: record.times,
        }
    }

    /// Has the message's life begin at this date, the first that anything has shown since it was
    /// accepted. The time of writing stays if that was before it, by `longest` at most.
    pub(super) fn date(&mut self, date: Duration, longest: Duration) {
        let life = self.expires.saturating_sub(self.accepted);
        let can_be = self.accepted <= date && date - self.accepted <= longest;
        if !can_be {
            (self.accepted, self.since) = (date, date);
        }
        (self.expires, self.dated) = (date.saturating_add(life), true);
    }

    /// Bytes of the message's body: the text or file, and its head.
    #[must_use]
    pub fn body_len(&self) -> u64 {
        let name = self.name.as_ref().map_or(0, String::len);
        self.len + u64::try_from(HEAD_LEN + name).unwrap_or(0)
    }

    /// The message as the courier takes it, with how it left in former runs.
    pub(super) fn message(&self, body: Body, left: PastFlights) -> Message {
        Message {
            id: self.id,
            kind: Kind::Content,
            sequence: self.sequence,
            minutes: u32::try_from(self.accepted.as_secs() / 60).unwrap_or(u32::MAX),
            expires: if self.dated { Time::from_micros(0) + self.expires } else { Time::LATEST },
            left: (self.status == DeliveryStatus::Sent).then_some(left),
            body,
        }
    }
}
