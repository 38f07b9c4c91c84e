//! A network in memory: real packets of the classic suite, real mailboxes, no links. A packet walks
//! through its hops at once and arrives after the delays that its headers name.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::envelope::{
    EnvelopeMark, IdentitySecret, KeyId, Kind, MessageId, PrekeySecret,
};
use rohrpost_packet::{
    Body, Classic, Command, Generation, HopSecretKey, NodeNumber, ReplyId, SessionId, Suite,
    open_header,
};
use rohrpost_proto::courier::{
    Account, Attachment, Body as MessageBody, Complete, Courier, CourierConfig, Departure, Event,
    Message, OwnMailbox,
};
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::roster::{Directory, Role, Roster, RosterNode, SuiteName, Traffic};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::trust::{Agency, JoinKey, TrustRoot};
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::{Frame, HEADER_LEN, OutgoingFrame, UpCell};
use rohrpost_proto::instruction::{
    Instruction, MailboxId, MailboxKey, RelayContext, Store, WriteKey,
};
use rohrpost_proto::mailbox::{MailboxLimits, Mailboxes};
use rohrpost_proto::time::{Slot, Steady, Time};

/// A Monday in November 2026.
pub(crate) const START: Time = Time::from_micros(1_795_000_000_000_000);
pub(crate) const T: Duration = Duration::from_millis(250);
pub(crate) const RELAYS: [u32; 4] = [1, 2, 3, 4];
const AGENCIES: [&str; 4] = ["north", "south", "east", "west"];
/// Operators of the mixes of each layer.
const MIXES: [[usize; 2]; 3] = [[0, 1], [2, 2], [3, 3]];

/// Record of a run, as an observer of all links, and the relays behind them, can make it.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Time,
    pub(crate) what: Sight,
}

#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    /// A client's cell in a pull slot: everything outside the layers is the same with mail.
    Pull { client: usize, to: u32, len: usize },
    /// A client's cell in another slot.
    Other { client: usize, len: usize },
    /// An answer of a mailbox.
    Answer { relay: u32, to: u32, len: usize },
}

/// Record of one slot of a courier.
pub(crate) struct Left {
    pub(crate) slot: Slot,
    /// Place where the packet ended; `None` for a cell without a packet, or nothing from a mix.
    pub(crate) end: Option<End>,
}

/// Place where a packet ended.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) load: Load,
    pub(crate) relay: NodeNumber,
}

/// Load that reached the last hop of a packet.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub(crate) enum Load {
    Discard,
    Store,
    Pull,
}

/// An envelope on its way to a mailbox.
pub(crate) struct Carried {
    /// Time at which the envelope is at the relay, if it is not lost.
    pub(crate) at: Time,
    pub(crate) relay: NodeNumber,
    pub(crate) mailbox: MailboxId,
    /// The courier that sent the envelope.
    pub(crate) from: Option<usize>,
    pub(crate) store: Store<Classic>,
}

pub(crate) struct World {
    pub(crate) roster: Arc<Roster>,
    keys: BTreeMap<NodeNumber, HopSecretKey<Classic>>,
    pub(crate) mailboxes: BTreeMap<NodeNumber, Mailboxes<Classic>>,
    pub(crate) couriers: Vec<Courier<Classic>>,
    vantages: Vec<Attachment>,
    pub(crate) events: Vec<Vec<(Time, Event)>>,
    pub(crate) sights: Vec<Seen>,
    /// Departures of each courier, in the order of slots.
    pub(crate) departures: Vec<Vec<Left>>,
    /// Couriers whose machines are off: no slot of theirs comes.
    pub(crate) away: Vec<usize>,
    /// Throws replies away while it is set.
    pub(crate) deaf: bool,
    /// Loses packets to mailboxes while it is set.
    pub(crate) leaky: bool,
    /// Couriers whose letters are lost.
    pub(crate) mute: Vec<usize>,
    /// Loss on packets to mailboxes: one in so many is lost; zero means none.
    pub(crate) lost_every: u64,
    /// Tells couriers at once that what arrives is stored.
    pub(crate) keeps: bool,
    /// Time that couriers' applications take to supply what is stored; for ever if there is none.
    pub(crate) store_takes: Option<Duration>,
    /// Pieces that are to be supplied: time, courier, message, offset and length.
    wanted: Vec<(Time, usize, MessageId, usize, usize)>,
    /// Marks of letters that each courier's application has stored.
    marks: Vec<Vec<EnvelopeMark>>,
    /// All envelopes that have come to a relay for a mailbox, in order.
    pub(crate) envelopes: Vec<Carried>,
    /// True once a relay has started anew: what was ready before is for keys that are no more.
    restarted: bool,
    flying: BTreeMap<(Time, u64), Arrival>,
    count: u64,
    stores: u64,
    next_tick: Time,
    pub(crate) now: Time,
    /// Seed, mailbox relays and attachment that each courier was made from.
    origins: Vec<(u8, Vec<u32>, Attachment)>,
    rng: ChaCha20Rng,
}

enum Arrival {
    AtRelay(NodeNumber, Box<Body>),
    AtCourier(usize, ReplyId, Box<[u8]>),
}

impl World {
    /// A network of the default rates, but that letters are acknowledged sooner: so stories with
    /// time-outs are short.
    pub(crate) fn new() -> Self {
        Self::of(&Traffic { ack_delay: Duration::from_secs(20), ..Traffic::default() })
    }

    pub(crate) fn of(traffic: &Traffic) -> Self {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let roster = Arc::new(roster(traffic));
        let generation = Generation::new(7);
        let keys = roster
            .nodes()
            .map(|node| (node.number, HopSecretKey::generate(generation, &mut rng)))
            .collect();
        let mailboxes = RELAYS.map(|number| {
            (NodeNumber::new(number), Mailboxes::new(MailboxLimits::of(&roster.traffic)))
        });
        Self {
            mailboxes: mailboxes.into(),
            next_tick: START.next_multiple(roster.traffic.answer_period()),
            roster,
            keys,
            couriers: Vec::new(),
            vantages: Vec::new(),
            events: Vec::new(),
            sights: Vec::new(),
            departures: Vec::new(),
            away: Vec::new(),
            deaf: false,
            mute: Vec::new(),
            leaky: false,
            lost_every: 0,
            keeps: true,
            store_takes: Some(Duration::ZERO),
            wanted: Vec::new(),
            marks: Vec::new(),
            envelopes: Vec::new(),
            restarted: false,
            flying: BTreeMap::new(),
            count: 0,
            stores: 0,
            now: START,
            origins: Vec::new(),
            rng,
        }
    }

    /// A view without the nodes in `down`.
    pub(crate) fn view(&self, down: &[u32]) -> Arc<View<Classic>> {
        let up = self.keys.iter().filter(|(node, _)| !down.contains(&node.get()));
        let descriptors = up.map(|(node, key)| {
            let descriptor = Descriptor {
                node: *node,
                generation: key.generation(),
                suite: Classic::ID,
                key: key.public().as_bytes().into(),
            };
            SignedDescriptor::sign(descriptor, &node_key(node.get()))
        });
        let descriptors: Vec<_> = descriptors.collect();
        Arc::new(View::new(Arc::clone(&self.roster), 1, &descriptors))
    }

    /// Adds a client with the mailboxes at `relays` and a view of all nodes, all drawn from `seed`.
    pub(crate) fn client(&mut self, seed: u8, entry: u32, relays: &[u32]) -> usize {
        let session = SessionId::new([seed; 16]);
        let entry = NodeNumber::new(entry);
        self.courier(seed, Attachment::Client { entry, session }, relays)
    }

    pub(crate) fn courier(&mut self, seed: u8, attachment: Attachment, relays: &[u32]) -> usize {
        let account = account(seed, relays);
        let roster = Arc::clone(&self.roster);
        let phase = Duration::from_millis(u64::from(seed) % 250);
        let mut courier = Courier::new(
            steady(START),
            START,
            config(attachment, account, roster, [seed; 32], phase),
        );
        courier.handle_view(steady(START), self.view(&[]));
        courier.prepare(steady(START));
        self.couriers.push(courier);
        self.vantages.push(attachment);
        self.origins.push((seed, relays.to_vec(), attachment));
        self.events.push(Vec::new());
        self.marks.push(Vec::new());
        self.departures.push(Vec::new());
        self.couriers.len() - 1
    }

    /// Adds a copy of a client in this incarnation, with a seed of its own, that begins now.
    pub(crate) fn copy(&mut self, of: usize, seed: u8, entry: u32, incarnation: u32) -> usize {
        let (session, entry) = (SessionId::new([seed; 16]), NodeNumber::new(entry));
        let attachment = Attachment::Client { entry, session };
        let (own, relays, _) = self.origins[of].clone();
        let mut account = account(own, &relays);
        account.incarnation = incarnation;
        let roster = Arc::clone(&self.roster);
        let phase = Duration::from_millis(u64::from(seed) % 250);
        let config = config(attachment, account, roster, [seed; 32], phase);
        let mut courier = Courier::new(steady(self.now), self.now, config);
        courier.handle_view(steady(self.now), self.view(&[]));
        courier.prepare(steady(self.now));
        self.couriers.push(courier);
        self.vantages.push(attachment);
        self.origins.push((own, relays, attachment));
        self.events.push(Vec::new());
        self.marks.push(Vec::new());
        self.departures.push(Vec::new());
        self.couriers.len() - 1
    }

    /// Brings a client back under a new session, with a new phase.
    pub(crate) fn rejoin(&mut self, client: usize, session: SessionId, phase: Duration) {
        self.rejoin_at(client, session, phase, self.now);
    }

    /// Brings a client back at a relay whose clock shows `document`.
    pub(crate) fn rejoin_at(
        &mut self,
        client: usize,
        session: SessionId,
        phase: Duration,
        document: Time,
    ) {
        if let Attachment::Client { entry, .. } = self.vantages[client] {
            self.vantages[client] = Attachment::Client { entry, session };
            self.couriers[client].rejoin(steady(self.now), document, session, phase);
            self.couriers[client].prepare(steady(self.now));
        }
    }

    /// Lets two couriers know each other.
    pub(crate) fn introduce(&mut self, one: usize, other: usize) {
        let cards = (self.couriers[one].contact(), self.couriers[other].contact());
        self.couriers[one].add_contact(cards.1);
        self.couriers[other].add_contact(cards.0);
    }

    pub(crate) fn key_id(&self, courier: usize) -> KeyId {
        self.couriers[courier].contact().identity.key_id()
    }

    pub(crate) fn post(&mut self, from: usize, to: usize, text: &str) -> MessageId {
        let to = self.key_id(to);
        let message = message(text, self.couriers[from].next_sequence(to));
        let id = message.id;
        self.couriers[from].post(to, message).unwrap();
        id
    }

    /// Starts relays anew, with an empty memory and new keys; all clients hear of it.
    pub(crate) fn restart_relays(&mut self, relays: &[u32]) {
        self.restarted = true;
        for number in relays {
            let node = NodeNumber::new(*number);
            let generation = Generation::new(self.keys[&node].public().generation().get() + 60);
            self.keys.insert(node, HopSecretKey::generate(generation, &mut self.rng));
            let limits = MailboxLimits::of(&self.roster.traffic);
            self.mailboxes.insert(node, Mailboxes::new(limits));
        }
        // What is on its way to them was built for the old keys.
        self.flying.retain(|_, arrival| match arrival {
            Arrival::AtRelay(node, _) => !relays.contains(&node.get()),
            Arrival::AtCourier(..) => true,
        });
        let (view, now) = (self.view(&[]), self.now);
        self.couriers
            .iter_mut()
            .for_each(|courier| courier.handle_view(steady(now), Arc::clone(&view)));
    }

    /// Changes the keys of relays that go on, so many seconds after the ones before.
    pub(crate) fn change_keys(&mut self, relays: &[u32], after: u32) {
        // The cell that is ready was built for the old keys.
        self.restarted = true;
        for number in relays {
            let node = NodeNumber::new(*number);
            let generation = Generation::new(self.keys[&node].public().generation().get() + after);
            self.keys.insert(node, HopSecretKey::generate(generation, &mut self.rng));
        }
    }

    /// Makes all couriers anew, with the same keys and the marks that are stored; they know nobody.
    pub(crate) fn restart_clients(&mut self) {
        for index in 0..self.couriers.len() {
            let (seed, relays, attachment) = &self.origins[index];
            let account = account(*seed, relays);
            let roster = Arc::clone(&self.roster);
            let phase = Duration::from_millis(u64::from(*seed) % 250);
            let seed = [seed.wrapping_add(100); 32];
            let mut courier = Courier::new(
                steady(self.now),
                self.now,
                config(*attachment, account, roster, seed, phase),
            );
            courier.handle_view(steady(self.now), self.view(&[]));
            courier.resume_opened(&self.marks[index]);
            courier.prepare(steady(self.now));
            self.couriers[index] = courier;
        }
    }

    /// Has a relay serve an envelope once more, as one that lies can.
    pub(crate) fn serve_again(&self, envelope: &Carried) {
        let Store { mailbox, write_key, envelope: bytes } = &envelope.store;
        let store =
            Store { mailbox: *mailbox, write_key: write_key.clone(), envelope: bytes.clone() };
        let mailboxes = &self.mailboxes[&envelope.relay];
        mailboxes.handle(self.now, Instruction::Store(store)).unwrap();
    }

    /// Checks that relays hold nothing but what came in the last twenty seconds: by then a pull has
    /// acknowledged it.
    pub(crate) fn check_removal(&self) {
        for (relay, mailboxes) in &self.mailboxes {
            let late = |carried: &&Carried| {
                let came = carried.relay == *relay && carried.at <= self.now;
                came && self.now.since(carried.at) < Duration::from_secs(20)
            };
            let counts = mailboxes.counts();
            let held: usize = counts.iter().map(|mailbox| mailbox.held).sum();
            let came = self.envelopes.iter().filter(late).count();
            assert!(held <= came, "{came} came to {relay} lately: {counts:?}");
        }
    }

    /// Runs until `end`, all in the order of time.
    pub(crate) fn run(&mut self, end: Time) {
        loop {
            let there = (0..self.couriers.len()).filter(|client| !self.away.contains(client));
            let there: Vec<_> = there.collect();
            let slots = there.iter().map(|client| self.couriers[*client].poll_timeout().reading());
            let arrival = self.flying.keys().next().map(|(at, _)| *at);
            let now = slots
                .chain(arrival)
                .chain([self.next_tick])
                .min()
                .expect("there is always a next tick");
            if now >= end {
                self.now = end;
                return;
            }
            self.now = now;
            self.arrive(now);
            if now == self.next_tick {
                self.tick(now);
            }
            for client in there {
                self.depart(client, now);
            }
        }
    }

    /// Lets time pass until something is so, and gives that time, within a second.
    pub(crate) fn run_until(&mut self, end: Time, is_so: impl Fn(&Self) -> bool) -> Time {
        let mut now = self.now;
        while !is_so(self) {
            assert!(now < end, "it never is");
            now = now + Duration::from_secs(1);
            self.run(now);
        }
        now
    }

    pub(crate) fn depart(&mut self, client: usize, now: Time) {
        let slot = now.slot(self.roster.traffic.slot);
        if steady(now) < self.couriers[client].poll_timeout() {
            return;
        }
        let (due, outgoing) = match self.couriers[client].handle_timeout(steady(now)) {
            Some(Departure::Packet { due, outgoing }) => (due, Some(outgoing)),
            Some(Departure::Cell(bytes)) => {
                let len = bytes.len();
                let packet = match UpCell::decode(bytes).unwrap() {
                    UpCell::Packet { first_hop: to, generation, packet } => {
                        Some(OutgoingFrame { to, frame: Frame { generation, packet } })
                    }
                    UpCell::Hello(_) | UpCell::Idle => None,
                };
                let to = packet.as_ref().map_or(0, |outgoing| outgoing.to.get());
                let what = if slot.pulls() {
                    Sight::Pull { client, to, len }
                } else {
                    Sight::Other { client, len }
                };
                self.sights.push(Seen { at: now, what });
                (now, packet)
            }
            None => (now, None),
        };
        let end = outgoing.and_then(|outgoing| self.walk(due, client, outgoing));
        self.departures[client].push(Left { slot, end });
        self.couriers[client].prepare(steady(now));
        self.collect(client, now);
    }

    fn collect(&mut self, client: usize, now: Time) {
        while let Some(event) = self.couriers[client].poll_event() {
            if let (Some(receipt), true) = (event.receipt(), self.keeps) {
                self.marks[client].push(receipt.mark);
                self.couriers[client].commit(steady(now), receipt);
            }
            if let (Event::Wanted { message, offset, len }, Some(takes)) =
                (&event, self.store_takes)
            {
                self.wanted.push((now + takes, client, *message, *offset, *len));
            }
            self.events[client].push((now, event));
        }
        self.supply(now);
    }

    /// Supplies the pieces whose time has come.
    fn supply(&mut self, now: Time) {
        let due = self.wanted.extract_if(.., |(at, ..)| *at <= now).collect::<Vec<_>>();
        for (_, client, message, offset, len) in due {
            let mark = message.as_bytes()[0];
            let piece: Vec<_> = file_bytes(mark).skip(offset).take(len).collect();
            self.couriers[client].supply(message, offset, piece.into());
        }
    }

    /// Opens layer after layer, checks each hop's place, and notes where the packet ends.
    /// An answer of a mailbox is `from` nobody.
    fn walk(
        &mut self,
        mut at: Time,
        from: impl Into<Option<usize>> + Copy,
        outgoing: OutgoingFrame<Classic>,
    ) -> Option<End> {
        let OutgoingFrame { mut to, frame } = outgoing;
        let mut packet = frame.packet;
        loop {
            let position = self.roster.node(to).unwrap().role.position();
            let Ok(opened) = open_header(packet, position, &self.keys[&to]) else {
                assert!(self.restarted, "a packet for keys that a node never had");
                return None;
            };
            let route = *opened.route();
            at = at + route.delay.duration();
            match route.command {
                Command::Forward => {
                    to = route.next;
                    packet = opened.forward();
                }
                Command::Deliver => {
                    let body = opened.deliver().unwrap();
                    let from = from.into();
                    let load = match self.read(to, &body) {
                        Instruction::Discard => Load::Discard,
                        Instruction::Store(store) => {
                            let mailbox = store.mailbox;
                            let carried = Carried { at, relay: to, mailbox, from, store };
                            self.envelopes.push(carried);
                            Load::Store
                        }
                        Instruction::Pull(_) => Load::Pull,
                    };
                    self.stores += u64::from(load == Load::Store);
                    let unlucky =
                        self.lost_every > 0 && self.stores.is_multiple_of(self.lost_every);
                    let lost =
                        self.leaky || unlucky || from.is_some_and(|from| self.mute.contains(&from));
                    if load != Load::Store || !lost {
                        self.fly(at, Arrival::AtRelay(to, Box::new(body)));
                    }
                    return Some(End { load, relay: to });
                }
                Command::Reply | Command::Loop => {
                    let whose = |attachment: &Attachment| match *attachment {
                        Attachment::Client { entry, session } => {
                            (entry, route.command) == (to, Command::Reply)
                                && session == route.session
                        }
                        Attachment::Mix { number, .. } => {
                            (number, route.command) == (to, Command::Loop)
                        }
                    };
                    let courier = self.vantages.iter().position(whose);
                    let (id, payload) = opened.reply();
                    if let Some(courier) = courier.filter(|_| !self.deaf) {
                        self.fly(at, Arrival::AtCourier(courier, id, payload));
                    }
                    return None;
                }
            }
        }
    }

    fn read(&self, relay: NodeNumber, body: &Body) -> Instruction<Classic> {
        let context = RelayContext { network: self.roster.network_id, relay, join_key: join_key() };
        Instruction::decode(body, &context).unwrap()
    }

    fn fly(&mut self, at: Time, arrival: Arrival) {
        self.count += 1;
        self.flying.insert((at, self.count), arrival);
    }

    fn arrive(&mut self, now: Time) {
        while let Some(entry) = self.flying.first_entry()
            && entry.key().0 <= now
        {
            match entry.remove() {
                Arrival::AtRelay(relay, body) => {
                    let instruction = self.read(relay, &body);
                    // A refusal is an outcome too, and as silent as it is at a relay.
                    let _ = self.mailboxes[&relay].handle(now, instruction);
                }
                Arrival::AtCourier(courier, id, payload) => {
                    self.collect(courier, now);
                    self.couriers[courier].handle_reply(steady(now), id, payload);
                    let told = self.couriers[courier].poll_event();
                    assert!(told.is_none(), "nothing is opened when it comes");
                }
            }
        }
    }

    fn tick(&mut self, now: Time) {
        self.next_tick = now.next_multiple(self.roster.traffic.answer_period());
        for number in RELAYS {
            let relay = NodeNumber::new(number);
            for outgoing in self.mailboxes[&relay].tick(now, &mut self.rng) {
                let what = Sight::Answer {
                    relay: number,
                    to: outgoing.to.get(),
                    len: HEADER_LEN + outgoing.frame.packet.as_bytes().len(),
                };
                self.sights.push(Seen { at: now, what });
                self.walk(now, None, outgoing);
            }
        }
    }
}

/// The clock of all clients, which is right.
pub(crate) fn steady(now: Time) -> Steady {
    Steady::of_clock(now)
}

/// A stored message of `len` bytes that is told from others by `mark`.
pub(crate) fn file(mark: u8, len: usize, sequence: u64) -> Message {
    let id = MessageId::new([mark; 16]);
    Message { id, body: MessageBody::Stored(len), ..message("", sequence) }
}

/// A message of one fragment that was told of.
pub(crate) const fn told(sequence: u64, message: MessageId) -> Complete {
    Complete { sequence, message, kind: Kind::Content, fragments: 1 }
}

/// Bytes of a file without an end.
pub(crate) fn file_bytes(mark: u8) -> impl Iterator<Item = u8> {
    (0..251).cycle().map(move |byte| byte ^ mark)
}

/// A message with this text, which also gives its id, for an hour.
pub(crate) fn message(text: &str, sequence: u64) -> Message {
    let id = blake3::hash(text.as_bytes());
    Message {
        id: MessageId::new(*id.as_bytes().first_chunk().unwrap()),
        kind: Kind::Content,
        sequence,
        minutes: 29_916_666,
        expires: START + Duration::from_secs(3600),
        left: None,
        body: text.as_bytes().to_vec().into(),
    }
}

pub(crate) fn account(seed: u8, relays: &[u32]) -> Account {
    let mut rng = ChaCha20Rng::from_seed([seed ^ 0xa5; 32]);
    let mailbox = |relay: &u32| OwnMailbox {
        relay: NodeNumber::new(*relay),
        key: MailboxKey::generate(&mut rng),
        write_key: WriteKey::generate(&mut rng),
        predecessor: WriteKey::generate(&mut rng),
    };
    let mailboxes = relays.iter().map(mailbox).collect();
    Account {
        identity: IdentitySecret::generate(&mut rng),
        prekeys: vec![PrekeySecret::generate(&mut rng)],
        last_resort: vec![PrekeySecret::generate(&mut rng)],
        mailboxes,
        reserve: Vec::new(),
        incarnation: 0,
    }
}

pub(crate) fn join_key() -> JoinKey {
    JoinKey::new([9; 32])
}

fn node_key(number: u32) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(100 + number).unwrap(); 32])
}

/// Four relays (1 to 4), two mixes in each layer (11, 12, 21, 22, 31, 32), four operators.
fn roster(traffic: &Traffic) -> Roster {
    let agency_key = |index: usize| SigningKey::from_seed(&[u8::try_from(index).unwrap(); 32]);
    let agency = |(index, name): (usize, &&str)| Agency {
        name: (*name).into(),
        key: agency_key(index).public(),
    };
    let agencies = AGENCIES.iter().enumerate().map(agency).collect();
    let trust = TrustRoot::new("courier".into(), agencies, 3, join_key()).unwrap();
    let node = |number: u32, role, operator: usize| RosterNode {
        number: NodeNumber::new(number),
        name: format!("node-{number}"),
        operator: AGENCIES[operator].into(),
        role,
        addresses: vec![(Ipv4Addr::from_bits(0x0a00_0000 + number), 4433).into()],
        identity: node_key(number).public(),
    };
    let mut nodes: Vec<_> =
        (0..4).zip(RELAYS).map(|(operator, number)| node(number, Role::Relay, operator)).collect();
    for (layer, tens) in (1..4).enumerate() {
        for (index, ones) in (1..3).enumerate() {
            let role = Role::Mix { layer };
            nodes.push(node(10 * tens + ones, role, MIXES[layer][index]));
        }
    }
    let text = Roster::render(
        "courier",
        "2030-01-01",
        SuiteName::Classic,
        traffic,
        &Directory::of(traffic),
        &nodes,
    );
    let signed = AGENCIES.iter().enumerate();
    let signatures: Vec<_> =
        signed.map(|(index, name)| Roster::sign(&text, &trust, name, &agency_key(index))).collect();
    Roster::verify(&text, &signatures, &trust, START.seconds()).unwrap()
}

fn config(
    attachment: Attachment,
    account: Account,
    roster: Arc<Roster>,
    seed: [u8; 32],
    phase: Duration,
) -> CourierConfig {
    CourierConfig { attachment, account, roster, join_key: join_key(), seed: seed.into(), phase }
}
