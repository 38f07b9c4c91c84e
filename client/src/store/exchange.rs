//! What is exchanged with a contact: numbers of messages, versions of addresses, signs of life. It
//! changes with every letter, so it is a small record of its own beside the contact's.

use std::time::Duration;

use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::{Acknowledged, PastFlights};
use rohrpost_proto::time::Time;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::record::{decode, encode};

/// State of the exchange with a contact.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    /// True if nothing goes to the contact and nothing is taken from it.
    pub(super) blocked: bool,
    /// Time of the last sign of life, in Unix seconds, to the hour; of the contact's addition before
    /// the first.
    pub(super) heard: u64,
    /// True once there was a sign of life.
    pub(super) heard_once: bool,
    /// Number before which every message of the contact is over.
    pub(super) below: u64,
    /// Number of the next message to the contact.
    pub(super) next: u64,
    /// Number that the contact has given to two messages, from an older copy of its store.
    pub(super) disputed: Option<u64>,
    /// Incarnation since which this side counts the contact's messages. Every acknowledgement says
    /// so; a change has the contact send again whatever is open.
    pub(super) since: u32,
    /// Version of the newest own address that the contact has acknowledged; zero if it has none.
    pub(super) told: u64,
    /// Time at which an own address left last for the contact, in Unix seconds, and how many times
    /// in a row without a sign of life.
    pub(super) announced: Option<(u64, u32)>,
    /// Version of the newest own address of which the contact may be told; of later ones it is not
    /// to hear yet.
    pub(super) telling: u64,
    /// Number in the list of those who have none of the own addresses, while the contact is one.
    pub(super) without: Option<u64>,
    /// Number after the highest of the messages to the contact that it has acknowledged.
    pub(super) acknowledged: u64,
    /// Which of those before it have come whole, the nearest in the lowest bit.
    pub(super) whole: u128,
    /// Incarnation in which the contact has counted those; zero before its first acknowledgement.
    pub(super) counted_since: u32,
    /// True if letters of the contact have come since the last acknowledgement to it left.
    pub(super) owes: bool,
}

impl Exchange {
    /// Time of the last sign of life, since the Unix epoch.
    pub(super) const fn heard(&self) -> Duration {
        Duration::from_secs(self.heard)
    }

    /// How an own address has left for the contact in former runs.
    pub(super) fn announced(&self) -> Option<PastFlights> {
        let (last, times) = self.announced?;
        Some(self.past_flights(Duration::from_secs(last), times))
    }

    /// How something has left for the contact in former runs: at `last` for the last time, and so many
    /// times in a row without a sign of life. One that came since begins the row anew.
    pub(super) fn past_flights(&self, last: Duration, times: u32) -> PastFlights {
        let times = if self.heard() > last { 0 } else { times };
        PastFlights { last: Time::from_micros(0) + last, times }
    }

    /// What the contact has acknowledged.
    pub(super) const fn acknowledged(&self) -> Acknowledged {
        Acknowledged { below: self.acknowledged, whole: self.whole, since: self.counted_since }
    }
}

/// The exchange with a contact; none if it is no contact.
pub(super) fn with(tx: &ReadTx<'_>, key: KeyId) -> Result<Option<Exchange>, StoreError> {
    tx.get(EXCHANGES, key.as_bytes())?.map(|record| decode(&record)).transpose()
}

pub(super) fn put(tx: &mut WriteTx<'_>, key: KeyId, exchange: &Exchange) -> Result<(), StoreError> {
    if tx.contains(OWED, key.as_bytes())? != exchange.owes {
        match exchange.owes {
            true => tx.put(OWED, key.as_bytes(), &[])?,
            false => drop(tx.remove(OWED, key.as_bytes())?),
        }
    }
    Ok(tx.put(EXCHANGES, key.as_bytes(), &encode(exchange)?)?)
}

pub(super) fn remove(tx: &mut WriteTx<'_>, key: KeyId) -> Result<(), StoreError> {
    tx.remove(EXCHANGES, key.as_bytes())?;
    tx.remove(OWED, key.as_bytes())?;
    Ok(())
}

/// Count of the contacts that are owed an acknowledgement.
pub(super) fn owed(tx: &ReadTx<'_>) -> u64 {
    tx.count(OWED)
}

pub(super) const TABLES: [KeyedTable; 2] = [EXCHANGES, OWED];
const EXCHANGES: KeyedTable = KeyedTable::new("exchanges");
/// Key ids of the contacts that are owed an acknowledgement.
const OWED: KeyedTable = KeyedTable::new("owed contacts");
