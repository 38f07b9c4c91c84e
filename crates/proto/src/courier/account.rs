//! A courier's own keys, and its knowledge of others.

use rand_core::CryptoRng;
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{IdentityPublic, IdentitySecret, PrekeyPublic, PrekeySecret};

use crate::instruction::{MailboxId, MailboxKey, WRITE_KEYS, WriteKey};

/// The secrets of one client. A client stores them in its encrypted vault by their `to_seed` and
/// restores them by `from_seed`; a virtual client makes new ones each time.
pub struct Account {
    /// The client's long-term identity.
    pub identity: IdentitySecret,
    /// The prekeys, at least one, newest first; older ones open what was sealed before.
    pub prekeys: Vec<PrekeySecret>,
    /// Mailboxes, one or two, at relays of different operators; their keys are independent.
    pub mailboxes: Vec<OwnMailbox>,
}

/// A mailbox of one's own.
pub struct OwnMailbox {
    /// The relay that holds the mailbox.
    pub relay: NodeNumber,
    /// The mailbox's secret key.
    pub key: MailboxKey,
    /// The key with which contacts store, and the owner's loops too.
    pub write_key: WriteKey,
    /// Older write keys that the mailbox accepts too, of contacts that know no newer one; at most
    /// [`WRITE_KEYS`] less one, more are left out.
    pub also: Vec<WriteKey>,
}

/// Knowledge of a correspondent, from its contact card: it has at least one mailbox.
#[derive(Clone)]
pub struct Contact {
    /// The correspondent's long-term identity.
    pub identity: IdentityPublic,
    /// The public prekey that seals envelopes to the correspondent.
    pub prekey: PrekeyPublic,
    /// Mailboxes at which the correspondent can be reached; a sender uses any.
    pub mailboxes: Vec<ContactMailbox>,
}

/// A mailbox of a correspondent.
#[derive(Clone)]
pub struct ContactMailbox {
    /// The relay that holds the mailbox.
    pub relay: NodeNumber,
    /// The mailbox's name at its relay.
    pub id: MailboxId,
    /// The write key that the mailbox accepts.
    pub write_key: WriteKey,
}

impl OwnMailbox {
    fn generate(relay: NodeNumber, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self {
            relay,
            key: MailboxKey::generate(rng),
            write_key: WriteKey::generate(rng),
            also: Vec::new(),
        }
    }

    /// The write keys that the mailbox is to accept.
    pub(super) fn accepted(&self) -> [Option<&WriteKey>; WRITE_KEYS] {
        let mut keys = std::iter::once(&self.write_key).chain(&self.also);
        std::array::from_fn(|_| keys.next())
    }
}

impl Account {
    /// Makes a new account with one prekey and a mailbox at each of these relays.
    pub fn generate(
        relays: impl IntoIterator<Item = NodeNumber>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        Self {
            identity: IdentitySecret::generate(rng),
            prekeys: vec![PrekeySecret::generate(rng)],
            mailboxes: relays.into_iter().map(|relay| OwnMailbox::generate(relay, rng)).collect(),
        }
    }

    /// Contact card that others need to write to this account.
    ///
    /// # Panics
    /// If the account has no prekey.
    #[must_use]
    pub fn contact(&self) -> Contact {
        let mailbox = |own: &OwnMailbox| ContactMailbox {
            relay: own.relay,
            id: own.key.id(),
            write_key: own.write_key.clone(),
        };
        let prekey = self.prekeys.first().expect("an account is made with a prekey");
        Contact {
            identity: self.identity.public().clone(),
            prekey: prekey.public().clone(),
            mailboxes: self.mailboxes.iter().map(mailbox).collect(),
        }
    }
}
