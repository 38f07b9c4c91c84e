//! Clients of the virtual network: a courier, a clock that is set by the relay's cells, and a link
//! that may be down, as in `client/src/session.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::Rng;
use rohrpost_packet::envelope::{KeyId, Letter};
use rohrpost_packet::{NodeNumber, SessionId, Suite};
use rohrpost_proto::courier::{Account, Contact, Courier, Vantage};
use rohrpost_proto::frame::ChunkAssembler;
use rohrpost_proto::roster::Roster;
use rohrpost_proto::time::Time;
use rohrpost_proto::trust::TrustRoot;

use crate::Skew;
use crate::node::{account, courier, foreign_relays, rng, uniform};

/// A client, before and after its first link.
pub(crate) struct Client<S: Suite> {
    pub(crate) entry: NodeNumber,
    /// Its wall clock's, until the first cell comes.
    pub(crate) skew: Skew,
    pub(crate) link: Option<Link>,
    pub(crate) courier: Option<Courier<S>>,
    pub(crate) assembler: ChunkAssembler,
    /// Number of the newest document.
    pub(crate) document: u64,
    pub(crate) rng: ChaCha20Rng,
    /// How others write to it.
    pub(crate) card: Contact,
    /// Relays whose mailboxes have answered.
    pub(crate) answered: BTreeSet<NodeNumber>,
    founding: Option<Founding>,
}

/// A link to the entry relay, up as far as the client knows.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    /// Unique in a world.
    pub(crate) number: u64,
    /// True time of the last cell; of the handshake at first.
    pub(crate) heard: Time,
    /// Whether the first cell has come, which sets the clock and begins the grid.
    pub(crate) greeted: bool,
}

/// What waits for the first cell.
struct Founding {
    account: Account,
    contacts: Vec<Contact>,
    letters: Vec<(KeyId, Letter)>,
}

impl<S: Suite> Client<S> {
    pub(crate) fn new(
        seed: u64,
        index: usize,
        entry: NodeNumber,
        skew: Skew,
        roster: &Roster,
    ) -> Self {
        let mut rng = rng(seed, "client", index);
        let operator = &roster.node(entry).expect("the entry is in the roster").operator;
        let account = account(&foreign_relays(roster, operator, index), &mut rng);
        Self {
            entry,
            skew,
            link: None,
            courier: None,
            assembler: ChunkAssembler::default(),
            document: 0,
            rng,
            card: account.contact(),
            answered: BTreeSet::new(),
            founding: Some(Founding { account, contacts: Vec::new(), letters: Vec::new() }),
        }
    }

    /// Takes the first cell of a link: sets the clock by it, and goes on under a new session.
    pub(crate) fn greet(&mut self, now: Time, told: Time, roster: &Arc<Roster>, trust: &TrustRoot) {
        let mut session = [0; 16];
        self.rng.fill_bytes(&mut session);
        let session = SessionId::new(session);
        self.assembler = ChunkAssembler::default();
        if let Some(courier) = &mut self.courier {
            // Never back: the courier's time must not.
            self.skew = Skew::between(self.skew.read(now).max(told), now);
            courier.rejoin(session);
        } else if let Some(founding) = self.founding.take() {
            self.skew = Skew::between(told, now);
            let vantage = Vantage::Client { entry: self.entry, session };
            let account = founding.account;
            let mut courier = courier(told, vantage, account, roster, trust, &mut self.rng);
            founding.contacts.into_iter().for_each(|contact| courier.add_contact(contact));
            for (to, letter) in founding.letters {
                courier.post(to, letter).expect("the letter is accepted");
            }
            self.courier = Some(courier);
        }
    }

    pub(crate) fn add_contact(&mut self, contact: Contact) {
        match (&mut self.courier, &mut self.founding) {
            (Some(courier), _) => courier.add_contact(contact),
            (None, Some(founding)) => founding.contacts.push(contact),
            (None, None) => unreachable!("a client is founded once, into its courier"),
        }
    }

    pub(crate) fn post(&mut self, to: KeyId, letter: Letter) {
        match (&mut self.courier, &mut self.founding) {
            (Some(courier), _) => {
                courier.post(to, letter).expect("the letter is accepted");
            }
            (None, Some(founding)) => founding.letters.push((to, letter)),
            (None, None) => unreachable!("a client is founded once, into its courier"),
        }
    }

    /// Between links: half to one and a half of two seconds.
    pub(crate) fn pause(&mut self) -> Duration {
        PAUSE.mul_f64(0.5 + uniform(&mut self.rng))
    }
}

const PAUSE: Duration = Duration::from_secs(2);
