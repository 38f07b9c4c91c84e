//! Contacts: whom the client can write to, and where it stands with each.

use std::time::Duration;

use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::{Acknowledged, Contact, first_number};
use rohrpost_vault::{ReadTx, WriteTx};

use super::contact::{self, KnownContact, by_key, contacts, key_id, looking_like, named, put};
use super::error::StoreError;
use super::exchange::{self, Exchange};
use super::file::Store;
use super::state::next_incarnation;
use super::{
    address_versions, announcements, fragments, names, outbox, quota, requests, rounds, silence,
    told,
};
use crate::address::Address;
use crate::contact_name::{ContactName, look};

/// Result of adding a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Added {
    /// The card's owner is a new contact.
    New,
    /// The address of a known contact was renewed.
    Renewed,
}

impl Store {
    /// Adds a contact under a name of the user's choice. The first message to it will bear a number
    /// of this store's incarnation.
    ///
    /// # Errors
    /// The name is taken or unusable, or the contact is known by another, or blocked.
    pub fn add_contact(
        &self,
        name: &str,
        contact: Contact,
        now: Duration,
    ) -> Result<(), StoreError> {
        self.add(name, Address { version: 0, contact }, 0, now)
    }

    /// Adds somebody who has written, and told this address by that.
    ///
    /// # Errors
    /// The name is taken or unusable, or the contact is known by another, or blocked.
    pub fn add_address(
        &self,
        name: &str,
        address: Address,
        now: Duration,
    ) -> Result<(), StoreError> {
        let version = address.version;
        self.add(name, address, version, now)
    }

    /// Adds the contact of a card; or renews the address of one that is known by this name, if the
    /// card is not older than what is known of it. Name, verification and what waits stay, and the
    /// contact is told the own newest address.
    ///
    /// # Errors
    /// The name is taken or unusable, the contact is known by another or blocked, or the card is
    /// older than what is known.
    pub fn add_card(&self, name: &str, card: Address, now: Duration) -> Result<Added, StoreError> {
        let known = self.vault.read(|tx| by_key(tx, card.contact.identity.key_id()))?;
        let same = |known: &KnownContact| !known.blocked() && look(&known.name) == look(name);
        let Some(mut known) = known.filter(same) else {
            return self.add(name, card, 0, now).map(|()| Added::New);
        };
        if card.version < known.card.max(known.address.version) {
            return Err(StoreError::OlderCard(known.name));
        }
        known.card = card.version;
        known.address.contact = card.contact;
        self.vault.write(|tx| {
            // Whether it is reached there is seen by the letters that leave from now on.
            silence::end(tx, known.key())?;
            put(tx, &known)?;
            announcements::tell(tx, known.key()).map(drop)
        })?;
        Ok(Added::Renewed)
    }

    /// Adds a contact at an address that it has told as this version itself, if it has.
    fn add(&self, name: &str, card: Address, told: u64, now: Duration) -> Result<(), StoreError> {
        let Address { version, contact } = card;
        let name = usable(name)?;
        self.vault.write(|tx| {
            let key = contact.identity.key_id();
            match by_key(tx, key)? {
                Some(known) if known.blocked() => return Err(StoreError::Blocked(known.name)),
                Some(known) => return Err(StoreError::Known(known.name)),
                None => {}
            }
            refuse_taken(tx, &name, None)?;
            names::claim(tx, &name, key)?;
            requests::welcome(tx, key)?;
            // Above all that it may have seen, if it was a contact before.
            let incarnation = next_incarnation(tx, now)?;
            let (place, without) = rounds::join(tx, key)?;
            let exchange = Exchange {
                blocked: false,
                heard: now.as_secs(),
                heard_once: told > 0,
                below: 0,
                next: first_number(incarnation),
                since: incarnation,
                told: 0,
                announced: None,
                disputed: None,
                telling: address_versions::version(tx)?,
                without: Some(without),
                owes: false,
                acknowledged: 0,
                whole: 0,
                counted_since: 0,
            };
            exchange::put(tx, key, &exchange)?;
            let mut known = KnownContact {
                name: String::new(),
                address: Address { version: told, contact: contact.clone() },
                verified: false,
                added: now,
                card: version,
                place,
                exchange,
            };
            contact::call(tx, &mut known, &name)
        })
    }

    /// All contacts by name, the blocked ones among them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn contacts(&self) -> Result<Vec<KnownContact>, StoreError> {
        self.vault.read(contacts)
    }

    /// The contact of this name.
    ///
    /// # Errors
    /// There is no contact of this name.
    pub fn contact(&self, name: &str) -> Result<KnownContact, StoreError> {
        self.vault.read(|tx| named(tx, name))
    }

    /// The contact of this identity, if it is one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn contact_by_key(&self, key: KeyId) -> Result<Option<KnownContact>, StoreError> {
        self.vault.read(|tx| by_key(tx, key))
    }

    /// Count of the contacts that are owed an acknowledgement: letters of theirs have come since the
    /// last that has left.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn owed(&self) -> Result<u64, StoreError> {
        self.vault.read(|tx| Ok(exchange::owed(tx)))
    }

    /// The name of a contact; empty if it was removed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn name_of(&self, key: KeyId) -> Result<String, StoreError> {
        self.vault.read(|tx| Ok(by_key(tx, key)?.map_or_else(String::new, |known| known.name)))
    }

    /// Calls a contact by another name. What it wrote before is its own as well.
    ///
    /// # Errors
    /// There is no such contact, or the new name is taken or unusable.
    pub fn rename(&self, name: &str, to: &str) -> Result<(), StoreError> {
        let to = usable(to)?;
        self.vault.write(|tx| {
            let mut contact = named(tx, name)?;
            refuse_taken(tx, &to, Some(contact.key()))?;
            names::claim(tx, &to, contact.key())?;
            contact::call(tx, &mut contact, &to)
        })
    }

    /// Notes the time at which the latest letter of a contact left that has come.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn hear(&self, of: KeyId, at: Duration) -> Result<(), StoreError> {
        self.vault.write(|tx| match exchange::with(tx, of)? {
            Some(with) => {
                silence::end_by(tx, of, at)?;
                let heard = at.as_secs();
                let with = Exchange { heard, heard_once: true, ..with };
                exchange::put(tx, of, &with)
            }
            None => Ok(()),
        })
    }

    /// Notes the number that a contact has given to two messages, or that this is over.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn disputed(&self, by: KeyId, number: Option<u64>) -> Result<(), StoreError> {
        self.vault.write(|tx| match exchange::with(tx, by)? {
            Some(with) => exchange::put(tx, by, &Exchange { disputed: number, ..with }),
            None => Ok(()),
        })
    }

    /// Notes what a contact has acknowledged of the messages to it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn acknowledged(&self, by: KeyId, acknowledged: Acknowledged) -> Result<(), StoreError> {
        let Acknowledged { below: acknowledged, whole, since: counted_since } = acknowledged;
        self.vault.write(|tx| match exchange::with(tx, by)? {
            Some(with) => {
                exchange::put(tx, by, &Exchange { acknowledged, whole, counted_since, ..with })
            }
            None => Ok(()),
        })
    }

    /// Notes that a contact's fingerprint was compared.
    ///
    /// # Errors
    /// There is no such contact.
    pub fn verify(&self, name: &str) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            let mut contact = named(tx, name)?;
            contact.verified = true;
            put(tx, &contact)
        })
    }

    /// Blocks a contact: nothing goes to it and nothing is taken from it any more. The write keys
    /// that the contact knows are replaced and refused, once the client is online
    /// ([`Store::roll`]): one mailbox's at once, the other's later.
    ///
    /// # Errors
    /// There is no such contact.
    pub fn block(&self, name: &str, now: Duration) -> Result<KeyId, StoreError> {
        self.vault.write(|tx| {
            let mut contact = named(tx, name)?;
            (contact.exchange.blocked, contact.exchange.owes) = (true, false);
            exchange::put(tx, contact.key(), &contact.exchange)?;
            forget_mail(tx, contact.key(), now)?;
            address_versions::refuse_write_keys(tx)?;
            Ok(contact.key())
        })
    }

    /// Forgets a contact, its unfinished messages and what waits for it. What it wrote stays in the
    /// inbox.
    ///
    /// # Errors
    /// There is no such contact.
    pub fn remove(&self, name: &str, now: Duration) -> Result<KeyId, StoreError> {
        self.vault.write(|tx| {
            let known = named(tx, name)?;
            forget_mail(tx, known.key(), now)?;
            contact::remove(tx, &known)?;
            Ok(known.key())
        })
    }
}

/// The text as a name. What looks like an id of a contact is none.
fn usable(name: &str) -> Result<ContactName, StoreError> {
    let name =
        ContactName::new(name).map_err(|why| StoreError::Name { name: name.to_owned(), why })?;
    match key_id(name.as_str()) {
        Some(_) => Err(StoreError::NameTaken(name.as_str().to_owned())),
        None => Ok(name),
    }
}

/// Refuses a name that looks like that of another contact than `own`.
fn refuse_taken(tx: &ReadTx<'_>, name: &ContactName, own: Option<KeyId>) -> Result<(), StoreError> {
    match looking_like(tx, name)?.filter(|known| Some(known.key()) != own) {
        Some(other) => Err(StoreError::NameTaken(other.name)),
        None => Ok(()),
    }
}

/// Gives up all that waits for a contact, and forgets its unfinished messages.
fn forget_mail(tx: &mut WriteTx<'_>, key: KeyId, now: Duration) -> Result<(), StoreError> {
    outbox::drop_all(tx, key, now)?;
    silence::end(tx, key)?;
    fragments::forget_all(tx, key)?;
    quota::forget(tx, key)?;
    told::forget(tx, key)
}
