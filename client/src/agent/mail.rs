//! Mail that comes and goes: from the session to the disk, and back.

use std::collections::btree_map::Entry;
use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_proto::courier::{self, Complete, Event, Twin};
use rohrpost_proto::time::calendar::date;

use super::error::AgentError;
use super::letters::Letter;
use super::listing::incoming as listed;
use super::task::AgentTask;
use crate::api::{ContactChange, Notice};
use crate::session::{Correspondent, PostError, SessionEvent};
use crate::store::{AddressKnown, Bounds, Completed, DeliveryStatus, SHORT, Store, StoreError};

impl AgentTask {
    /// Takes the events of mail. What cannot be written is not acknowledged: its senders send it
    /// again.
    pub(super) async fn take_mail(&mut self, events: Vec<SessionEvent>) {
        let mut later = Vec::new();
        for event in events {
            match event {
                SessionEvent::Courier(Event::Arrived { fragment, receipt, last, .. }) => {
                    let waited_for = last || fragment.position.count <= SHORT;
                    self.take_letter(Letter { receipt, fragment: Some(fragment), waited_for });
                }
                SessionEvent::Courier(Event::Repeated { receipt }) => {
                    self.take_letter(Letter { receipt, fragment: None, waited_for: false });
                }
                SessionEvent::Courier(event) => later.push(event),
                _ => {}
            }
        }
        let committed = self.commit_due_letters().await;
        // An acknowledgement that left before some of these letters came says nothing of them.
        let owed = |event: &Event| match event {
            Event::AcknowledgementSent { to } => committed.contains(to),
            _ => false,
        };
        for event in later.into_iter().filter(|event| !owed(event)) {
            if let Err(error) = self.take_event(event).await {
                self.watch.store_trouble(&error);
            }
        }
    }

    async fn take_event(&mut self, event: Event) -> Result<(), StoreError> {
        match event {
            Event::Complete { sender, messages, below, floor, short } => {
                self.complete(sender, messages, Bounds { below, floor, short }).await
            }
            Event::AcknowledgementSent { to } => {
                self.store.with(|store| store.acknowledgement_sent(to))
            }
            Event::Told { to, version } => self.told(to, version).await,
            Event::Heard { of, ago } => {
                let at = self.clocks.machine().saturating_sub(ago);
                self.store.with(|store| store.hear(of, at))
            }
            Event::Announced { to, version, times } => {
                let now = self.clocks.machine();
                self.store.with(|store| store.announced(to, version, times, now))
            }
            Event::Acknowledged { by, acknowledged } => {
                self.store.with(|store| store.acknowledged(by, acknowledged))
            }
            Event::Disputed { sender, number } => {
                self.store.with(|store| store.disputed(sender, number))
            }
            Event::OlderCopy { contact, heard_of } => self.begin_again(contact, heard_of).await,
            Event::Stranger { identity, fragment } => self.take_stranger(&identity, &fragment),
            Event::Twin(twin) => self.meet(twin),
            Event::Wanted { message, offset, len } => self.supply(message, offset, len).await,
            Event::Sent { message, again: 0, .. } => self.left(message),
            Event::Sent { message, fragment: 0, unanswered, .. } => {
                self.left_again(message, unanswered)
            }
            Event::Delivered { message } => self.settle(message, DeliveryStatus::Delivered),
            Event::Expired { message } => self.settle(message, DeliveryStatus::Expired),
            _ => Ok(()),
        }
    }

    /// Takes note of complete messages, and of those before them that could not be taken note of.
    async fn complete(
        &mut self,
        sender: KeyId,
        messages: Vec<Complete>,
        bounds: Bounds,
    ) -> Result<(), StoreError> {
        match self.untaken.entry(sender) {
            Entry::Vacant(new) => drop(new.insert((messages, bounds))),
            Entry::Occupied(before) => {
                let before = before.into_mut();
                before.0.extend(messages);
                before.1 = bounds;
            }
        }
        self.take_complete(sender).await
    }

    /// Tries once more what could not be taken note of.
    pub(super) async fn take_untaken(&mut self) {
        for sender in self.untaken.keys().copied().collect::<Vec<_>>() {
            if let Err(error) = self.take_complete(sender).await {
                self.watch.store_trouble(&error);
            }
        }
    }

    async fn take_complete(&mut self, sender: KeyId) -> Result<(), StoreError> {
        let (now, untaken) = (self.now(), &self.untaken);
        let Some((messages, bounds)) = untaken.get(&sender) else {
            return Ok(());
        };
        let completed = self.store.with(|store| store.complete(sender, messages, *bounds, now))?;
        self.untaken.remove(&sender);
        if self.room.is_short() {
            self.tell_room();
        }
        for completed in completed {
            match completed {
                Completed::Message(incoming) => {
                    self.notify(Notice::Arrived(listed(&incoming)));
                }
                Completed::Address(address) => {
                    self.session.readdress(address.contact).await;
                    self.notify_contact(sender, ContactChange::Address)?;
                }
            }
        }
        Ok(())
    }

    /// Takes note of the version of the own address that a contact has acknowledged. If there is a
    /// newer one, whose time has come, it is told that; if the contact has a newer one than there
    /// is, this store is an older copy.
    async fn told(&mut self, to: KeyId, version: u64) -> Result<(), StoreError> {
        match self.store.with(|store| store.address_acknowledged(to, version))? {
            AddressKnown::Newest => Ok(()),
            AddressKnown::Older => self.announce(to).await,
            AddressKnown::Newer => {
                let now = self.now();
                if self.store.with(|store| store.surpass_version(version, now))? {
                    self.renew().await;
                }
                self.begin_again(to, 0).await
            }
        }
    }

    /// Tells a contact the newest address, if it is to have it.
    pub(super) async fn announce(&mut self, to: KeyId) -> Result<(), StoreError> {
        if let Some(address) = self.store.with(|store| store.announcement(to))? {
            self.session.announce(to, address).await;
        }
        Ok(())
    }

    /// Begins anew with a contact that knows of more than this store, which is an older copy: the
    /// session forgets what was for it, and gets it under new numbers. Within an hour of another time
    /// it is put off.
    async fn begin_again(&mut self, key: KeyId, heard_of: u32) -> Result<(), StoreError> {
        let now = self.now();
        // Should any of this fail, it is tried again: the session tells of it once.
        let put_off = self.put_off.entry(key).or_default();
        *put_off = heard_of.max(*put_off);
        let heard_of = *put_off;
        if self.store.with(|store| store.began_again_lately(key, now))? {
            return Ok(());
        }
        let name = self.store.with(|store| store.name_of(key))?;
        if name.is_empty() {
            // It was removed meanwhile.
            self.put_off.remove(&key);
            return Ok(());
        }
        // What comes of it after this is counted anew.
        self.commit_letters().await;
        // Others hold prekeys that are lost.
        if self.store.with(|store| store.begin_keys_anew(now))? {
            self.renew().await;
        }
        self.store.with(|store| store.begin_again(key, heard_of, now))?;
        self.watch.older_copy(&name);
        self.session.remove_contact(key).await;
        if let Some(contact) = self.correspondent(key)? {
            self.session.add_contact(contact).await;
        }
        self.progress.forget(&self.store.with(Store::outbox_open)?, key);
        self.put_off.remove(&key);
        Ok(())
    }

    /// Begins anew with those with whom that was put off, if its time has come.
    pub(super) async fn begin_again_with_the_rest(&mut self) {
        for (key, heard_of) in self.put_off.clone() {
            if let Err(error) = self.begin_again(key, heard_of).await {
                self.watch.store_trouble(&error);
            }
        }
    }

    /// Acts on another copy of this client: where it is this one that must not run, it ends.
    fn meet(&mut self, twin: Twin) -> Result<(), StoreError> {
        match twin {
            Twin::Moved { incarnation } => {
                let at = Duration::from_secs(incarnation.into());
                self.ending = Some(AgentError::Moved(date(at)));
                self.store.with(|store| store.note_moved(incarnation))
            }
            Twin::Earlier => {
                self.ending = Some(AgentError::Twin);
                Ok(())
            }
            Twin::Later => {
                self.watch.twin(self.clocks.instant());
                Ok(())
            }
        }
    }

    /// A contact as the session takes it.
    pub(super) fn correspondent(&self, key: KeyId) -> Result<Option<Correspondent>, StoreError> {
        self.store.with(|store| store.correspondent(key))
    }

    /// Takes note that a fragment of a message has left for the first time.
    fn left(&mut self, id: MessageId) -> Result<(), StoreError> {
        let left = self.progress.leave(id);
        let Some(outgoing) = self.store.with(|store| store.outgoing(id))? else {
            return Ok(());
        };
        // When letters leave is counted by the own clock, as signs of life are.
        let (now, whole) = (self.clocks.machine(), left == self.progress.fragments(&outgoing));
        if whole && outgoing.status == DeliveryStatus::Queued {
            self.store.with(|store| store.left(id, 1, now))?;
        } else {
            if left == 1 {
                self.store.with(|store| store.letter_left(outgoing.to, now))?;
            }
            if !self.notices.is_heard() {
                // A step on the way is for those who watch.
                return Ok(());
            }
        }
        self.notify_outgoing(id)
    }

    /// Takes note that a message leaves once more.
    fn left_again(&self, id: MessageId, times: u32) -> Result<(), StoreError> {
        let (now, outgoing) = (self.clocks.machine(), self.store.with(|store| store.outgoing(id))?);
        match outgoing.filter(|outgoing| outgoing.status == DeliveryStatus::Sent) {
            Some(_) => self.store.with(|store| store.left(id, times, now)),
            None => Ok(()),
        }
    }

    fn settle(&mut self, id: MessageId, status: DeliveryStatus) -> Result<(), StoreError> {
        let now = self.now();
        self.store.with(|store| store.settle(id, status, now))?;
        self.progress.made_room();
        self.progress.over(id);
        self.notify_outgoing(id)
    }

    pub(super) fn notify_outgoing(&self, id: MessageId) -> Result<(), StoreError> {
        if let Some(outgoing) = self.store.with(|store| store.outgoing(id))? {
            let name = self.store.with(|store| store.name_of(outgoing.to))?;
            self.notify(Notice::Outgoing(self.describe(&outgoing, name)?));
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
                    self.progress.posted(to);
                    continue;
                }
                Err(error) => return self.watch.store_trouble(&error),
            };
            match self.session.post(to, message).await {
                Err(PostError::NotConnected) => return,
                Err(PostError::Refused(courier::PostError::Full)) => self.progress.refused(to),
                // Whatever its number, the message is not lost: it is posted at the next start.
                Ok(()) | Err(PostError::Refused(courier::PostError::Order)) => {
                    self.progress.posted(to);
                }
                Err(_) => {
                    self.progress.posted(to);
                    if let Err(error) = self.settle(id, DeliveryStatus::Undeliverable) {
                        self.watch.store_trouble(&error);
                    }
                }
            }
        }
    }
}
