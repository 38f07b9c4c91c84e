//! A client, bob, who is at relay 2 and enters at relay 1, and its only contact, alice.

use std::time::Duration;

use rohrpost_packet::envelope::{IdentitySecret, KeyId, PrekeySecret};
use rohrpost_packet::{NodeNumber, SessionId};
use rohrpost_proto::courier::{Account, Attachment, Contact, Courier, CourierConfig, OwnMailbox};
use rohrpost_proto::instruction::{MailboxKey, WriteKey};
use rohrpost_proto::time::{Steady, Time};

use crate::fragment::PARTIES;
use crate::network::{ROSTER, join_key};
use crate::rng;
use crate::toy::Toy;

/// Makes the courier of the client, without a contact; each run has a seed of its own.
#[must_use]
pub fn courier(now: Time, run: u32) -> Courier<Toy> {
    let account = Account {
        identity: IdentitySecret::from_seed(&PARTIES.bob.to_seed()),
        prekeys: vec![PrekeySecret::from_seed(&PARTIES.prekey.to_seed())],
        last_resort: Vec::new(),
        mailboxes: vec![own_mailbox()],
        reserve: Vec::new(),
        incarnation: 0,
    };
    let entry = NodeNumber::new(1);
    let attachment = Attachment::Client { entry, session: SessionId::new([1; 16]) };
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&run.to_be_bytes());
    let phase = Duration::from_millis(40);
    let (roster, join_key) = (ROSTER.clone(), join_key());
    let own = Steady::of_clock(now);
    Courier::new(
        own,
        now,
        CourierConfig { attachment, account, roster, join_key, seed: seed.into(), phase },
    )
}

/// Card of the contact, who is reached at both relays.
#[must_use]
pub fn alice() -> Contact {
    let account = Account {
        identity: IdentitySecret::from_seed(&PARTIES.alice.to_seed()),
        prekeys: vec![alice_prekey()],
        last_resort: Vec::new(),
        mailboxes: [1, 2].map(|relay| mailbox(ALICE, relay)).into(),
        reserve: Vec::new(),
        incarnation: 0,
    };
    account.contact()
}

/// Prekey of the contact.
#[must_use]
pub fn alice_prekey() -> PrekeySecret {
    PrekeySecret::generate(&mut rng(36))
}

/// The only mailbox of the client.
#[must_use]
pub fn own_mailbox() -> OwnMailbox {
    mailbox(BOB, BOB_RELAY)
}

fn mailbox(owner: u8, relay: u32) -> OwnMailbox {
    OwnMailbox {
        relay: NodeNumber::new(relay),
        key: MailboxKey::from_seed(&[owner + u8::try_from(relay).expect("two relays"); 32]),
        write_key: WriteKey::new([owner; 32]),
        predecessor: WriteKey::new([owner + 100; 32]),
    }
}

/// Identity of the contact.
#[must_use]
pub fn sender() -> KeyId {
    PARTIES.alice.public().key_id()
}

/// The relay that holds the client's mailbox.
pub const BOB_RELAY: u32 = 2;
const ALICE: u8 = 40;
const BOB: u8 = 50;
