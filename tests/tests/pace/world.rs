//! A network for two: clients with real agents, stores and couriers, real packets of a suite, and
//! relays with real mailboxes. A packet passes its hops at once and arrives after the delays that
//! its headers name; nothing is lost, and no key changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::RngExt;
use rohrpost_client::{Cost, Network, Profile, Store, Unlock};
use rohrpost_packet::{
    Body, Command, Generation, HopSecretKey, NodeNumber, ReplyId, SessionId, Suite, open_header,
};
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::OutgoingFrame;
use rohrpost_proto::instruction::{Instruction, RelayContext};
use rohrpost_proto::mailbox::{MailboxLimits, Mailboxes};
use rohrpost_proto::time::Time;
use rohrpost_virtual::{Layout, node_key, roster};
use zeroize::Zeroizing;

use crate::client::Client;

/// A Monday in November 2026.
const BEGIN: Time = Time::from_micros(1_795_000_000_000_000);
/// Names of the clients, by which they know each other.
pub(crate) const NAMES: [&str; 2] = ["alice", "bob"];
pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;

pub(crate) struct World<S: Suite> {
    pub(crate) now: Time,
    pub(crate) clients: [Client<S>; 2],
    network: Arc<Network>,
    keys: BTreeMap<NodeNumber, HopSecretKey<S>>,
    mailboxes: BTreeMap<NodeNumber, (Mailboxes<S>, RelayContext)>,
    flying: BTreeMap<(Time, u64), Arrival>,
    carried: u64,
    next_tick: Time,
    rng: ChaCha20Rng,
}

/// End of a packet's way.
enum Arrival {
    AtRelay(NodeNumber, Box<Body>),
    AtSession(SessionId, ReplyId, Box<[u8]>),
}

impl<S: Suite> World<S> {
    /// A network of these rates, and two who have exchanged their cards. Alice may write to so many
    /// of bob's mailboxes: one or two.
    pub(crate) fn new(layout: &Layout, usable: usize, folder: &Path, mut rng: ChaCha20Rng) -> Self {
        let (trust, roster) = roster(layout);
        let network = Arc::new(Network { trust: Arc::new(trust), roster });
        let generation = Generation::new(1);
        let numbers: Vec<_> = network.roster.nodes().map(|node| node.number).collect();
        let key = |number: &NodeNumber| (*number, HopSecretKey::generate(generation, &mut rng));
        let keys: BTreeMap<_, _> = numbers.iter().map(key).collect();
        let mailboxes = network.roster.relays().map(|relay| {
            let join_key = network.trust.join_key().clone();
            let network = network.roster.network_id;
            let context = RelayContext { network, relay: relay.number, join_key };
            (relay.number, (Mailboxes::new(MailboxLimits::of(&layout.traffic)), context))
        });
        let mailboxes = mailboxes.collect();
        let view = view(&network, &keys);
        let stores = stores(&network, usable, folder);
        let clients = stores.map(|store| {
            let session = SessionId::new(rng.random());
            Client::start(&network, store, BEGIN, session, Arc::clone(&view))
        });
        Self {
            now: BEGIN,
            clients,
            next_tick: BEGIN.next_multiple(network.roster.traffic.answer_period()),
            network,
            keys,
            mailboxes,
            flying: BTreeMap::new(),
            carried: 0,
            rng,
        }
    }

    /// Lets the next thing happen.
    pub(crate) fn step(&mut self) {
        let slots = self.clients.each_mut().map(Client::next_slot);
        let arrival = self.flying.keys().next().map(|(at, _)| *at);
        let next = slots.into_iter().chain(arrival).chain([self.next_tick]).min();
        self.now = next.expect("there is always a next tick").max(self.now);
        while let Some(first) = self.flying.first_entry()
            && first.key().0 <= self.now
        {
            let arrival = first.remove();
            self.arrive(arrival);
        }
        if self.next_tick <= self.now {
            self.tick();
        }
        for (client, slot) in slots.into_iter().enumerate() {
            if slot <= self.now
                && let Some(packet) = self.clients[client].keep_slot(self.now)
            {
                self.carry(packet);
            }
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::AtRelay(relay, body) => {
                let (mailboxes, context) = &self.mailboxes[&relay];
                let instruction = Instruction::decode(&body, context).expect("a client's own");
                // A refusal is an outcome too, and as silent as it is at a relay.
                let _ = mailboxes.handle(self.now, instruction);
            }
            Arrival::AtSession(session, id, payload) => {
                let mut clients = self.clients.iter_mut();
                let client = clients.find(|client| client.session == session);
                client.expect("links last").take_reply(self.now, id, payload);
            }
        }
    }

    fn tick(&mut self) {
        self.next_tick = self.now.next_multiple(self.network.roster.traffic.answer_period());
        let relays = self.mailboxes.values();
        let answers = relays.flat_map(|(mailboxes, _)| {
            mailboxes.sweep(self.now);
            mailboxes.tick(self.now, &mut self.rng)
        });
        let answers: Vec<_> = answers.collect();
        answers.into_iter().for_each(|answer| self.carry(answer));
    }

    /// Carries a packet to its end.
    fn carry(&mut self, outgoing: OutgoingFrame<S>) {
        let (mut at, mut outgoing) = (self.now, outgoing);
        let arrival = loop {
            let OutgoingFrame { to, frame } = outgoing;
            let position = self.network.roster.node(to).expect("a node").role.position();
            let opened = open_header(frame.packet, position, &self.keys[&to]);
            let Ok(opened) = opened else { unreachable!("the packet is this hop's") };
            let route = *opened.route();
            at = at + route.delay.duration();
            match route.command {
                Command::Forward => {
                    let frame = rohrpost_proto::frame::Frame {
                        generation: route.next_generation,
                        packet: opened.forward(),
                    };
                    outgoing = OutgoingFrame { to: route.next, frame };
                }
                Command::Deliver => {
                    let body = Box::new(opened.deliver().expect("the payload is whole"));
                    break Arrival::AtRelay(to, body);
                }
                Command::Reply => {
                    let (id, payload) = opened.reply();
                    break Arrival::AtSession(route.session, id, payload);
                }
                Command::Loop => unreachable!("no mix has a client here"),
            }
        };
        self.carried += 1;
        self.flying.insert((at, self.carried), arrival);
    }
}

/// View of a network all of whose nodes are up.
fn view<S: Suite>(network: &Network, keys: &BTreeMap<NodeNumber, HopSecretKey<S>>) -> Arc<View<S>> {
    let descriptors = keys.iter().map(|(node, key)| {
        let (generation, public) = (key.generation(), key.public().as_bytes().into());
        let descriptor = Descriptor { node: *node, generation, suite: S::ID, key: public };
        SignedDescriptor::sign(descriptor, &node_key(*node))
    });
    let descriptors: Vec<_> = descriptors.collect();
    Arc::new(View::new(Arc::clone(&network.roster), 1, &descriptors))
}

/// Stores of two who know each other; alice enters where she may write to so many of bob's
/// mailboxes.
fn stores(network: &Arc<Network>, usable: usize, folder: &Path) -> [Store; 2] {
    let operator = |relay| network.roster.node(relay).expect("a relay").operator.clone();
    let bob = Profile::create(&network.roster, None).expect("there are relays");
    let own: Vec<_> = bob.account.mailboxes.iter().map(|own| operator(own.relay)).collect();
    let mut relays = network.roster.relays();
    let shared = |entry: &String| own.iter().filter(|own| *own == entry).count();
    let entry = relays.find(|relay| own.len() - shared(&relay.operator) == usable);
    let entry = &entry.expect("a relay of each kind").operator;
    let alice = Profile::create(&network.roster, Some(entry)).expect("a relay's agency");
    let now = Duration::from_micros(BEGIN.micros());
    let mut profiles = [alice, bob].into_iter().zip(NAMES);
    let stores = [(); 2].map(|()| {
        let (profile, name) = profiles.next().expect("two");
        let store = Store::create(&folder.join(name), &unlock(), network, &profile, now);
        store.expect("a new home")
    });
    let cards = stores.each_ref().map(|store| store.card(network, now).expect("a card"));
    let [for_bob, for_alice] = cards.map(|card| card.address.contact);
    stores[ALICE].add_contact(NAMES[BOB], for_alice, now).expect("a new contact");
    stores[BOB].add_contact(NAMES[ALICE], for_bob, now).expect("a new contact");
    stores
}

fn unlock() -> Unlock {
    Unlock::passphrase_at(Zeroizing::new("right".into()), Cost::danger_cheap())
}
