//! The world: an event queue over all parties and links.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::envelope::{Fragment, Letter, MessageId};
use rohrpost_packet::{Generation, NodeNumber, Suite};
use rohrpost_proto::courier::{Departure, Event};
use rohrpost_proto::frame::{DownCell, Frame, Outgoing, UpCell};
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::roster::Roster;
use rohrpost_proto::time::Time;
use rohrpost_proto::trust::TrustRoot;
use rohrpost_proto::view::View;
use zeroize::Zeroizing;

use crate::party::{Client, Duty, MixDuty, Node};
use crate::roster::{BEGIN, roster};
use crate::{Address, Conditions, Kind, Record};

/// A network in virtual time.
pub struct World<S: Suite> {
    /// Now.
    pub now: Time,
    /// All that has left any party.
    pub records: Vec<Record>,
    /// Every packet between nodes with its bytes, while [`World::capture`] is set.
    pub captured: Vec<(NodeNumber, NodeNumber, Box<[u8]>)>,
    /// Whether packets are captured.
    pub capture: bool,
    /// What the clients' couriers have told.
    pub events: Vec<ClientEvent>,
    /// What the virtual clients of mixes have told.
    pub cover: Vec<(NodeNumber, Event)>,
    seed: u64,
    conditions: Conditions,
    roster: Arc<Roster>,
    trust: TrustRoot,
    nodes: BTreeMap<NodeNumber, Node<S>>,
    clients: Vec<Client<S>>,
    queue: BinaryHeap<Reverse<(Time, u64, Happening)>>,
    order: u64,
    /// The next wake of each mix, so that every frame does not start a chain of its own.
    wakes: BTreeMap<NodeNumber, Time>,
}

/// Something a client's courier has told.
pub struct ClientEvent {
    /// Which client.
    pub client: usize,
    /// When.
    pub at: Time,
    /// What.
    pub event: Event,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A frame reaches a node from the one before.
    Frame(NodeNumber, NodeNumber, Box<[u8]>),
    /// A cell reaches the entry relay.
    Up(usize, Box<[u8]>),
    /// A cell reaches a client.
    Down(usize, Box<[u8]>),
    /// A mix has packets or cover that are due.
    Mix(NodeNumber),
    /// A client's slot.
    Slot(usize),
    /// A relay's session tick.
    Sessions(NodeNumber),
    /// A relay's common tick.
    Answers(NodeNumber),
    /// A node announces its keys; a node started anew does so on a schedule of its own.
    Announce(NodeNumber, Generation),
    /// A relay makes its document.
    Document(NodeNumber),
}

impl<S: Suite> World<S> {
    /// All nodes started, no clients yet.
    #[must_use]
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        let (trust, roster) = roster(Duration::from_millis(250));
        let mut world = Self {
            now: BEGIN,
            records: Vec::new(),
            captured: Vec::new(),
            capture: false,
            events: Vec::new(),
            cover: Vec::new(),
            seed,
            conditions,
            roster: Arc::clone(&roster),
            trust,
            nodes: BTreeMap::new(),
            clients: Vec::new(),
            queue: BinaryHeap::new(),
            order: 0,
            wakes: BTreeMap::new(),
        };
        for node in roster.nodes() {
            world.start(node.number);
        }
        for relay in roster.relays() {
            let (slot, traffic) = (roster.traffic.phase(), roster.traffic);
            world.schedule(BEGIN.next_multiple(slot), Happening::Sessions(relay.number));
            let answers = BEGIN.next_multiple(traffic.answer_period());
            world.schedule(answers, Happening::Answers(relay.number));
            let document = BEGIN.next_multiple(roster.directory.document_interval);
            world.schedule(document, Happening::Document(relay.number));
        }
        world
    }

    /// Adds a client that enters through `entry`; its index.
    pub fn add_client(&mut self, entry: NodeNumber) -> usize {
        let index = self.clients.len();
        let node = self.nodes.get_mut(&entry).expect("the entry is up");
        let Duty::Relay(relay) = &mut node.duty else { unreachable!("entries are relays") };
        let handle = relay.entry.join(&mut node.rng).expect("there is room for a session");
        relay.sessions.insert(handle, index);
        let (roster, trust) = (&self.roster, &self.trust);
        let client = Client::new(self.now, self.seed, index, entry, handle, roster, trust);
        let due = client.courier.poll_timeout();
        self.clients.push(client);
        self.schedule(due, Happening::Slot(index));
        index
    }

    /// Makes two clients known to each other.
    pub fn introduce(&mut self, one: usize, other: usize) {
        let contact = self.clients[other].courier.contact();
        self.clients[one].courier.add_contact(contact);
        let contact = self.clients[one].courier.contact();
        self.clients[other].courier.add_contact(contact);
    }

    /// Puts a letter into a client's outbox.
    pub fn post(&mut self, from: usize, to: usize, number: u8, body: &[u8]) {
        let key = self.clients[to].courier.contact().identity.key_id();
        let letter = Letter {
            message: MessageId::new([number; 16]),
            sequence: u64::from(number),
            fragment: Fragment::WHOLE,
            minutes: 0,
            certificate: None,
            body: Zeroizing::new(body.to_vec()),
        };
        self.clients[from].courier.post(key, letter).expect("the letter is accepted");
    }

    /// A client's contact data, as on its card.
    #[must_use]
    pub fn contact(&self, client: usize) -> rohrpost_proto::courier::Contact {
        self.clients[client].courier.contact()
    }

    /// The letters that have reached a client, in order of arrival.
    #[must_use]
    pub fn arrived(&self, client: usize) -> Vec<Vec<u8>> {
        let letter = |told: &ClientEvent| match &told.event {
            Event::Arrived { letter, .. } if told.client == client => Some(letter.body.to_vec()),
            _ => None,
        };
        self.events.iter().filter_map(letter).collect()
    }

    /// How often a node has dropped a packet for this reason.
    #[must_use]
    pub fn refused(&self, node: NodeNumber, reason: Refusal) -> u64 {
        let node = self.nodes.get(&node);
        node.and_then(|node| node.refusals.get(reason.as_str())).copied().unwrap_or(0)
    }

    /// The same over all nodes.
    #[must_use]
    pub fn refused_anywhere(&self, reason: Refusal) -> u64 {
        self.nodes.keys().map(|node| self.refused(*node, reason)).sum()
    }

    /// What `relay` would tell its clients now.
    #[must_use]
    pub fn view(&mut self, relay: NodeNumber) -> Option<View<S>> {
        let node = self.nodes.get_mut(&relay)?;
        let Duty::Relay(duty) = &mut node.duty else {
            return None;
        };
        let signed = duty.document(self.now, relay, &self.roster);
        let document = signed.verify(&self.roster, relay).ok()?;
        Some(View::new(Arc::clone(&self.roster), &document))
    }

    /// A node ends without a word: keys, queues and replay set are gone. The clients of a relay do
    /// not join again; kill mixes.
    pub fn kill(&mut self, node: NodeNumber) {
        self.nodes.remove(&node);
    }

    /// Starts a node anew, with an empty memory.
    pub fn start(&mut self, number: NodeNumber) {
        let node = Node::start(self.now, self.seed, number, &self.roster, &self.trust);
        let generation = node.generation();
        self.nodes.insert(number, node);
        self.schedule(self.now, Happening::Announce(number, generation));
        if matches!(self.nodes[&number].duty, Duty::Mix(_)) {
            self.schedule(self.now, Happening::Mix(number));
        }
    }

    /// Puts a frame on the link to a node, as an attacker between them can.
    pub fn inject(&mut self, from: NodeNumber, to: NodeNumber, frame: Box<[u8]>) {
        self.schedule(self.now + self.conditions.latency, Happening::Frame(from, to, frame));
    }

    /// Sends a packet from one node to another, as the first would.
    pub fn send(&mut self, from: NodeNumber, outgoing: Outgoing<S>, kind: Kind) {
        let to = outgoing.to;
        let frame: Box<[u8]> = outgoing.frame.encode()[..].into();
        let ends = (Address::Node(from), Address::Node(to));
        if self.capture {
            self.captured.push((from, to, frame.clone()));
        }
        if let Some(delay) = self.record(ends, frame.len(), kind) {
            self.schedule(self.now + delay, Happening::Frame(from, to, frame));
        }
    }

    /// Lets virtual time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(Reverse((at, ..))) = self.queue.peek()
            && *at <= end
        {
            let Some(Reverse((at, _, happening))) = self.queue.pop() else {
                return;
            };
            self.now = self.now.max(at);
            self.happen(happening);
        }
        self.now = end;
    }

    /// The part of the observer's record that a test compares, as bytes.
    #[must_use]
    pub fn observed(&self, kinds: &[Kind]) -> String {
        let kept = self.records.iter().filter(|record| kinds.contains(&record.kind));
        kept.map(Record::line).collect()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Frame(from, to, bytes) => self.frame_arrives(from, to, bytes),
            Happening::Up(client, bytes) => self.cell_arrives(client, &bytes),
            Happening::Down(client, bytes) => self.client_hears(client, &bytes),
            Happening::Mix(mix) => self.drive_mix(mix),
            Happening::Slot(client) => self.client_slot(client),
            Happening::Sessions(relay) => self.session_tick(relay),
            Happening::Answers(relay) => self.answer_tick(relay),
            Happening::Announce(node, generation) => self.announce(node, generation),
            Happening::Document(relay) => self.document(relay),
        }
    }

    fn frame_arrives(&mut self, from: NodeNumber, to: NodeNumber, bytes: Box<[u8]>) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&to) else {
            return;
        };
        let role = self.roster.node(to).expect("only nodes of the roster are started").role;
        let from = self.roster.ingress(role, from).expect("frames come from the layer before");
        let frame = Frame::decode(bytes).map_err(|_| Refusal::Frame);
        let taken = match &mut node.duty {
            Duty::Mix(duty) => frame.and_then(|frame| duty.mix.handle_frame(now, from, frame)),
            Duty::Relay(duty) => {
                frame.and_then(|frame| duty.handle_frame(now, &node.hop, from, frame))
            }
        };
        if let Err(refusal) = taken {
            node.count(refusal);
        }
        if matches!(node.duty, Duty::Mix(_)) {
            self.drive_mix(to);
        }
    }

    fn drive_mix(&mut self, number: NodeNumber) {
        let now = self.now;
        if self.wakes.get(&number).is_some_and(|pending| *pending <= now) {
            self.wakes.remove(&number);
        }
        let Some(Node { duty: Duty::Mix(duty), .. }) = self.nodes.get_mut(&number) else {
            return;
        };
        let MixDuty { mix, cover } = &mut **duty;
        while let Some((id, payload)) = mix.poll_loop() {
            cover.handle_reply(now, id, payload);
        }
        if let Some(Departure::Packet { due, outgoing }) = cover.handle_timeout(now) {
            let _ = mix.insert(due, outgoing);
        }
        self.cover.extend(std::iter::from_fn(|| cover.poll_event()).map(|event| (number, event)));
        let mut leaving = Vec::new();
        while let Some(departure) = mix.poll_transmit(now) {
            leaving.push(departure.outgoing);
        }
        let next = mix.poll_timeout().into_iter().chain([cover.poll_timeout()]).min();
        for outgoing in leaving {
            self.send(number, outgoing, Kind::Transit);
        }
        if let Some(next) = next {
            self.wake_mix(number, next.max(now));
        }
    }

    fn wake_mix(&mut self, number: NodeNumber, at: Time) {
        if self.wakes.get(&number).is_none_or(|pending| at < *pending) {
            self.wakes.insert(number, at);
            self.schedule(at, Happening::Mix(number));
        }
    }

    fn client_slot(&mut self, index: usize) {
        let now = self.now;
        let client = &mut self.clients[index];
        let departure = client.courier.handle_timeout(now);
        let next = client.courier.poll_timeout();
        let entry = client.entry;
        if let Some(Departure::Cell(cell)) = departure {
            let bytes: Box<[u8]> = cell.encode(&mut client.rng)[..].into();
            let ends = (Address::Client(index), Address::Node(entry));
            if let Some(delay) = self.record(ends, bytes.len(), Kind::Cell) {
                self.schedule(now + delay, Happening::Up(index, bytes));
            }
        }
        self.hear_events(index);
        self.schedule(next, Happening::Slot(index));
    }

    fn cell_arrives(&mut self, index: usize, bytes: &[u8]) {
        let (entry, handle) = (self.clients[index].entry, self.clients[index].handle);
        let Some(node) = self.nodes.get_mut(&entry) else {
            return;
        };
        let Duty::Relay(duty) = &mut node.duty else {
            return;
        };
        let taken = UpCell::decode(bytes)
            .map_err(|_| Refusal::Frame)
            .and_then(|cell| duty.entry.handle_cell(handle, cell));
        if let Err(refusal) = taken {
            node.count(refusal);
        }
    }

    fn session_tick(&mut self, relay: NodeNumber) {
        let now = self.now;
        self.schedule(now + self.roster.traffic.phase(), Happening::Sessions(relay));
        let Some(node) = self.nodes.get_mut(&relay) else {
            return;
        };
        let Duty::Relay(duty) = &mut node.duty else {
            return;
        };
        let tick = duty.entry.tick(now, &mut node.rng);
        let down: Vec<(usize, Box<[u8]>)> = tick
            .down
            .into_iter()
            .filter_map(|(handle, cell)| {
                Some((*duty.sessions.get(&handle)?, cell.encode()[..].into()))
            })
            .collect();
        for outgoing in tick.up {
            self.send(relay, outgoing, Kind::Transit);
        }
        for (client, bytes) in down {
            let ends = (Address::Node(relay), Address::Client(client));
            if let Some(delay) = self.record(ends, bytes.len(), Kind::Cell) {
                self.schedule(now + delay, Happening::Down(client, bytes));
            }
        }
    }

    fn answer_tick(&mut self, relay: NodeNumber) {
        let now = self.now;
        self.schedule(now + self.roster.traffic.answer_period(), Happening::Answers(relay));
        let Some(node) = self.nodes.get_mut(&relay) else {
            return;
        };
        let Duty::Relay(duty) = &mut node.duty else {
            return;
        };
        for outgoing in duty.mailboxes.tick(now, &mut node.rng) {
            self.send(relay, outgoing, Kind::Answer);
        }
    }

    fn client_hears(&mut self, index: usize, bytes: &[u8]) {
        let client = &mut self.clients[index];
        let Ok(cell) = DownCell::<S>::decode(bytes) else {
            return;
        };
        if let Some((id, payload)) = cell.reply {
            client.courier.handle_reply(self.now, id, payload);
        }
        if let Some(document) = cell.chunk.and_then(|chunk| client.assembler.take(chunk)) {
            client.take_document(&document, &self.roster);
        }
        self.hear_events(index);
    }

    fn hear_events(&mut self, client: usize) {
        while let Some(event) = self.clients[client].courier.poll_event() {
            self.events.push(ClientEvent { client, at: self.now, event });
        }
    }

    fn announce(&mut self, number: NodeNumber, generation: Generation) {
        let Some(node) = self.nodes.get(&number).filter(|node| node.generation() == generation)
        else {
            return;
        };
        let descriptor = node.descriptor(self.now);
        let (now, roster) = (self.now, Arc::clone(&self.roster));
        for node in self.nodes.values_mut() {
            if let Duty::Relay(duty) = &mut node.duty {
                let _ = duty.book.insert(now, number, descriptor.clone(), &roster, S::ID);
            }
        }
        let next = now + roster.directory.descriptor_interval;
        self.schedule(next, Happening::Announce(number, generation));
    }

    fn document(&mut self, relay: NodeNumber) {
        let (now, roster) = (self.now, Arc::clone(&self.roster));
        self.schedule(now + roster.directory.document_interval, Happening::Document(relay));
        let Some(node) = self.nodes.get_mut(&relay) else {
            return;
        };
        let Duty::Relay(duty) = &mut node.duty else {
            return;
        };
        let signed = duty.document(now, relay, &roster);
        duty.entry.set_document(signed.number(), &signed.encode());
        let Ok(document) = signed.verify(&roster, relay) else {
            return;
        };
        let view = Arc::new(View::new(roster, &document));
        for node in self.nodes.values_mut() {
            if let Duty::Mix(duty) = &mut node.duty {
                duty.cover.handle_view(Arc::clone(&view));
            }
        }
    }

    fn record(&mut self, ends: (Address, Address), len: usize, kind: Kind) -> Option<Duration> {
        let (from, to) = ends;
        self.records.push(Record { at: self.now, from, to, len, kind });
        self.conditions.fate(self.seed, from, to, self.now)
    }

    fn schedule(&mut self, at: Time, happening: Happening) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order, happening)));
    }
}

/// Whatever assertion fails while a world lives, its seed is printed.
impl<S: Suite> Drop for World<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the test harness shows it with the failure")]
            {
                eprintln!("a {} world of seed {} was at {:?}", S::NAME, self.seed, self.now);
            }
        }
    }
}

/// The seeds of a run: `ROHRPOST_SEEDS` many, one by default.
#[must_use]
pub fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("ROHRPOST_SEEDS").ok().and_then(|count| count.parse().ok());
    1..1 + count.unwrap_or(1)
}
