//! Messages that ended without having been delivered, for as long as their sender was not told of
//! it: whoever is away when a message expires hears of it when he is back.

use rohrpost_packet::envelope::MessageId;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::error::StoreError;
use super::status::DeliveryStatus;

/// Ids of the messages, in no order.
pub(super) fn ids(tx: &ReadTx<'_>) -> Result<Vec<MessageId>, StoreError> {
    let mut ids = Vec::new();
    for record in tx.iter(UNDELIVERED)? {
        let id = record?.0.as_slice().try_into().map_err(|_| StoreError::Record)?;
        ids.push(MessageId::new(id));
    }
    Ok(ids)
}

/// Notes the end of a message. Whoever took it back himself knows of it.
pub(super) fn note(
    tx: &mut WriteTx<'_>,
    id: MessageId,
    status: DeliveryStatus,
) -> Result<(), StoreError> {
    if matches!(status, DeliveryStatus::Expired | DeliveryStatus::Undeliverable) {
        tx.put(UNDELIVERED, id.as_bytes(), &[])?;
    }
    Ok(())
}

/// Forgets a message: its sender was told, or its time to stay is over.
pub(super) fn forget(tx: &mut WriteTx<'_>, id: MessageId) -> Result<(), StoreError> {
    tx.remove(UNDELIVERED, id.as_bytes())?;
    Ok(())
}

pub(super) const TABLES: [KeyedTable; 1] = [UNDELIVERED];
/// Ids of messages of whose end their sender was not told.
const UNDELIVERED: KeyedTable = KeyedTable::new("undelivered");
