//! Signs of life of contacts.

use std::collections::BTreeSet;

use rohrpost_packet::envelope::{KeyId, MessageId};

use super::task::AgentTask;
use crate::store::StoreError;

impl AgentTask {
    /// Notes a sign of life of contacts.
    pub(super) fn hear(&mut self, senders: &BTreeSet<KeyId>) -> Result<(), StoreError> {
        let now = self.clocks.machine();
        self.store.with(|store| store.hear(senders, now))
    }

    /// Notes a sign of life of the contact that has acknowledged a message.
    pub(super) fn hear_recipient(&mut self, id: MessageId) -> Result<(), StoreError> {
        match self.store.with(|store| store.outgoing(id))? {
            Some(outgoing) => self.hear(&BTreeSet::from([outgoing.to])),
            None => Ok(()),
        }
    }
}
