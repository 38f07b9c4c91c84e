//! The client's own keys and places, and how they change: a new address version each day and when a
//! contact is blocked, another mailbox when one is lost (`docs/delivery.md`).

use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{IdentitySecret, PREKEY_SEED_LEN, PrekeyId, PrekeySecret};
use rohrpost_proto::courier::{Account, Contact, OwnMailbox};
use rohrpost_proto::instruction::{MailboxKey, WriteKey};
use rohrpost_proto::mailbox::TTL;
use serde::{Deserialize, Serialize};

use super::record::Hex;
use crate::profile::Profile;

/// Record of the client itself, but for its prekeys, which have a table of their own from which
/// what is removed is really gone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountRecord {
    version: u32,
    entry: u32,
    identity: Hex<32>,
    /// Number of the address version, which rises with every change of prekey, write keys or
    /// mailboxes.
    pub(super) address_version: u64,
    /// Begin of the address version, in Unix seconds.
    rolled: u64,
    /// Time at which the write keys of cards were made, in Unix seconds.
    cards_made: u64,
    mailboxes: Vec<MailboxRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MailboxRecord {
    relay: u32,
    key: Hex<32>,
    write_key: Hex<32>,
    /// Write key of the address version before.
    write_key_before: Option<Hex<32>>,
    /// Write key on contact cards.
    card_key: Hex<32>,
    card_key_before: Option<Hex<32>>,
}

/// A prekey of an address version.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrekeyRecord {
    pub(super) address_version: u64,
    /// Time at which the prekey was made, in Unix seconds.
    made: u64,
    /// Time at which the next prekey took its place, in Unix seconds.
    pub(super) superseded: Option<u64>,
    seed: Hex<PREKEY_SEED_LEN>,
}

/// Treatment of the write keys before, when an address version begins, and of the cards that were
/// handed out with them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OldKeys {
    /// The keys are accepted for one more address version.
    Accept,
    /// The keys are good for nothing any more: whoever knows them is cut off.
    Refuse,
}

impl AccountRecord {
    pub(super) fn new(profile: &Profile, now: Duration) -> (Self, PrekeyRecord) {
        let account = &profile.account;
        let mailbox = |own: &OwnMailbox| {
            let mut mailbox = MailboxRecord::new(own.relay);
            mailbox.key = Hex(*own.key.to_seed());
            mailbox.write_key = Hex(*own.write_key.expose());
            mailbox
        };
        let record = Self {
            version: 1,
            entry: profile.entry.get(),
            identity: Hex(*account.identity.to_seed()),
            address_version: 1,
            rolled: now.as_secs(),
            cards_made: now.as_secs(),
            mailboxes: account.mailboxes.iter().map(mailbox).collect(),
        };
        let prekey = account.prekeys.first().expect("an account is made with a prekey");
        (record, PrekeyRecord::of(prekey, 1, now))
    }

    /// True if a day has passed since the address version began.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now.as_secs().saturating_sub(self.rolled) >= ADDRESS_PERIOD.as_secs()
    }

    /// Begins the next address version: new write keys, and new ones for cards when it is time or
    /// the old ones are refused.
    pub(super) fn roll(&mut self, now: Duration, old: OldKeys) -> PrekeyRecord {
        let refused = old == OldKeys::Refuse;
        self.address_version += 1;
        self.rolled = now.as_secs();
        let new_cards =
            refused || now.as_secs().saturating_sub(self.cards_made) >= CARD_KEYS.as_secs();
        if new_cards {
            self.cards_made = now.as_secs();
        }
        for mailbox in &mut self.mailboxes {
            let before = std::mem::replace(&mut mailbox.write_key, random_write_key());
            mailbox.write_key_before = (!refused).then_some(before);
            if new_cards {
                let before = std::mem::replace(&mut mailbox.card_key, random_write_key());
                mailbox.card_key_before = (!refused).then_some(before);
            }
        }
        PrekeyRecord::of(&PrekeySecret::generate(&mut rand::rng()), self.address_version, now)
    }

    /// Puts another mailbox at `to` in the place of the one at `from`; false if there is none.
    pub(super) fn replace_mailbox(&mut self, from: NodeNumber, to: NodeNumber) -> bool {
        let lost = self.mailboxes.iter_mut().find(|mailbox| mailbox.relay == from.get());
        let Some(lost) = lost else {
            return false;
        };
        *lost = MailboxRecord::new(to);
        true
    }

    /// Keys and places as the courier needs them; `prekeys` are newest first.
    pub(super) fn profile(&self, prekeys: &[PrekeyRecord]) -> Profile {
        let mailbox = |mailbox: &MailboxRecord| OwnMailbox {
            relay: NodeNumber::new(mailbox.relay),
            key: MailboxKey::from_seed(&mailbox.key.0),
            write_key: WriteKey::new(mailbox.write_key.0),
            also: [
                &mailbox.write_key_before,
                &Some(mailbox.card_key.clone()),
                &mailbox.card_key_before,
            ]
            .into_iter()
            .flatten()
            .map(|key| WriteKey::new(key.0))
            .collect(),
        };
        let account = Account {
            identity: IdentitySecret::from_seed(&self.identity.0),
            prekeys: prekeys.iter().map(|prekey| PrekeySecret::from_seed(&prekey.seed.0)).collect(),
            mailboxes: self.mailboxes.iter().map(mailbox).collect(),
        };
        Profile { entry: NodeNumber::new(self.entry), account }
    }

    /// The contact on a card: the newest prekey, and write keys for cards alone, so that contacts
    /// who know an address version and strangers who know a card can be cut off apart from each
    /// other.
    pub(super) fn on_card(&self, prekeys: &[PrekeyRecord]) -> Contact {
        let mut contact = self.profile(prekeys).account.contact();
        for (mailbox, own) in contact.mailboxes.iter_mut().zip(&self.mailboxes) {
            mailbox.write_key = WriteKey::new(own.card_key.0);
        }
        contact
    }
}

impl MailboxRecord {
    fn new(relay: NodeNumber) -> Self {
        let key = MailboxKey::generate(&mut rand::rng());
        Self {
            relay: relay.get(),
            key: Hex(*key.to_seed()),
            write_key: random_write_key(),
            write_key_before: None,
            card_key: random_write_key(),
            card_key_before: None,
        }
    }
}

impl PrekeyRecord {
    fn of(prekey: &PrekeySecret, address_version: u64, now: Duration) -> Self {
        Self {
            address_version,
            made: now.as_secs(),
            superseded: None,
            seed: Hex(*prekey.to_seed()),
        }
    }

    pub(super) fn id(&self) -> PrekeyId {
        PrekeySecret::from_seed(&self.seed.0).public().id()
    }

    /// True if nothing that may still be opened was sealed to this prekey: it was made two
    /// lifetimes of an envelope ago, and for one nobody was told to seal to it.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        let since = |then: u64| Duration::from_secs(now.as_secs().saturating_sub(then));
        since(self.made) >= PREKEY_LIFETIME
            && self.superseded.is_some_and(|then| since(then) >= TTL)
    }
}

fn random_write_key() -> Hex<32> {
    Hex(*WriteKey::generate(&mut rand::rng()).expose())
}

/// Time for which an address version lasts.
pub(super) const ADDRESS_PERIOD: Duration = Duration::from_secs(86_400);
/// Time for which write keys of cards are handed out, and for as long again accepted; longer than a
/// card holds.
const CARD_KEYS: Duration = Duration::from_secs(7 * 86_400);
/// Two lifetimes of an envelope: whoever seizes a client opens nothing that is older.
pub(super) const PREKEY_LIFETIME: Duration = Duration::from_secs(2 * TTL.as_secs());
