//! A client before its first link: what its courier will be made from, once the clock is set.

use std::sync::Arc;

use rand::Rng;
use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_packet::{SessionId, Suite};
use rohrpost_proto::courier::{
    Account, Attachment, Contact, Courier, CourierConfig, Event, Message, Receipt,
};
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::trust::JoinKey;
use rohrpost_proto::time::{Steady, Time};
use zeroize::Zeroizing;

use super::command::{Client, Correspondent, Resumption, introduce};
use super::error::PostError;
use crate::address::Address;
use crate::profile::Profile;
use crate::randomness;

/// Parts of which a courier will be made. Commands change them; no message is taken.
pub(super) struct Founding {
    pub(super) profile: Profile,
    pub(super) resumption: Resumption,
    pub(super) join_key: JoinKey,
}

impl Founding {
    /// Makes the courier of a session that begins now, by the own clock and by document time.
    pub(super) fn found<S: Suite>(
        self,
        roster: &Arc<Roster>,
        session: SessionId,
        (now, document): (Steady, Time),
    ) -> Courier<S> {
        let Self { profile, resumption, join_key } = self;
        let Resumption { contacts, opened } = resumption;
        let attachment = Attachment::Client { entry: profile.entry, session };
        let mut seed = Zeroizing::new([0; 32]);
        randomness::rng().fill_bytes(seed.as_mut());
        let phase = roster.traffic.client_phase(&mut randomness::rng());
        let roster = Arc::clone(roster);
        let account = profile.account;
        let config = CourierConfig { attachment, account, roster, join_key, seed, phase };
        let mut courier = Courier::new(now, document, config);
        contacts.into_iter().for_each(|contact| introduce(&mut courier, contact));
        courier.resume_opened(&opened);
        courier
    }

    fn contact(&mut self, key: KeyId) -> Option<&mut Correspondent> {
        self.resumption.contacts.iter_mut().find(|known| known.key() == key)
    }
}

impl Client for Founding {
    fn post(&mut self, _to: KeyId, _message: Message) -> Result<(), PostError> {
        Err(PostError::NotConnected)
    }

    /// Does nothing: no message was taken.
    fn supply(&mut self, _message: MessageId, _offset: usize, _piece: Zeroizing<Vec<u8>>) {}

    /// Does nothing: no message was taken.
    fn cancel(&mut self, _now: Steady, _to: KeyId, _message: MessageId) {}

    /// Does nothing: no message can have arrived yet.
    fn commit(&mut self, _now: Steady, _receipt: &Receipt) {}

    fn add_contact(&mut self, new: Correspondent) {
        match self.contact(new.key()) {
            Some(known) => *known = new,
            None => self.resumption.contacts.push(new),
        }
    }

    fn readdress(&mut self, _now: Steady, contact: Contact) {
        if let Some(known) = self.contact(contact.identity.key_id()) {
            known.contact = contact;
        }
    }

    fn announce(&mut self, to: KeyId, address: Message) {
        if let Some(known) = self.contact(to) {
            known.announcement = Some(address);
        }
    }

    fn remove_contact(&mut self, key: KeyId) {
        self.resumption.contacts.retain(|known| known.key() != key);
    }

    fn renew(&mut self, account: Account, address: &Address) {
        self.profile.account = account;
        let contacts = self.resumption.contacts.iter_mut();
        for told in contacts.filter_map(|known| known.announcement.as_mut()) {
            (told.sequence, told.body) = (address.version, address.encode().into());
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }
}
