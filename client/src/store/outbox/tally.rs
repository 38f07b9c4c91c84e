//! Counts of the outbox by status, kept as messages are settled: nobody counts them all.

use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use serde::{Deserialize, Serialize};

use super::super::error::StoreError;
use super::super::record::{decode, encode};
use super::super::status::DeliveryStatus;

/// Counts of the messages of the outbox by status.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Messages that were accepted, and not all of which has left.
    pub queued: u64,
    /// Messages that have left, and which the other client has not acknowledged.
    pub sent: u64,
    /// Messages that the other client has.
    pub delivered: u64,
    /// Messages that were given up because their time was over.
    pub expired: u64,
    /// Messages that were given up: the contact was blocked or removed, or its keys are unusable.
    pub undeliverable: u64,
    /// Messages that were taken back.
    pub cancelled: u64,
}

impl Tally {
    /// The count of this status.
    pub const fn of(&mut self, status: DeliveryStatus) -> &mut u64 {
        match status {
            DeliveryStatus::Queued => &mut self.queued,
            DeliveryStatus::Sent => &mut self.sent,
            DeliveryStatus::Delivered => &mut self.delivered,
            DeliveryStatus::Expired => &mut self.expired,
            DeliveryStatus::Undeliverable => &mut self.undeliverable,
            DeliveryStatus::Cancelled => &mut self.cancelled,
        }
    }
}

/// Counts of the messages that were settled.
pub(super) fn settled(tx: &ReadTx<'_>) -> Result<Tally, StoreError> {
    tx.get(TALLY, TALLY_KEY)?.map_or_else(|| Ok(Tally::default()), |record| decode(&record))
}

/// Counts one message more of a status.
pub(super) fn count(tx: &mut WriteTx<'_>, status: DeliveryStatus) -> Result<(), StoreError> {
    let mut tally = settled(tx)?;
    *tally.of(status) += 1;
    Ok(tx.put(TALLY, TALLY_KEY, &encode(&tally)?)?)
}

/// Counts one message less of a status.
pub(super) fn uncount(tx: &mut WriteTx<'_>, status: DeliveryStatus) -> Result<(), StoreError> {
    let mut tally = settled(tx)?;
    let count = tally.of(status);
    *count = count.saturating_sub(1);
    Ok(tx.put(TALLY, TALLY_KEY, &encode(&tally)?)?)
}

/// Counts of what was settled: one record.
pub(super) const TALLY: KeyedTable = KeyedTable::new("outbox tally");
const TALLY_KEY: &[u8] = b"settled";
