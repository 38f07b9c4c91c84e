//! Contacts: added, compared, renamed, blocked and removed, each told to those who listen.

use rohrpost_packet::envelope::KeyId;

use super::listing::contact_id;
use super::task::AgentTask;
use crate::api::{ContactChange, ContactEntry, Failure, FailureCode, Notice, Response};
use crate::card::{Card, CardError};
use crate::fingerprint::Fingerprint;
use crate::store::{Added, DeliveryStatus, KnownContact, Outgoing, Store, StoreError};

impl AgentTask {
    pub(super) async fn add(
        &mut self,
        name: &str,
        card: &str,
        reuse_name: bool,
    ) -> Result<Response, Failure> {
        let now = self.clocks.machine();
        let card = Card::parse(card, &self.network.roster.network_id, now).map_err(|error| {
            let expired = matches!(error, CardError::Expired { .. });
            let code = if expired { FailureCode::CardExpired } else { FailureCode::Card };
            Failure::new(code, &error)
        })?;
        let (key, contact) = (card.address.contact.identity.key_id(), card.address.contact.clone());
        if reuse_name {
            self.store.with(|store| store.free_name(name))?;
        }
        if self.store.with(|store| store.add_card(name, card.address, now))? == Added::Renewed {
            self.session.readdress(contact).await;
            self.announce(key).await?;
            self.notify_contact(key, ContactChange::Address)?;
            return Ok(Response::Done {});
        }
        if let Some(contact) = self.correspondent(key)? {
            self.session.add_contact(contact).await;
        }
        self.notify_contact(key, ContactChange::Added)?;
        Ok(Response::Done {})
    }

    pub(super) fn rename(
        &self,
        name: &str,
        to: &str,
        reuse_name: bool,
    ) -> Result<Response, Failure> {
        let key = self.store.with(|store| store.contact(name))?.key();
        if reuse_name {
            self.store.with(|store| store.free_name(to))?;
        }
        self.store.with(|store| store.rename(name, to))?;
        self.notify_contact(key, ContactChange::Renamed)?;
        Ok(Response::Done {})
    }

    pub(super) async fn block(&mut self, name: &str) -> Result<Response, Failure> {
        let now = self.now();
        let key = self.store.with(|store| store.block(name, now))?;
        self.notify_contact(key, ContactChange::Blocked)?;
        let name = self.store.with(|store| store.name_of(key))?;
        self.give_up_mail(key, &name).await
    }

    pub(super) async fn remove(&mut self, name: &str) -> Result<Response, Failure> {
        let now = self.now();
        let contact = self.entry(self.store.with(|store| store.contact(name))?)?;
        let key = self.store.with(|store| store.remove(name, now))?;
        let name = contact.name.clone();
        self.notify(Notice::Contact { change: ContactChange::Removed, contact });
        self.give_up_mail(key, &name).await
    }

    async fn give_up_mail(&mut self, key: KeyId, name: &str) -> Result<Response, Failure> {
        self.tell_room();
        self.session.remove_contact(key).await;
        let outbox = self.store.with(Store::outbox)?;
        self.progress.forget(&outbox, key);
        let given_up =
            |one: &&Outgoing| one.to == key && one.status == DeliveryStatus::Undeliverable;
        for one in outbox.iter().filter(given_up) {
            self.notify(Notice::Outgoing(self.describe(one, name.to_owned())?));
        }
        self.renew_address(0).await;
        self.post_waiting().await;
        Ok(Response::Done {})
    }

    pub(super) fn contacts(&self) -> Result<Vec<ContactEntry>, StoreError> {
        let contacts = self.store.with(Store::contacts)?.into_iter();
        contacts.map(|known| self.entry(known)).collect()
    }

    /// Tells what has become of a contact.
    pub(super) fn notify_contact(
        &self,
        key: KeyId,
        change: ContactChange,
    ) -> Result<(), StoreError> {
        if let Some(known) = self.store.with(|store| store.contact_by_key(key))? {
            self.notify(Notice::Contact { change, contact: self.entry(known)? });
        }
        Ok(())
    }

    fn entry(&self, known: KnownContact) -> Result<ContactEntry, StoreError> {
        let network = &self.network.roster.network_id;
        Ok(ContactEntry {
            fingerprint: Fingerprint::of(network, &known.address.contact.identity).to_string(),
            verified: known.verified,
            blocked: known.blocked(),
            answers: known.address.version > 0,
            contact: contact_id(known.key()),
            heard: known.last_heard().map(|heard| heard.as_secs()),
            silence: self.silence(&known)?,
            name: known.name,
        })
    }

    pub(super) fn verify(&self, name: &str, words: &str) -> Result<Response, Failure> {
        let network = &self.network.roster.network_id;
        let contact = self.store.with(|store| store.contact(name))?;
        if !Fingerprint::of(network, &contact.address.contact.identity).matches(words) {
            let why = format!(
                "these are not the words of the card that you added for {name}: if you heard them \
                 right, the card is somebody else's; `rohrpost remove {name}`, and get the card \
                 in another way"
            );
            return Err(Failure::new(FailureCode::Words, &why));
        }
        self.store.with(|store| store.verify(name))?;
        self.notify_contact(contact.key(), ContactChange::Verified)?;
        Ok(Response::Done {})
    }

    pub(super) fn fingerprint(&self, contact: Option<&str>) -> Result<Response, Failure> {
        let network = &self.network.roster.network_id;
        let identity = match contact {
            Some(name) => self.store.with(|store| store.contact(name))?.address.contact.identity,
            None => self.store.with(Store::profile)?.account.identity.public().clone(),
        };
        Ok(Response::Fingerprint(Fingerprint::of(network, &identity).to_string()))
    }
}
