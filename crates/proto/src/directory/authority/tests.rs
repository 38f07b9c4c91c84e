//! Four authorities that reach each other at once, and the nodes around them.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_packet::{Classic, Generation};

use super::*;
use crate::directory::descriptor::Descriptor;
use crate::directory::roster::{
    Directory, Role, RosterNode, SuiteName, Traffic, render_signatures,
};
use crate::directory::trust::{Agency, JoinKey};

const START: Time = Time::from_micros(1_795_000_000_000_000);
const AGENCIES: [&str; 4] = ["north", "south", "east", "west"];
const NODES: u32 = 7;

struct World {
    now: Time,
    authorities: BTreeMap<NodeNumber, Authority<Classic>>,
    boards: BTreeMap<NodeNumber, Board>,
    /// Number of the last post of a relay that another has got.
    told: BTreeMap<(NodeNumber, NodeNumber), u64>,
    announced: BTreeMap<NodeNumber, Announcement>,
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
            number => Role::Mix { layer: usize::try_from(number - 5).unwrap() },
        },
        addresses: vec![([10, 0, 0, 1], u16::try_from(number).unwrap()).into()],
        identity: key(number).public(),
    };
    let nodes: Vec<_> = (1..=NODES).map(node).collect();
    let traffic = Traffic::default();
    let directory = Directory::of(&traffic);
    let suite = SuiteName::Classic;
    let text = Roster::render("test", "2999-01-01", suite, &traffic, &directory, &nodes);
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
        key: vec![u8::try_from(generation).unwrap(); Classic::PUBLIC_KEY_LEN].into(),
    };
    Announcement { stays: true, descriptor: SignedDescriptor::sign(descriptor, &key(number)) }
}

impl World {
    fn new() -> Self {
        let relays = (1..5).map(NodeNumber::new);
        let begin = |relay: NodeNumber| (relay, Authority::begin(START, config(relay.get())));
        let announced = |number| (NodeNumber::new(number), announcement(number, 1));
        Self {
            now: START,
            authorities: relays.clone().map(begin).collect(),
            boards: relays.map(|relay| (relay, Board::default())).collect(),
            told: BTreeMap::new(),
            announced: (1..=NODES).map(announced).collect(),
        }
    }

    /// Lets seconds pass. All nodes say once in a slot that they are there.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + Duration::from_secs(1);
            for authority in self.authorities.values_mut() {
                authority.step(self.now);
                if self.now.seconds().is_multiple_of(10) {
                    for (node, announcement) in &self.announced {
                        let message = ControlMessage::Announcement(announcement.clone());
                        authority.handle(self.now, *node, message);
                    }
                }
            }
            while self.exchange() {}
            self.authorities.values_mut().for_each(|authority| drop(authority.turn(self.now)));
        }
    }

    /// Brings all relays what the others have posted; false if there was nothing new.
    fn exchange(&mut self) -> bool {
        let mut any = false;
        for (relay, authority) in &mut self.authorities {
            authority.post_to(self.now, self.boards.get_mut(relay).unwrap());
        }
        for (from, board) in &self.boards {
            for (to, authority) in self.authorities.iter_mut().filter(|(to, _)| *to != from) {
                let told = self.told.entry((*from, *to)).or_default();
                while let Some((number, message)) = board.after(*told, Audience::Relays) {
                    *told = number;
                    let message = ControlMessage::decode(&message).unwrap();
                    authority.handle(self.now, *from, message);
                    any = true;
                }
            }
        }
        any
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
