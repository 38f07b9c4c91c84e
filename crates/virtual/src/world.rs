//! The world: all parties and links, and the loop over what happens among them.
//!
//! Each idea has a file: the state and how anything leaves a party (`state`), the queue of what is
//! due (`schedule`), clients and their links (`client`), relays (`relay`), mixes (`mix`), what an
//! experimenter does from outside (`failure`), what the couriers tell (`tally`), and what a run was
//! and cost (`report`).

mod client;
mod directory;
mod failure;
mod mix;
mod relay;
mod report;
mod schedule;
mod state;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_packet::{Buffer, NodeNumber, Suite};
use rohrpost_proto::courier::{Contact, Event};
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::Frame;
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::time::agreement::Disagreement;
pub use state::World;
pub use tally::{ClientEvent, Tally};

use crate::client::Client;
use crate::cost::CpuClock;
use crate::link::Conditions;
use crate::node::{Duty, Founding};
use crate::observer::{Kind, Memory, Observer, Record};
use crate::roster::BEGIN;
use crate::setup::Setup;
use crate::skew::Skew;
use schedule::{Happening, Schedule};

impl<S: Suite> World<S> {
    /// A network of the default layout that retains everything; all nodes started, no clients yet.
    #[must_use]
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self::of(Setup { conditions, ..Setup::new(seed) })
    }

    /// A network as set up; all nodes started, no clients yet.
    #[must_use]
    pub fn of(setup: Setup) -> Self {
        let founding = Founding::of(&setup.layout);
        let roster = Arc::clone(&founding.roster);
        let mut world = Self {
            now: BEGIN,
            observer: Observer::new(setup.memory),
            captured: Vec::new(),
            capture: false,
            events: Vec::new(),
            cover: Vec::new(),
            alarms: Vec::new(),
            passages: Vec::new(),
            lost: BTreeMap::new(),
            tally: Tally::default(),
            setup,
            roster: Arc::clone(&roster),
            founding,
            nodes: BTreeMap::new(),
            clients: Vec::new(),
            schedule: Schedule::default(),
            cuts: Vec::new(),
            wakes: BTreeMap::new(),
            given: 0,
            spent: Duration::ZERO,
        };
        for node in roster.nodes() {
            world.start(node.number);
        }
        for relay in roster.relays() {
            world.begin_ticks(relay.number);
        }
        world
    }

    /// Adds a client that enters through `entry`, and gives its index.
    pub fn add_client(&mut self, entry: NodeNumber) -> usize {
        self.add_client_off(entry, Skew::NONE)
    }

    /// Adds a client whose wall clock is off, and gives its index.
    pub fn add_client_off(&mut self, entry: NodeNumber, skew: Skew) -> usize {
        let index = self.clients.len();
        self.clients.push(Client::new(self.setup.seed, index, entry, skew, &self.founding));
        self.join(index);
        index
    }

    /// Sets the clock of a client's machine. The process that runs counts on by its own.
    pub fn set_clock(&mut self, client: usize, skew: Skew) {
        self.clients[client].machine = skew;
    }

    /// Reason why a client does not go by its relay's clock, while it does not.
    #[must_use]
    pub fn clock_refused(&self, client: usize) -> Option<Disagreement> {
        self.clients[client].refused
    }

    /// Makes two clients known to each other.
    pub fn introduce(&mut self, one: usize, other: usize) {
        let contact = self.contact(other);
        self.clients[one].add_contact(contact);
        let contact = self.contact(one);
        self.clients[other].add_contact(contact);
    }

    /// Puts a message into a client's outbox, for a week.
    pub fn post(&mut self, from: usize, to: usize, number: impl Into<u32>, body: &[u8]) {
        self.post_for(from, to, number.into(), body, WEEK);
    }

    /// Puts a message into a client's outbox that is given up if it is not acknowledged in time.
    pub fn post_for(
        &mut self,
        from: usize,
        to: usize,
        number: u32,
        body: &[u8],
        lifetime: Duration,
    ) {
        let key = self.clients[to].card.identity.key_id();
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let expires = self.clients[from].machine.read(self.now) + lifetime;
        self.clients[from].post(key, MessageId::new(id), expires, body);
    }

    /// Messages that are complete at a client, in the order in which it was told, each with the
    /// client that wrote it.
    #[must_use]
    pub fn inbox(&self, client: usize) -> Vec<(usize, &[u8])> {
        let writer = |key: &KeyId| {
            let mut clients = self.clients.iter();
            clients.position(|other| other.card.identity.key_id() == *key)
        };
        let inbox = self.clients[client].shelf.inbox.iter();
        inbox.filter_map(|(from, body)| Some((writer(from)?, body.as_slice()))).collect()
    }

    /// Number of a client's messages that are neither delivered nor given up.
    #[must_use]
    pub fn outbox_len(&self, client: usize) -> usize {
        self.clients[client].shelf.outbox_len()
    }

    /// Number of messages that a client has given up.
    #[must_use]
    pub fn expired(&self, client: usize) -> usize {
        self.clients[client].shelf.expired.len()
    }

    /// A client's contact data, as on its card.
    #[must_use]
    pub fn contact(&self, client: usize) -> Contact {
        self.clients[client].card.clone()
    }

    /// True if a client's link is up and its clock set.
    #[must_use]
    pub fn is_online(&self, client: usize) -> bool {
        self.clients[client].link.is_some_and(|link| link.greeted)
    }

    /// True if all mailboxes of a client have answered it, so that envelopes for it are stored.
    #[must_use]
    pub fn is_reachable(&self, client: usize) -> bool {
        let client = &self.clients[client];
        client.card.mailboxes.iter().all(|mailbox| client.answered.contains(&mailbox.relay))
    }

    /// Bodies of the fragments that have reached a client, in order of arrival.
    #[must_use]
    pub fn arrived(&self, client: usize) -> Vec<Vec<u8>> {
        let message = |told: &ClientEvent| match &told.event {
            Event::Arrived { fragment, .. } if told.client == client => {
                Some(fragment.body.to_vec())
            }
            _ => None,
        };
        self.events.iter().filter_map(message).collect()
    }

    /// Number of packets that a node has dropped for this reason.
    #[must_use]
    pub fn refused(&self, node: NodeNumber, reason: Refusal) -> u64 {
        let node = self.nodes.get(&node);
        node.and_then(|node| node.refusals.get(reason.as_str())).copied().unwrap_or(0)
    }

    /// Number of packets that all nodes together have dropped for this reason.
    #[must_use]
    pub fn refused_anywhere(&self, reason: Refusal) -> u64 {
        self.nodes.keys().map(|node| self.refused(*node, reason)).sum()
    }

    /// View of the network that `relay` would give its clients now.
    #[must_use]
    pub fn view(&self, relay: NodeNumber) -> Option<View<S>> {
        let node = self.nodes.get(&relay)?;
        let now = node.skew.read(self.now);
        let Duty::Relay(duty) = &node.duty else {
            return None;
        };
        duty.authority.follower().current(now).map(|current| View::of(&current))
    }

    /// Roster of the network.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Lets virtual time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let clock = CpuClock::start();
        let end = self.now + duration;
        while let Some((at, happening)) = self.schedule.next_until(end) {
            self.now = self.now.max(at);
            self.happen(happening);
        }
        self.now = end;
        self.spent += clock.elapsed();
    }

    /// Lets virtual time pass, second by second, until something holds; true if that was within
    /// `limit`.
    pub fn run_until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while !holds(self) {
            if self.now >= end {
                return false;
            }
            self.run_for(Duration::from_secs(1));
        }
        true
    }

    /// Records of these kinds, as bytes that a test compares.
    ///
    /// # Panics
    /// The world does not retain everything.
    #[must_use]
    pub fn observed(&self, kinds: &[Kind]) -> String {
        assert_eq!(self.setup.memory, Memory::Everything, "the records went into a hash");
        let kept = self.observer.records().iter().filter(|record| kinds.contains(&record.kind));
        kept.map(Record::line).collect()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Frame(from, to, bytes) => self.frame_arrives(from, to, bytes),
            Happening::Up(relay, link, bytes) => self.cell_arrives(relay, link, bytes),
            Happening::Down(client, link, bytes) => self.client_hears(client, link, &bytes),
            Happening::Join(client) => self.join(client),
            Happening::FirstCell(client, link) => self.expect_first_cell(client, link),
            Happening::Slot(client, link) => self.client_slot(client, link),
            Happening::Departure(client, link, bytes) => self.cell_leaves(client, link, bytes),
            Happening::Mix(mix) => self.drive_mix(mix),
            Happening::Sessions(relay) => self.session_tick(relay),
            Happening::Answers(relay) => self.answer_tick(relay),
            Happening::Announce(node, incarnation) => self.announce(node, incarnation),
            Happening::Directory(relay, incarnation) => self.directory_step(relay, incarnation),
            Happening::Control(from, to, bytes) => self.control_arrives(from, to, &bytes),
            Happening::Follow(mix) => self.follow(mix),
        }
    }

    fn frame_arrives(&mut self, from: NodeNumber, to: NodeNumber, bytes: Buffer) {
        let Some(node) = self.nodes.get_mut(&to) else {
            return;
        };
        let now = node.skew.read(self.now);
        let role = self.roster.node(to).expect("only nodes of the roster are started").role;
        let from = self.roster.ingress(role, from).expect("frames come from the layer before");
        let copy = node.twin.is_some().then(|| Buffer::from(&bytes[..]));
        let frame = Frame::decode(bytes).map_err(|_| Refusal::Frame);
        let taken = match &mut node.duty {
            Duty::Mix(duty) => frame.and_then(|frame| duty.mix.handle_frame(now, from, frame)),
            Duty::Relay(duty) => {
                frame.and_then(|frame| duty.handle_frame(now, &node.hop, from, frame))
            }
        };
        match (taken, node.twin.as_mut().zip(copy)) {
            (Err(refusal), _) => node.count(refusal),
            (Ok(()), Some((twin, copy))) => twin.arrive(self.now, &copy),
            (Ok(()), None) => {}
        }
        if matches!(node.duty, Duty::Mix(_)) {
            self.drive_mix(to);
        }
    }
}

/// Time until a message expires, unless a test says otherwise.
const WEEK: Duration = Duration::from_secs(7 * 86_400);
