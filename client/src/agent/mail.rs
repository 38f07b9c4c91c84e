//! Mail that comes and goes: from the session to the disk, and back.

use rohrpost_network::unix_now;
use rohrpost_packet::envelope::{Fragment, KeyId, MessageId};
use rohrpost_proto::courier::{self, Complete, Event};

use super::listing::incoming as listed;
use super::task::AgentTask;
use crate::api::Notice;
use crate::session::{PostError, SessionEvent};
use crate::store::{Completed, DeliveryStatus, Store, StoreError};

impl AgentTask {
    /// Takes the events of mail. What cannot be written is not acknowledged: its senders send it
    /// again.
    pub(super) async fn take_mail(&mut self, events: Vec<SessionEvent>) {
        let mut arrived: Vec<(KeyId, Box<Fragment>)> = Vec::new();
        let mut receipts = Vec::new();
        let mut later = Vec::new();
        for event in events {
            let SessionEvent::Courier(event) = event else { continue };
            receipts.extend(event.receipt().copied());
            match event {
                Event::Arrived { fragment, receipt, .. } => {
                    arrived.push((receipt.sender, fragment))
                }
                Event::Repeated { .. } => {}
                event => later.push(event),
            }
        }
        if !receipts.is_empty() {
            let fragments = arrived.iter().map(|(sender, fragment)| (*sender, &**fragment));
            let marks = receipts.iter().map(|receipt| receipt.mark);
            match self.store.with(|store| store.store_letters(fragments, marks)) {
                Ok(()) => {
                    for receipt in receipts {
                        self.session.commit(receipt).await;
                    }
                }
                Err(error) => self.watch.store_trouble(&error),
            }
        }
        for event in later {
            if let Err(error) = self.take_event(event).await {
                self.watch.store_trouble(&error);
            }
        }
    }

    async fn take_event(&mut self, event: Event) -> Result<(), StoreError> {
        match event {
            Event::Complete { sender, messages, below } => {
                self.complete(sender, &messages, below).await
            }
            Event::Sent { message, again: 0, .. } => self.left(message),
            Event::Delivered { message } => self.settle(message, DeliveryStatus::Delivered),
            Event::Expired { message } => self.settle(message, DeliveryStatus::Expired),
            Event::Unsendable { message } => self.settle(message, DeliveryStatus::Undeliverable),
            _ => Ok(()),
        }
    }

    async fn complete(
        &mut self,
        sender: KeyId,
        messages: &[Complete],
        below: u64,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let told = self.store.with(|store| store.complete(sender, messages, below, now))?;
        for completed in told {
            match completed {
                Completed::Message(incoming) => {
                    self.notify(Notice::Arrived(listed(&incoming)));
                }
                Completed::Address { address, anew } => {
                    if anew {
                        self.restart_contact(sender).await?;
                    } else {
                        self.session.add_contact(address.contact.into()).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Begins anew with a contact that counts anew: the session forgets what was for it, and gets
    /// it under new numbers.
    async fn restart_contact(&mut self, key: KeyId) -> Result<(), StoreError> {
        let mut all = self.store.with(Store::correspondents)?.into_iter();
        let found = all.find(|other| other.contact.identity.key_id() == key);
        self.session.remove_contact(key).await;
        if let Some(contact) = found {
            self.session.add_contact(contact).await;
        }
        self.progress.forget(&self.store.with(Store::outbox)?, key);
        Ok(())
    }

    /// Takes note that a fragment of a message has left for the first time.
    fn left(&mut self, id: MessageId) -> Result<(), StoreError> {
        let left = self.progress.leave(id);
        let Some(outgoing) = self.store.with(|store| store.outgoing(id))? else {
            return Ok(());
        };
        if left == self.progress.fragments(&outgoing) && outgoing.status == DeliveryStatus::Queued {
            // When it leaves again is counted by the own clock.
            self.store.with(|store| store.settle(id, DeliveryStatus::Sent, unix_now()))?;
        }
        self.notify_outgoing(id)
    }

    fn settle(&mut self, id: MessageId, status: DeliveryStatus) -> Result<(), StoreError> {
        let now = self.now();
        self.store.with(|store| store.settle(id, status, now))?;
        self.progress.made_room();
        // After its expiry a message's tombstone is still on its way.
        if status != DeliveryStatus::Expired {
            self.progress.over(id);
        }
        self.notify_outgoing(id)
    }

    fn notify_outgoing(&self, id: MessageId) -> Result<(), StoreError> {
        if self.notices.receiver_count() == 0 {
            return Ok(());
        }
        let outgoing = self.store.with(|store| store.outgoing(id))?;
        if let Some(outgoing) = outgoing.filter(|outgoing| outgoing.is_content()) {
            let name = self.store.with(|store| store.name_of(outgoing.to))?;
            self.notify(Notice::Outgoing(self.progress.describe(&outgoing, name)));
        }
        Ok(())
    }

    /// Gives the session what waits, as far as it has room.
    pub(super) async fn post_waiting(&mut self) {
        while self.online
            && let Some((to, id)) = self.progress.next()
        {
            let message = match self.store.with(|store| store.message(id)) {
                Ok(Some(message)) => message,
                Ok(None) => {
                    self.progress.posted();
                    continue;
                }
                Err(error) => return self.watch.store_trouble(&error),
            };
            match self.session.post(to, message).await {
                Err(PostError::NotConnected | PostError::Refused(courier::PostError::Full)) => {
                    return self.progress.refused();
                }
                Ok(()) => self.progress.posted(),
                Err(_) => {
                    self.progress.posted();
                    if let Err(error) = self.settle(id, DeliveryStatus::Undeliverable) {
                        self.watch.store_trouble(&error);
                    }
                }
            }
        }
    }
}
