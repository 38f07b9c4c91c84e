//! Clients of the virtual network: a courier, a clock, slots by the relay's cells, and a link
//! that may be down, as in `crates/session`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::Rng;
use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_packet::{NodeNumber, SessionId, Suite};
use rohrpost_proto::courier::{Account, Attachment, Contact, Courier};
use rohrpost_proto::directory::carousel::receiver::Receiver;
use rohrpost_proto::directory::follower::Follower;
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::views::Views;
use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::{Disagreement, Witness};

use crate::node::{Founding, courier, foreign_relays, rng, uniform};
use crate::shelf::Shelf;
use crate::skew::Skew;

/// A client, before and after its first link.
pub(crate) struct Client<S: Suite> {
    pub(crate) entry: NodeNumber,
    /// Error of the client's own clock: the machine's when the process started.
    pub(crate) skew: Skew,
    /// Error of the machine's clock.
    pub(crate) machine: Skew,
    pub(crate) witness: Witness,
    /// True time until which the machine stands still.
    pub(crate) stopped: Time,
    /// Reason why the client does not go by its relay's clock, while it does not.
    pub(crate) refused: Option<Disagreement>,
    pub(crate) link: Option<Link>,
    pub(crate) courier: Option<Courier<S>>,
    /// True time until which the client builds a cell, by [`Setup::build`](crate::Setup::build).
    pub(crate) busy: Time,
    /// What comes of the directory by the link.
    pub(crate) receiver: Receiver,
    /// The directory as the client follows it.
    pub(crate) views: Views<S>,
    pub(crate) rng: ChaCha20Rng,
    /// Card by which others write to the client.
    pub(crate) card: Contact,
    /// Relays whose mailboxes have answered.
    pub(crate) answered: BTreeSet<NodeNumber>,
    /// Store, which outlives a restart of the client.
    pub(crate) shelf: Shelf,
    contacts: BTreeMap<KeyId, Contact>,
    /// Seed of the run and index of the client: each of its incarnations draws its keys from them.
    origin: (u64, usize),
}

/// A link to the entry relay, up as far as the client knows.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    /// Number that no other link of a world has.
    pub(crate) number: u64,
    /// True time of the last cell, or of the handshake before the first cell.
    pub(crate) heard: Time,
    /// True once the first cell has come, which sets the clock and begins the grid.
    pub(crate) greeted: bool,
}

impl<S: Suite> Client<S> {
    pub(crate) fn new(
        seed: u64,
        index: usize,
        entry: NodeNumber,
        skew: Skew,
        founding: &Founding,
    ) -> Self {
        let roster = &founding.roster;
        let origin = (seed, index);
        Self {
            entry,
            skew,
            machine: skew,
            witness: Witness::default(),
            stopped: Time::from_micros(0),
            refused: None,
            link: None,
            courier: None,
            busy: Time::from_micros(0),
            receiver: Receiver::default(),
            views: views(founding),
            rng: rng(seed, "client", index),
            card: keys(origin, entry, roster).contact(),
            answered: BTreeSet::new(),
            shelf: Shelf::default(),
            contacts: BTreeMap::new(),
            origin,
        }
    }

    /// Takes the first cell of a link, and goes on under a new session whose slots go by it; without
    /// a view, where nothing bears the relay's clock out.
    pub(crate) fn greet(&mut self, now: Time, told: Time, founding: &Founding) {
        let Founding { roster, trust, .. } = founding;
        let (own, machine) = (self.skew.steady(now), self.machine.read(now));
        self.refused = self.witness.greet(own, told, machine).err();
        self.skew = self.skew.forward(Witness::lag(own, told, machine));
        let own = self.skew.steady(now);
        let mut session = [0; 16];
        self.rng.fill_bytes(&mut session);
        let session = SessionId::new(session);
        self.receiver = Receiver::default();
        if let Some(courier) = &mut self.courier {
            if self.refused.is_some() {
                courier.withdraw_view();
                self.views.withdraw();
            }
            courier.rejoin(own, told, session, roster.traffic.client_phase(&mut self.rng));
            courier.prepare(own);
        } else {
            let attachment = Attachment::Client { entry: self.entry, session };
            let account = keys(self.origin, self.entry, roster);
            let mut courier =
                courier((own, told), attachment, account, roster, trust, &mut self.rng);
            let contacts: Vec<_> = self.contacts.keys().copied().collect();
            self.contacts.values().for_each(|contact| courier.add_contact(contact.clone()));
            self.shelf.resume(&mut courier, &contacts);
            self.courier = Some(courier);
        }
    }

    pub(crate) fn add_contact(&mut self, contact: Contact) {
        if let Some(courier) = &mut self.courier {
            courier.add_contact(contact.clone());
        }
        self.contacts.insert(contact.identity.key_id(), contact);
    }

    pub(crate) fn post(&mut self, to: KeyId, id: MessageId, expires: Time, body: &[u8]) {
        let message = self.shelf.post(to, id, expires, body);
        if let Some(courier) = &mut self.courier {
            courier.post(to, message).expect("the message is accepted");
        }
    }

    /// Ends the process and starts it anew: what is on the shelf is all that is left.
    pub(crate) fn restart(&mut self, founding: &Founding) {
        self.courier = None;
        self.views = views(founding);
        (self.skew, self.witness) = (self.machine, Witness::default());
    }

    /// Pause between two links: half to one and a half of two seconds.
    pub(crate) fn pause(&mut self) -> Duration {
        PAUSE.mul_f64(0.5 + uniform(&mut self.rng))
    }
}

fn views<S: Suite>(founding: &Founding) -> Views<S> {
    let Founding { trust, roster, .. } = founding;
    Views::new(Follower::new(Arc::clone(trust), Arc::clone(roster), S::ID))
}

/// Keys of a client, with two mailboxes at relays of other operators than its entry's.
fn keys((seed, index): (u64, usize), entry: NodeNumber, roster: &Roster) -> Account {
    let operator = &roster.node(entry).expect("the entry is in the roster").operator;
    let relays = foreign_relays(roster, operator, index);
    Account::generate(relays, &mut rng(seed, "keys of client", index))
}

const PAUSE: Duration = Duration::from_secs(2);
