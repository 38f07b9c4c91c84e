//! A relay's carousel and a client that has just come, in slots of the traffic, without packets.

use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::{Classic, Generation, Hybrid, NodeNumber, Suite};

use super::object::{Object, RosterFiles};
use super::receiver::Receiver;
use super::room::Room;
use super::sender::{Carousel, Contents};
use super::update::Update;
use crate::directory::consensus::document::{Document, Member, SignedDocument, sign};
use crate::directory::consensus::documents::Documents;
use crate::directory::consensus::rosters::Rosters;
use crate::directory::consensus::signatories::Signatories;
use crate::directory::consensus::vote::Key;
use crate::directory::descriptor::{Descriptor, SignedDescriptor};
use crate::directory::descriptors::Descriptors;
use crate::directory::follower::{Follower, News, ObjectRefusal};
use crate::directory::roster::{
    Directory, Role, Roster, RosterNode, RosterSignature, SuiteName, Traffic, render_signatures,
};
use crate::directory::signing::SigningKey;
use crate::directory::timing::Timing;
use crate::directory::trust::{Agency, JoinKey, TrustRoot};
use crate::frame::{Chunk, chunk_len};
use crate::time::{Slot, Time};

const SECOND: Duration = Duration::from_secs(1);
const START: Time = Time::from_micros(1_795_000_000_000_000);
const AGENCIES: usize = 8;
const THRESHOLD: usize = 6;

fn node_key(number: u32) -> SigningKey {
    let mut seed = [3; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(&seed)
}

fn agency(index: usize) -> String {
    format!("agency-{index}")
}

fn agency_key(index: usize) -> SigningKey {
    node_key(1_000_000 + u32::try_from(index).unwrap())
}

fn trust() -> TrustRoot {
    let one = |index| Agency { name: agency(index), key: agency_key(index).public() };
    let agencies = (0..AGENCIES).map(one).collect();
    TrustRoot::new("test".into(), agencies, THRESHOLD, JoinKey::new([1; 32])).unwrap()
}

/// A roster of this version: a relay of each agency, and mixes. The text and its signatures come with
/// it.
fn roster<S: Suite>(version: u32, nodes: u32, slot: Duration) -> (Arc<Roster>, RosterFiles) {
    let node = |number: u32| {
        let index = usize::try_from(number - 1).unwrap();
        let (operator, role) = match index {
            ..AGENCIES => (index, Role::Relay),
            _ => (index % 3, Role::Mix { layer: index % 3 }),
        };
        let [_, _, high, low] = number.to_be_bytes();
        RosterNode {
            number: NodeNumber::new(number),
            name: format!("node-{number}"),
            operator: agency(operator),
            role,
            addresses: vec![([10, 0, high, low], 4433).into()],
            identity: node_key(number).public(),
        }
    };
    let nodes: Vec<_> = (1..=nodes).map(node).collect();
    let suite = if S::NAME == Hybrid::NAME { SuiteName::Hybrid } else { SuiteName::Classic };
    let traffic = Traffic { slot, ..Traffic::default() };
    let text =
        Roster::render("test", "2099-01-01", suite, &traffic, &Directory::of(&traffic), &nodes);
    let text = text.replace("\nversion = 1\n", &format!("\nversion = {version}\n"));
    let sign = |index| Roster::sign(&text, &trust(), &agency(index), &agency_key(index));
    let signatures: Vec<RosterSignature> = (0..AGENCIES).map(sign).collect();
    let roster = Roster::verify(&text, &signatures, &trust(), 0).unwrap();
    let signatures = render_signatures(&signatures);
    (Arc::new(roster), RosterFiles { roster: text, signatures })
}

/// A relay, which has all descriptors at once, and each document a slot after its own.
struct Relay<S: Suite> {
    roster: Arc<Roster>,
    files: RosterFiles,
    timing: Timing,
    descriptors: Descriptors,
    members: Vec<Member>,
    newest: Option<SignedDocument>,
    documents: Documents,
    rosters: Rosters,
    carousel: Carousel,
    suite: std::marker::PhantomData<S>,
}

impl<S: Suite> Relay<S> {
    fn new(nodes: u32, slot: Duration) -> Self {
        let (roster, files) = roster::<S>(1, nodes, slot);
        let mut relay = Self {
            timing: roster.directory.timing,
            files,
            descriptors: Descriptors::default(),
            members: Vec::new(),
            newest: None,
            documents: Documents::new(roster.directory.timing),
            rosters: Rosters::new(Arc::clone(&roster)),
            carousel: Carousel::new(chunk_len::<S>()),
            roster,
            suite: std::marker::PhantomData,
        };
        (1..=nodes).for_each(|number| relay.announce(number, 1));
        relay
    }

    /// A node changes its key.
    fn announce(&mut self, number: u32, generation: u32) {
        let (node, generation) = (NodeNumber::new(number), Generation::new(generation));
        let mut key = vec![7; S::PUBLIC_KEY_LEN];
        key[..4].copy_from_slice(&generation.get().to_be_bytes());
        let descriptor = Descriptor { node, generation, suite: S::ID, key: key.into() };
        let signed = SignedDescriptor::sign(descriptor, &node_key(number));
        let member = Member { node, key: Key { generation, descriptor: signed.hash() } };
        let named: Vec<_> = self.members.iter().map(|member| member.key.descriptor).collect();
        self.descriptors.insert(signed, |hash| named.contains(hash));
        self.members.retain(|other| other.node != node);
        self.members.push(member);
        self.members.sort_by_key(|member| member.node);
    }

    /// The agencies agree on the document of a slot.
    fn agree(&mut self, slot: Slot) {
        let (roster_version, roster_hash) = (self.roster.version, self.roster.hash);
        let document =
            Document { roster_version, roster_hash, slot, members: self.members.clone() };
        let hash = document.hash();
        let relays = Signatories::of(&self.roster);
        let signature = |relay: NodeNumber| (relay, sign(&node_key(relay.get()), slot, hash));
        let signatures = relays.iter().map(signature).collect();
        let signed = SignedDocument { document, signatures };
        let now = self.timing.begin_of(slot.next());
        self.documents.take(now, signed.clone(), &self.rosters, |_| true).unwrap();
        self.newest = Some(signed);
    }

    fn next(&mut self, now: Time) -> Option<Chunk> {
        let (documents, descriptors) = (self.documents.clone(), self.descriptors.clone());
        let roster = (self.files.clone(), self.roster.version);
        self.carousel.next(now, &Contents { documents, descriptors, proofs: Vec::new(), roster })
    }

    fn client(&self) -> Client {
        let follower = Follower::new(Arc::new(trust()), Arc::clone(&self.roster), S::ID);
        Client { receiver: Receiver::default(), follower }
    }
}

/// A client on one link.
struct Client {
    receiver: Receiver,
    follower: Follower,
}

impl Client {
    fn take(&mut self, now: Time, chunk: Chunk) {
        self.try_take(now, chunk).unwrap();
    }

    fn try_take(&mut self, now: Time, chunk: Chunk) -> Result<News, ObjectRefusal> {
        let object = self.receiver.take(chunk).unwrap();
        object.map_or(Ok(News::None), |object| self.follower.take(now, object))
    }
}

/// A relay with its clients, over time. In each slot of the traffic a chunk goes to all.
struct Scene<S: Suite> {
    relay: Relay<S>,
    now: Time,
    slot: Duration,
    clients: Vec<Client>,
    epoch: u32,
}

impl<S: Suite> Scene<S> {
    fn new(nodes: u32, slot: Duration) -> Self {
        let relay = Relay::new(nodes, slot);
        Self { relay, now: START, slot, clients: Vec::new(), epoch: 2 }
    }

    /// One slot of the traffic.
    fn step(&mut self) {
        if let Some(chunk) = self.tick() {
            for client in &mut self.clients {
                client.take(self.now, chunk.clone());
            }
        }
    }

    /// What goes to clients in the next slot of the traffic. At each slot of the directory some node has
    /// changed its key.
    fn tick(&mut self) -> Option<Chunk> {
        let (timing, before) = (self.relay.timing, self.now);
        self.now = self.now + self.slot;
        let slot = timing.slot_of(self.now);
        if slot > timing.slot_of(before) {
            let count = u32::try_from(self.relay.members.len()).unwrap();
            self.relay.announce(1 + self.epoch * 7 % count, self.epoch);
            self.epoch += 1;
            self.relay.agree(Slot::new(slot.number() - 1));
        }
        self.relay.next(self.now)
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }
}

/// A new client of a network of 400 nodes has all within three minutes at the default slot, whenever in
/// the round it comes.
#[test]
fn a_new_client_of_four_hundred_nodes_has_all_within_three_minutes() {
    fn longest<S: Suite>() -> Duration {
        let mut scene = Scene::<S>::new(400, Duration::from_millis(250));
        scene.run(SECOND * 300);
        let mut longest = Duration::ZERO;
        for wait in [0, 13, 29, 47, 61] {
            scene.run(SECOND * wait);
            scene.clients = vec![scene.relay.client()];
            let came = scene.now;
            while scene.clients[0].follower.current(scene.now).is_none() {
                scene.step();
                assert!(scene.now.since(came) < SECOND * 180, "{}", S::NAME);
            }
            longest = longest.max(scene.now.since(came));
        }
        longest
    }
    let [classic, hybrid] = [longest::<Classic>(), longest::<Hybrid>()];
    println!("400 nodes: a new client has all after {classic:?} (classic), {hybrid:?} (hybrid)");
}

/// Whoever has been there for a round has every document with all its descriptors at its start, so that
/// all switch at once: at every slot of the traffic.
#[test]
fn clients_have_each_document_at_its_start_at_every_slot_of_the_traffic() {
    fn follow<S: Suite>(slot: Duration) {
        let mut scene = Scene::<S>::new(11, slot);
        let timing = scene.relay.timing;
        scene.clients = vec![scene.relay.client()];
        scene.run(timing.interval() * 30);
        let late = scene.relay.client();
        scene.clients.push(late);
        scene.run(timing.interval() * 20);
        for _ in 0..20 {
            let start = timing.slot_of(scene.now).next();
            while timing.slot_of(scene.now) < start {
                scene.step();
            }
            for client in &scene.clients {
                let current = client.follower.current(scene.now).unwrap();
                let started = current.document.slot.number() + 6;
                assert_eq!(started, timing.slot_of(scene.now).number(), "{slot:?} {}", S::NAME);
                assert_eq!(current.descriptors.len(), 11);
            }
        }
    }
    for millis in [50, 250, 1_000, 2_000, 10_000] {
        follow::<Classic>(Duration::from_millis(millis));
        follow::<Hybrid>(Duration::from_millis(millis));
    }
}

/// Checks that clients have a newer roster, and documents by it, before those by the one before are stale,
/// though the agencies go by it at once; however many nodes there are.
#[test]
fn a_newer_roster_comes_before_documents_by_the_older_are_stale() {
    fn follow<S: Suite>(nodes: u32) {
        let mut scene = Scene::<S>::new(nodes, Duration::from_millis(250));
        scene.clients = vec![scene.relay.client()];
        scene.run(SECOND * 240);
        let (roster, files) = roster::<S>(2, nodes + 1, Duration::from_millis(250));
        scene.relay.rosters.take(Arc::clone(&roster)).unwrap();
        (scene.relay.roster, scene.relay.files) = (roster, files);
        scene.relay.announce(nodes + 1, 1);
        let mut client = scene.clients.pop().unwrap();
        let (changed, mut heard) = (scene.now, None);
        while scene.now.since(changed) < SECOND * 240 {
            let chunk = scene.tick().unwrap();
            // Documents come that go by a roster which has not come yet.
            if client.try_take(scene.now, chunk).is_ok_and(|it| it == News::Roster { version: 2 }) {
                heard = Some(scene.now.since(changed));
            }
            let after = scene.now.since(changed);
            let current = client.follower.current(scene.now).is_some();
            assert!(current, "{nodes} {} {after:?}, the roster after {heard:?}", S::NAME);
        }
        println!("{nodes} nodes: a newer roster comes after {heard:?} ({})", S::NAME);
        let current = client.follower.current(scene.now).unwrap();
        let version = current.charter.roster.version;
        assert_eq!((version, current.descriptors.len()), (2, scene.relay.members.len()));
    }
    for nodes in [12, 400] {
        follow::<Classic>(nodes);
        follow::<Hybrid>(nodes);
    }
}

#[test]
fn an_update_gives_the_document_that_it_was_made_from() {
    let mut relay = Relay::<Classic>::new(12, SECOND);
    relay.agree(Slot::new(7));
    let base = relay.newest.clone().unwrap();
    relay.announce(3, 2);
    relay.members.retain(|member| member.node.get() != 9);
    relay.agree(Slot::new(8));
    let newer = relay.newest.clone().unwrap();
    let update = Update::between(&base.document, &newer).unwrap();
    assert_eq!((update.gone.len(), update.changed.len()), (1, 1));
    let encoded = Object::Update(update).encode();
    assert!(encoded.len() < newer.encode().len());
    let Object::Update(update) = Object::decode(&encoded).unwrap() else { panic!("an update") };
    assert_eq!(update.clone().apply(&newer.document), None, "another base");
    assert_eq!(update.apply(&base.document), Some(newer));
}

/// Checks that a roster is refused whose documents do not reach its clients in time, with the numbers, and
/// that the slot which the refusal names is short enough.
#[test]
fn a_roster_whose_documents_come_too_late_is_refused() {
    let room = |nodes, millis| {
        Room::of(&roster::<Classic>(1, nodes, Duration::from_millis(millis)).0).check()
    };
    assert_eq!(room(400, 250), Ok(()));
    for millis in [4, 50, 1_000, 10_000, 60_000] {
        assert_eq!(room(11, millis), Ok(()), "{millis}");
    }
    let refused = room(400, 2_000).unwrap_err().to_string();
    assert!(refused.starts_with("the documents of 400 nodes need"), "{refused}");
    let least =
        refused.split("set document_slot_ms to ").nth(1).unwrap().split(' ').next().unwrap();
    let least: u64 = least.parse().unwrap();
    let longer = |millis| {
        let (roster, _) = roster::<Classic>(1, 400, Duration::from_millis(2_000));
        let mut roster = Arc::into_inner(roster).unwrap();
        roster.directory.timing = Timing::with_interval(Duration::from_millis(millis));
        Room::of(&roster).check()
    };
    assert_eq!(longer(least), Ok(()));
    assert!(longer(least - 2_000).is_err(), "{refused}");
    let refused = room(3_000, 250).unwrap_err().to_string();
    assert!(refused.contains("votes of 8 agencies has"), "{refused}");
}
