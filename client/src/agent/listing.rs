//! Messages of the inbox as the local API shows them.

use data_encoding::HEXLOWER;
use rohrpost_packet::envelope::KeyId;

use crate::api::IncomingMessage;
use crate::store::Incoming;

/// The text by which the local API names an identity, whatever the user calls it.
pub(super) fn contact_id(key: KeyId) -> String {
    HEXLOWER.encode(key.as_bytes())
}

pub(super) fn incoming(incoming: &Incoming) -> IncomingMessage {
    IncomingMessage {
        number: incoming.number,
        message: HEXLOWER.encode(incoming.id.as_bytes()),
        from: incoming.name.clone(),
        contact: contact_id(incoming.from),
        written: incoming.written.as_secs(),
        arrived: incoming.arrived.as_secs(),
        file: incoming.file.clone(),
        bytes: incoming.len,
        read: incoming.read.is_some(),
        verified: incoming.verified,
        text: None,
        unreadable: incoming.unreadable,
    }
}
