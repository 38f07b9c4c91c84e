//! Four authorities that reach each other at once, the nodes around them, and whoever lies.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_packet::{Classic, Generation};

use super::*;
use crate::directory::consensus::rosters::Break;
use crate::directory::consensus::vote::{Heard, Key, Keys, SignedVote, Vote};
use crate::directory::descriptor::Descriptor;
use crate::directory::roster::{
    Directory, Role, RosterNode, SuiteName, Traffic, render_signatures,
};
use crate::directory::trust::{Agency, JoinKey};

const START: Time = Time::from_micros(1_795_000_000_000_000);
const AGENCIES: [&str; 4] = ["north", "south", "east", "west"];
const NODES: u32 = 7;
const FOLLOWER: NodeNumber = NodeNumber::new(99);
const SETTLED: Duration = Duration::from_secs(120);
const SLOT: Duration = Duration::from_secs(10);

struct World {
    now: Time,
    authorities: BTreeMap<NodeNumber, Authority<Classic>>,
    boards: BTreeMap<NodeNumber, Board>,
    /// Number of the last post of a relay that another has got.
    told: BTreeMap<(NodeNumber, NodeNumber), u64>,
    announced: BTreeMap<NodeNumber, Announcement>,
    /// Relays that say nothing of their own.
    mute: Vec<NodeNumber>,
    /// A node that a relay does not hear.
    unheard: Option<(NodeNumber, NodeNumber)>,
    /// Somebody who follows what relays tell all nodes.
    follower: Views<Classic>,
}

fn key(number: u32) -> SigningKey {
    let mut seed = [5; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(&seed)
}

fn agency_key(at: u32) -> SigningKey {
    key(100 + at)
}

fn config(number: u32) -> AuthorityConfig {
    config_of(number, 1, &[1, 2, 3, 4, 5, 6, 7])
}

/// What a relay is started with where the roster of this version names these nodes.
fn config_of(number: u32, version: u32, nodes: &[u32]) -> AuthorityConfig {
    let agency =
        |(at, name): (u32, &str)| Agency { name: name.into(), key: agency_key(at).public() };
    let agencies = (0..).zip(AGENCIES).map(agency).collect();
    let trust = TrustRoot::new("test".into(), agencies, 3, JoinKey::new([1; 32])).unwrap();
    let node = |number: u32| RosterNode {
        number: NodeNumber::new(number),
        name: format!("node-{number}"),
        operator: AGENCIES[usize::try_from((number - 1) % 4).unwrap()].into(),
        role: match number {
            ..5 => Role::Relay,
            number => Role::Mix { layer: usize::try_from((number - 5) % 3).unwrap() },
        },
        addresses: vec![([10, 0, 0, 1], u16::try_from(number).unwrap()).into()],
        identity: key(number).public(),
    };
    let nodes: Vec<_> = nodes.iter().map(|number| node(*number)).collect();
    let traffic = Traffic::default();
    let directory = Directory::of(&traffic);
    let suite = SuiteName::Classic;
    let text = Roster::render("test", "2999-01-01", suite, &traffic, &directory, &nodes);
    let text = text.replacen("version = 1", &format!("version = {version}"), 1);
    let sign = |(at, name): (u32, &str)| Roster::sign(&text, &trust, name, &agency_key(at));
    let signatures: Vec<_> = (0..).zip(AGENCIES).map(sign).collect();
    let roster = Roster::verify(&text, &signatures, &trust, 0).unwrap();
    AuthorityConfig {
        number: NodeNumber::new(number),
        key: Arc::new(key(number)),
        trust: Arc::new(trust),
        roster: Arc::new(roster),
        files: RosterFiles { roster: text, signatures: render_signatures(&signatures) },
    }
}

fn announcement(number: u32, generation: u32) -> Announcement {
    let descriptor = Descriptor {
        node: NodeNumber::new(number),
        generation: Generation::new(generation),
        suite: Classic::ID,
        key: vec![generation.to_be_bytes()[3] | 1; Classic::PUBLIC_KEY_LEN].into(),
    };
    Announcement { stays: true, descriptor: SignedDescriptor::sign(descriptor, &key(number)) }
}

/// What a link brings that was not read yet.
fn read(
    told: &mut BTreeMap<(NodeNumber, NodeNumber), u64>,
    link: (NodeNumber, NodeNumber),
    board: &Board,
    audience: Audience,
) -> Vec<ControlMessage> {
    let mut messages = Vec::new();
    let told = told.entry(link).or_insert_with(|| {
        let (last, first) = board.first(audience);
        messages.extend(first);
        last
    });
    while let Some((number, message)) = board.after(*told, audience) {
        *told = number;
        messages.push(message);
    }
    messages.iter().map(|message| ControlMessage::decode(message).unwrap()).collect()
}

impl World {
    fn new() -> Self {
        let relays = (1..5).map(NodeNumber::new);
        let begin = |relay: NodeNumber| (relay, Authority::begin(START, config(relay.get())));
        let announced = |number| (NodeNumber::new(number), announcement(number, 1));
        let AuthorityConfig { trust, roster, .. } = config(1);
        Self {
            now: START,
            authorities: relays.clone().map(begin).collect(),
            boards: relays.map(|relay| (relay, Board::default())).collect(),
            told: BTreeMap::new(),
            announced: (1..=NODES).map(announced).collect(),
            mute: Vec::new(),
            unheard: None,
            follower: Views::new(Follower::new(trust, roster, Classic::ID)),
        }
    }

    /// Lets seconds pass. All nodes say once in a slot that they are there.
    fn run(&mut self, time: Duration) {
        self.run_beside(time, |_| {});
    }

    /// The same, with something that happens in each second before the nodes say so.
    fn run_beside(&mut self, time: Duration, mut beside: impl FnMut(&mut Self)) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + Duration::from_secs(1);
            beside(self);
            for (relay, authority) in &mut self.authorities {
                authority.step(self.now);
                let heard = self.announced.iter().filter(|(node, _)| {
                    self.now.seconds().is_multiple_of(10) && self.unheard != Some((**node, *relay))
                });
                for (node, announcement) in heard {
                    let message = ControlMessage::Announcement(announcement.clone());
                    authority.handle(self.now, *node, message);
                }
            }
            self.settle();
        }
    }

    /// A relay starts anew, and with it its links.
    fn restart(&mut self, number: u32) {
        self.restart_with(config(number));
    }

    /// The same, with these files.
    fn restart_with(&mut self, config: AuthorityConfig) {
        let relay = config.number;
        self.authorities.insert(relay, Authority::begin(self.now, config));
        self.boards.insert(relay, Board::default());
        self.told.retain(|(from, to), _| *from != relay && *to != relay);
    }

    /// Lets what was posted reach all.
    fn settle(&mut self) {
        while self.exchange() {}
        self.authorities.values_mut().for_each(|authority| drop(authority.turn(self.now)));
        self.follower.turn(self.now);
    }

    /// Brings all relays and the follower what the others have posted; false if there was nothing new.
    fn exchange(&mut self) -> bool {
        let mut any = false;
        for (relay, authority) in &mut self.authorities {
            authority.post_to(self.now, self.boards.get_mut(relay).unwrap());
        }
        for (from, board) in self.boards.iter().filter(|(relay, _)| !self.mute.contains(relay)) {
            for (to, authority) in self.authorities.iter_mut().filter(|(to, _)| *to != from) {
                for message in read(&mut self.told, (*from, *to), board, Audience::Relays) {
                    authority.handle(self.now, *from, message);
                    any = true;
                }
            }
            for message in read(&mut self.told, (*from, FOLLOWER), board, Audience::All) {
                if let ControlMessage::Object(object) = message {
                    let _ = self.follower.take(self.now, object);
                }
            }
        }
        any
    }

    /// A relay says something to all others.
    fn say(&mut self, relay: u32, message: &ControlMessage) {
        let from = NodeNumber::new(relay);
        for (_, authority) in self.authorities.iter_mut().filter(|(to, _)| **to != from) {
            let message = ControlMessage::decode(&message.encode()).unwrap();
            authority.handle(self.now, from, message);
        }
    }

    /// A node announces itself to a relay.
    fn announce(&mut self, node: u32, to: u32, generation: u32) {
        let message = ControlMessage::Announcement(announcement(node, generation));
        let relay = self.authorities.get_mut(&NodeNumber::new(to)).unwrap();
        relay.handle(self.now, NodeNumber::new(node), message);
    }

    /// Generation of a node's key by which packets are built now; none if it is in no document.
    fn generation(&self, node: u32) -> Option<u32> {
        let current = self.follower.follower().current(self.now).expect("a document holds");
        let member = current.document.members.iter().find(|member| member.node.get() == node);
        member.map(|member| member.key.generation.get())
    }

    /// Lets time pass, in which the document that holds is never older than these slots.
    fn run_fresh(&mut self, time: Duration, slots: u32) {
        for _ in 0..time.as_secs() {
            self.run(Duration::from_secs(1));
            let slot = self.follower.slot().expect("a document holds");
            let age = self.now.since(Timing::with_interval(SLOT).start_of(slot));
            assert!(age <= SLOT * slots, "the document that holds is {age:?} old");
        }
    }

    /// Version of the roster of the document by which packets are built now.
    fn version(&self) -> u32 {
        self.follower
            .follower()
            .current(self.now)
            .expect("a document holds")
            .document
            .roster_version
    }

    fn authority(&self, number: u32) -> &Authority<Classic> {
        &self.authorities[&NodeNumber::new(number)]
    }
}

/// Checks that authorities that have just started agree on a document of all nodes, which holds within
/// two minutes, and then on one in every slot.
#[test]
fn authorities_agree_from_their_start_on() {
    let mut world = World::new();
    world.run(Duration::from_secs(120));
    let first = world.authority(1).follower().current(world.now).expect("a document holds");
    assert_eq!(first.descriptors.len(), 7);
    let slot = first.document.slot;
    world.run(Duration::from_secs(60));
    for number in 1..5 {
        let current = world.authority(number).follower().current(world.now).unwrap();
        assert_eq!(current.document.slot.number(), slot.number() + 6);
    }
}

/// Checks that a relay that votes by the roster's hash, and another version, spoils no document: of those
/// that begin with its vote, as the one of the lowest number, all would name that version.
#[test]
fn a_vote_that_names_another_version_of_the_roster_counts_for_nothing() {
    let mut world = World::new();
    world.mute.push(NodeNumber::new(1));
    let config = config(1);
    let lie = |world: &World| {
        let vote = Vote {
            roster_version: config.roster.version + 1,
            roster_hash: config.roster.hash,
            slot: config.roster.directory.timing.slot_of(world.now),
            heard: Vec::new(),
        };
        ControlMessage::Vote(SignedVote::sign(vote, config.number, &config.key))
    };
    let mut held = BTreeSet::new();
    for _ in 0..300 {
        world.say(1, &lie(&world));
        world.run(Duration::from_secs(1));
        held.extend(world.follower.slot());
    }
    // Of four slots the one in which the liar proposes is empty.
    assert!(held.len() >= 15, "{held:?}");
}

/// Checks that what a relay makes up about others' keys keeps nobody from being heard.
#[test]
fn made_up_descriptors_cost_nobody_the_next_key() {
    let mut world = World::new();
    world.run(SETTLED);
    let forged = |number: u32, generation: u32| {
        let Announcement { descriptor, .. } = announcement(number, generation);
        SignedDescriptor::sign(descriptor.descriptor().clone(), &key(77))
    };
    for second in 0..180 {
        if second == 20 {
            (1..=NODES).for_each(|number| {
                world.announced.insert(NodeNumber::new(number), announcement(number, 2));
            });
        }
        let all = (1..=NODES).map(|number| forged(number, 1000 + second)).collect();
        let lie = ControlMessage::Object(Object::Descriptors(all));
        world.run_beside(Duration::from_secs(1), |world| world.say(1, &lie));
        assert!((1..=NODES).all(|number| world.generation(number).is_some()), "{second}");
    }
    assert!((1..=NODES).all(|number| world.generation(number) == Some(2)));
}

/// Checks that a mix that announces one key after another leaves nobody without a document of which all
/// keys are at hand. It keeps old keys at all relays that no document names, has all vote for one of
/// them beside a newer one, which is another at each relay, and meanwhile pushes out as many as it may.
#[test]
fn a_node_that_changes_its_key_all_the_time_leaves_every_document_complete() {
    let mut world = World::new();
    let steady = 1_000_000;
    world.announced.insert(NodeNumber::new(6), announcement(6, steady));
    world.run(SETTLED);
    world.announced.remove(&NodeNumber::new(6));
    for round in 0..40 {
        let made = 10 + round;
        for relay in 1..5 {
            // A common key that no document names, for later, and back to the one that all name.
            world.announce(6, relay, made);
            world.announce(6, relay, steady);
            // An old one that all know, and before the next slot another at each.
            world.announce(6, relay, made.saturating_sub(OLDEST).max(10));
            world.announce(6, relay, 2 * steady + 10 * round + relay);
        }
        world.settle();
        for second in 0..20 {
            world.run(Duration::from_secs(1));
            assert!(world.follower.follower().current(world.now).is_some(), "{round} {second}");
            let slot = world.follower.slot().unwrap();
            let age = world.now.since(Timing::with_interval(SLOT).start_of(slot));
            assert!(age < SLOT * 3, "{round}: the document that holds is {age:?} old");
        }
    }
}

/// Keys after which the last of those that are kept is pushed out, where every other is a common one.
const OLDEST: u32 = 6;

/// Checks that a relay that starts anew has documents with all keys that they name, though a node has no
/// link to it: what the only other says comes in an order in which it is taken.
#[test]
fn a_relay_that_starts_anew_has_complete_documents_at_once() {
    let mut world = World::new();
    world.run(SETTLED);
    world.unheard = Some((NodeNumber::new(7), NodeNumber::new(3)));
    world.mute = [1, 2].map(NodeNumber::new).into();
    world.restart(3);
    world.run(Duration::from_secs(20));
    let current = world.authority(3).follower().current(world.now).expect("a document holds");
    assert_eq!(current.descriptors.len(), 7);
}

/// Checks that a node whose clock was set back, or that was started twice in one second, is used with the
/// key that it has, and not with that of the process before.
#[test]
fn the_key_that_a_node_announced_last_is_its_newest() {
    let mut world = World::new();
    world.announced.insert(NodeNumber::new(6), announcement(6, 90));
    world.run(SETTLED);
    assert_eq!(world.generation(6), Some(90));
    world.announced.insert(NodeNumber::new(6), announcement(6, 7));
    world.run(SETTLED);
    assert_eq!(world.generation(6), Some(7));
}

/// Checks that one liar and one relay that does not hear a node any more do not take it back to the key
/// before, which is gone after the grace.
#[test]
fn an_old_key_does_not_come_back_by_a_liar_and_one_who_does_not_hear_the_node() {
    let mut world = World::new();
    world.run(SETTLED);
    world.unheard = Some((NodeNumber::new(6), NodeNumber::new(4)));
    world.announced.insert(NodeNumber::new(6), announcement(6, 2));
    world.mute.push(NodeNumber::new(1));
    let config = config(1);
    let timing = config.roster.directory.timing;
    let key_of = |number: u32| {
        let Announcement { descriptor, .. } = announcement(number, 1);
        let newest = Key { generation: Generation::new(1), descriptor: descriptor.hash() };
        Heard { node: NodeNumber::new(number), up: true, keys: Keys { newest, before: None } }
    };
    for second in 0..600 {
        let vote = Vote {
            roster_version: config.roster.version,
            roster_hash: config.roster.hash,
            slot: timing.slot_of(world.now),
            heard: (1..=NODES).map(key_of).collect(),
        };
        world.say(1, &ControlMessage::Vote(SignedVote::sign(vote, config.number, &config.key)));
        world.run(Duration::from_secs(1));
        let old = world.generation(6) == Some(1);
        assert!(!old || second < timing.named_for().as_secs(), "at {second}");
    }
    // Two of four hear it, which is no majority.
    assert_eq!(world.generation(6), None);
}

/// Nodes of the second roster: without one mix, with two others.
const SECOND: &[u32] = &[1, 2, 3, 4, 6, 7, 8, 9];

/// Checks that a roster that one relay was started with comes to all others, who go by it at once; no
/// document is late for it, who is new in it is used, and the roster before is forgotten.
#[test]
fn a_roster_of_one_relay_comes_to_all_while_they_run() {
    let mut world = World::new();
    world.run(SETTLED);
    world.restart_with(config_of(2, 2, SECOND));
    for number in [8, 9] {
        world.announced.insert(NodeNumber::new(number), announcement(number, 1));
    }
    world.run_fresh(Duration::from_secs(55), 9);
    assert_eq!(world.version(), 1, "documents by the first hold until those by the second start");
    world.run_fresh(SETTLED, 9);
    assert_eq!(world.version(), 2);
    assert_eq!([5, 8, 9].map(|node| world.generation(node)), [None, Some(1), Some(1)]);
    world.run_fresh(SETTLED, 2);
    for number in 1..5 {
        let rosters = world.authority(number).follower().rosters();
        assert_eq!(rosters.iter().count(), 1, "no document goes by the first any more");
    }
}

/// Checks that relays that are started anew with a roster, one after another, are never too few for
/// documents, however long it takes.
#[test]
fn a_roster_that_comes_with_one_restart_after_the_other_leaves_no_gap() {
    for pause in [15, 60, 200] {
        let mut world = World::new();
        world.run(SETTLED);
        for number in 1..5 {
            world.restart_with(config_of(number, 2, SECOND));
            world.run_fresh(Duration::from_secs(pause), 11);
        }
        world.run_fresh(Duration::from_secs(300), 11);
        assert_eq!(world.version(), 2);
    }
}

/// Checks that whoever holds the key that a node had before is not heard in its place, and that what it
/// has announced by it before is in no document of the newer roster.
#[test]
fn a_key_that_a_newer_roster_replaces_counts_no_more() {
    let mut world = World::new();
    world.run(SETTLED);
    let (old, new) = (key(6).public().to_string(), key(106).public().to_string());
    let second = config_of(2, 2, &[1, 2, 3, 4, 5, 6, 7]);
    world.restart_with(resigned(second, |text| text.replace(&old, &new)));
    world.run_fresh(SETTLED * 2, 9);
    assert_eq!((world.version(), world.generation(6)), (2, None), "its owner has not moved yet");
    let Announcement { descriptor, .. } = announcement(6, 3);
    let descriptor = SignedDescriptor::sign(descriptor.descriptor().clone(), &key(106));
    world.announced.insert(NodeNumber::new(6), Announcement { stays: true, descriptor });
    world.run_fresh(SETTLED, 3);
    assert_eq!(world.generation(6), Some(3));
}

/// Checks that a roster that has other rates than the first is told of, and changes nothing.
#[test]
fn a_roster_with_other_rates_is_told_of() {
    let mut world = World::new();
    world.run(SETTLED);
    let faster = |text: &str| text.replacen("cover_floor = ", "cover_floor = 1", 1);
    let AuthorityConfig { files, .. } = resigned(config_of(1, 2, SECOND), faster);
    let message = ControlMessage::Object(Object::Roster(files));
    let now = world.now;
    let relay = world.authorities.get_mut(&NodeNumber::new(1)).unwrap();
    let news = relay.handle(now, NodeNumber::new(2), message);
    assert!(matches!(news, News::Unfollowed { version: 2, reason: Break::Rates }), "{news:?}");
    world.run_fresh(SETTLED, 2);
    assert_eq!(world.version(), 1);
}

/// What a relay is started with, where the roster's text is another, which all have signed.
fn resigned(config: AuthorityConfig, change: impl Fn(&str) -> String) -> AuthorityConfig {
    let text = change(&config.files.roster);
    let sign = |(at, name): (u32, &str)| Roster::sign(&text, &config.trust, name, &agency_key(at));
    let signatures: Vec<_> = (0..).zip(AGENCIES).map(sign).collect();
    let roster = Arc::new(Roster::verify(&text, &signatures, &config.trust, 0).unwrap());
    let files = RosterFiles { roster: text, signatures: render_signatures(&signatures) };
    AuthorityConfig { roster, files, ..config }
}

/// Checks that what a relay adds to the signatures of a roster goes no further: it would keep the roster
/// from clients, to whom it is not sent when it is too long.
#[test]
fn what_is_added_to_the_signatures_of_a_roster_goes_no_further() {
    let mut world = World::new();
    world.run(SETTLED);
    let RosterFiles { roster, signatures } = config_of(1, 2, SECOND).files;
    let much = "#".repeat(600_000);
    let more = RosterFiles {
        roster: roster.clone(),
        signatures: format!("{signatures}{signatures}{much}\n{signatures}"),
    };
    let (now, message) = (world.now, ControlMessage::Object(Object::Roster(more)));
    let relay = world.authorities.get_mut(&NodeNumber::new(1)).unwrap();
    let news = relay.handle(now, NodeNumber::new(2), message);
    assert_eq!(news, News::Roster { version: 2 });
    let (files, version) = relay.contents().roster;
    assert_eq!((files, version), (RosterFiles { roster, signatures }, 2));
}
