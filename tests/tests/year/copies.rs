//! The count of copies: how many envelopes of one fragment wait in mailboxes for somebody who is
//! away. Nobody but a test that has the keys of all can know.

use std::collections::BTreeMap;

use rohrpost_client::Profile;
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{
    Envelope, IdentityPublic, KeyId, Kind, MessageId, NetworkId, PrekeySecret,
};
use rohrpost_proto::instruction::MailboxId;
use rohrpost_proto::mailbox::TTL;
use rohrpost_proto::time::Time;
use rohrpost_virtual::Toy;

/// Keys of those who are away, and the copies that wait for them.
pub(crate) struct Copies {
    network: NetworkId,
    identities: BTreeMap<KeyId, IdentityPublic>,
    /// Who is away, each with the client's keys.
    away: BTreeMap<usize, Profile>,
    /// Relay and time of each copy of a fragment, by person, message and index.
    waiting: BTreeMap<(usize, MessageId, u32), Vec<(NodeNumber, Time)>>,
    /// Most copies of one fragment that ever waited at once.
    pub(crate) most: usize,
}

impl Copies {
    pub(crate) fn new(
        network: NetworkId,
        identities: impl Iterator<Item = IdentityPublic>,
    ) -> Self {
        let identities = identities.map(|identity| (identity.key_id(), identity)).collect();
        Self { network, identities, away: BTreeMap::new(), waiting: BTreeMap::new(), most: 0 }
    }

    /// Notes that a person's client has ended, with these keys.
    pub(crate) fn leaves(&mut self, person: usize, profile: Profile) {
        self.away.insert(person, profile);
    }

    /// Notes that a person's client runs again, which fetches what waits.
    pub(crate) fn returns(&mut self, person: usize) {
        self.away.remove(&person);
        self.waiting.retain(|(of, ..), _| *of != person);
    }

    /// Notes that a relay has lost its memory.
    pub(crate) fn lost(&mut self, relay: NodeNumber) {
        self.waiting.values_mut().for_each(|copies| copies.retain(|(at, _)| *at != relay));
    }

    /// Counts an envelope that a relay has stored, if its reader is away.
    pub(crate) fn stored(
        &mut self,
        relay: NodeNumber,
        mailbox: MailboxId,
        envelope: &Envelope<Toy>,
        now: Time,
    ) {
        let owns =
            |profile: &Profile| profile.account.mailboxes.iter().any(|own| own.key.id() == mailbox);
        let Some((person, profile)) = self.away.iter().find(|(_, profile)| owns(profile)) else {
            return;
        };
        let prekeys: Vec<&PrekeySecret> = profile.account.prekeys.iter().collect();
        let own = profile.account.identity.public();
        let fragment = envelope.open(&prekeys, &self.network).ok().and_then(|opened| {
            let sender = self.identities.get(&opened.sender().key_id())?;
            opened.fragment(own, sender).ok()
        });
        let Some(fragment) = fragment.filter(|fragment| fragment.kind == Kind::Content) else {
            return;
        };
        let key = (*person, fragment.message, fragment.position.index);
        let copies = self.waiting.entry(key).or_default();
        copies.retain(|(_, since)| now.since(*since) < TTL);
        copies.push((relay, now));
        self.most = self.most.max(copies.len());
    }
}
