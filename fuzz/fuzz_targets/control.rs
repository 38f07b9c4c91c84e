//! Messages that nodes and relays exchange: announcements, votes, network documents, signatures.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rohrpost_fuzz::change::{Change, apply};
use rohrpost_fuzz::network::{NODES, NOW, ROSTER, TRUST, node_key, roster_text, sign};
use rohrpost_packet::{Classic, Generation, NodeNumber, Suite, SuiteId};
use rohrpost_proto::directory::carousel::object::Object;
use rohrpost_proto::directory::consensus::document::{Document, Member, SignedDocument};
use rohrpost_proto::directory::consensus::rosters::Charter;
use rohrpost_proto::directory::consensus::vote::{Heard, Key, Keys, SignedVote, Vote};
use rohrpost_proto::directory::control::{Announcement, ControlMessage};
use rohrpost_proto::directory::descriptor::{
    Descriptor, DescriptorHash, MAX_KEY_LEN, SignedDescriptor,
};
use rohrpost_proto::directory::presence::Presence;
use rohrpost_proto::directory::roster::{Roster, RosterHash};
use rohrpost_proto::directory::signing::{IdentityKey, Signature, SigningKey};
use rohrpost_proto::directory::view::View;
use rohrpost_proto::time::{Slot, Time};
use x25519_dalek::{PublicKey, StaticSecret};

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    Raw(&'a [u8]),
    Descriptor { choice: DescriptorChoice<'a>, changes: Vec<Change> },
    Vote { choice: VoteChoice, changes: Vec<Change> },
    Document { choice: DocumentChoice, changes: Vec<Change> },
    View(Vec<DescriptorChoice<'a>>),
    Presence(Vec<Said>),
    Signature { key: [u8; 32], signature: [u8; 32], message: &'a [u8] },
    Key(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
struct DescriptorChoice<'a> {
    node: u8,
    signer: u8,
    generation: u32,
    suite: u8,
    key: &'a [u8],
}

#[derive(Arbitrary, Debug)]
struct VoteChoice {
    relay: u8,
    signer: u8,
    right_roster: bool,
    slot: u64,
    heard: Vec<HeardChoice>,
}

#[derive(Arbitrary, Debug)]
struct HeardChoice {
    node: u8,
    up: bool,
    newest: u8,
    before: Option<u8>,
}

#[derive(Arbitrary, Debug)]
struct DocumentChoice {
    signers: Vec<u8>,
    right_roster: bool,
    slot: u64,
    members: Vec<(u8, u8)>,
}

/// A node's announcement comes so many milliseconds after the one before.
#[derive(Arbitrary, Debug)]
struct Said {
    node: u8,
    later: u16,
    generation: u8,
    stays: bool,
}

fuzz_target!(|case: Case<'_>| match case {
    Case::Raw(bytes) => drop(decode(bytes)),
    Case::Descriptor { choice, changes } => descriptor(&choice, &changes),
    Case::Vote { choice, changes } => vote(&choice, &changes),
    Case::Document { choice, changes } => document(&choice, &changes),
    Case::View(descriptors) => view(&descriptors),
    Case::Presence(said) => presence(&said),
    Case::Signature { key, signature, message } => forged(key, signature, message),
    Case::Key(bytes) => pkcs8(bytes),
});

/// Checks that a control message has one form, and that what is in it is authentic to nobody.
fn decode(bytes: &[u8]) -> Option<ControlMessage> {
    let message = ControlMessage::decode(bytes).ok()?;
    assert_eq!(message.encode(), bytes, "one form");
    Some(message)
}

impl DescriptorChoice<'_> {
    const fn node(&self) -> u32 {
        node(self.node)
    }

    fn genuine(&self) -> bool {
        (1..=NODES).contains(&self.node()) && node(self.signer) == self.node()
    }

    fn sign(&self) -> SignedDescriptor {
        let descriptor = Descriptor {
            node: NodeNumber::new(self.node()),
            generation: Generation::new(self.generation),
            suite: SuiteId::new(self.suite),
            key: self.key[..self.key.len().min(MAX_KEY_LEN)].into(),
        };
        SignedDescriptor::sign(descriptor, &node_key(node(self.signer)))
    }
}

/// Chooses a node, mostly one of the roster.
const fn node(choice: u8) -> u32 {
    (choice % 10) as u32
}

/// Checks that a descriptor is believed if and only if its own node signed what arrived.
fn descriptor(choice: &DescriptorChoice<'_>, changes: &[Change]) {
    let announcement = Announcement { stays: true, descriptor: choice.sign() };
    let whole = ControlMessage::Announcement(announcement).encode();
    let mut bytes = whole.clone();
    apply(&mut bytes, changes);
    let Some(ControlMessage::Announcement(arrived)) = decode(&bytes) else { return };
    // Whether the node stays is said on its own link.
    let changed = bytes[2..] != whole[2..];
    assert_eq!(arrived.descriptor.verify(&ROSTER), choice.genuine() && !changed);
}

fn key(generation: u8) -> Key {
    let descriptor = DescriptorHash::new([generation; 32]);
    Key { generation: Generation::new(generation.into()), descriptor }
}

fn roster_hash(right: bool) -> RosterHash {
    if right { ROSTER.hash } else { RosterHash::new([0; 32]) }
}

/// Checks that a vote is believed if and only if its relay signed it for this roster, with nodes in
/// order, and of each the newest key first.
fn vote(choice: &VoteChoice, changes: &[Change]) {
    let heard = &choice.heard[..choice.heard.len().min(12)];
    let relay = NodeNumber::new(node(choice.relay));
    let said = |heard: &HeardChoice| Heard {
        node: NodeNumber::new(node(heard.node)),
        up: heard.up,
        keys: Keys { newest: key(heard.newest), before: heard.before.map(key) },
    };
    let vote = Vote {
        roster_version: ROSTER.version,
        roster_hash: roster_hash(choice.right_roster),
        slot: Slot::new(choice.slot),
        heard: heard.iter().map(said).collect(),
    };
    let signed = SignedVote::sign(vote, relay, &node_key(node(choice.signer)));
    let whole = ControlMessage::Vote(signed).encode();
    let mut bytes = whole.clone();
    apply(&mut bytes, changes);
    let Some(ControlMessage::Vote(arrived)) = decode(&bytes) else { return };
    let known = |number: u32| (1..=NODES).contains(&number);
    let ordered = heard.is_sorted_by(|one, next| node(one.node) < node(next.node));
    let right = heard.iter().all(|heard| {
        known(node(heard.node)) && heard.before.is_none_or(|before| before < heard.newest)
    });
    let signed = known(relay.get()) && node(choice.signer) == relay.get();
    let believed = bytes == whole && choice.right_roster && signed && ordered && right;
    assert_eq!(arrived.verify(&ROSTER), believed);
}

/// Checks that a network document holds if and only if all relays of the roster's two agencies that
/// have one signed it for this roster, with nodes in order.
fn document(choice: &DocumentChoice, changes: &[Change]) {
    let members = &choice.members[..choice.members.len().min(12)];
    let member = |(number, generation): &(u8, u8)| Member {
        node: NodeNumber::new(node(*number)),
        key: key(*generation),
    };
    let document = Document {
        roster_version: ROSTER.version,
        roster_hash: roster_hash(choice.right_roster),
        slot: Slot::new(choice.slot),
        members: members.iter().map(member).collect(),
    };
    let signers: BTreeSet<_> = choice.signers.iter().take(12).map(|one| node(*one)).collect();
    let keys: Vec<_> =
        signers.iter().map(|relay| (NodeNumber::new(*relay), node_key(*relay))).collect();
    let signed = SignedDocument::by(document, keys.iter().map(|(relay, key)| (*relay, key)));
    let whole = ControlMessage::Object(Object::Document(signed)).encode();
    let mut bytes = whole.clone();
    apply(&mut bytes, changes);
    let Some(ControlMessage::Object(Object::Document(arrived))) = decode(&bytes) else { return };
    let charter = Charter::of(Arc::clone(&ROSTER));
    let holds = arrived.holds(&charter, |_| true);
    let ordered = members.is_sorted_by(|one, next| node(one.0) < node(next.0));
    let known = members.iter().all(|(number, _)| (1..=NODES).contains(&node(*number)));
    let enough = [1, 2].iter().all(|relay| signers.contains(relay));
    let right = choice.right_roster && ordered && known && enough;
    if bytes == whole {
        assert_eq!(holds, right);
        assert!(!arrived.holds(&charter, |relay| relay.get() != 1), "one counts for nothing");
    } else if holds {
        // What nobody signed is as it was, but for signatures that are not counted.
        assert!(right && bytes.starts_with(&whole[..whole.len() - signers.len() * 68 - 2]));
    }
}

/// Checks that keys which are none of the suite's are left out.
fn view(choices: &[DescriptorChoice<'_>]) {
    let choices = choices.iter().take(12).filter(|choice| (1..=NODES).contains(&choice.node()));
    let descriptors: Vec<_> = choices.map(DescriptorChoice::sign).collect();
    let text = roster_text();
    let roster = Roster::verify(&text, &sign(&text), &TRUST, NOW).expect("the fixed roster");
    let view = View::<Classic>::new(Arc::new(roster), 1, &descriptors);
    let usable = descriptors.iter().filter(|signed| {
        let descriptor = signed.descriptor();
        descriptor.suite == Classic::ID && is_usable(&descriptor.key)
    });
    let usable: BTreeSet<_> = usable.map(|signed| signed.descriptor().node).collect();
    assert!(view.nodes().eq(usable));
}

/// True for a key with which a secret can be agreed on: the secret with a point of small order is zero.
fn is_usable(key: &[u8]) -> bool {
    let own = StaticSecret::from([1; 32]);
    let key = <[u8; 32]>::try_from(key);
    key.is_ok_and(|key| own.diffie_hellman(&PublicKey::from(key)).was_contributory())
}

/// What a relay has heard of a node.
struct Known {
    heard: Time,
    stays: bool,
    newest: u8,
    before: Option<u8>,
    changed: Time,
}

/// Checks that a relay says of each node the key that it announced last, for two slots the one before
/// beside it if that is older and was said within three, and that it is up for three slots after it said
/// so.
fn presence(said: &[Said]) {
    let timing = ROSTER.directory.timing;
    let mut presence = Presence::new(timing);
    let mut held: BTreeMap<u32, Known> = BTreeMap::new();
    let mut now = Time::from_micros(1_795_000_000_000_000);
    for Said { node: number, later, generation, stays } in said.iter().take(24) {
        now = now + Duration::from_millis(u64::from(*later));
        let number = 1 + node(*number) % NODES;
        let descriptor = Descriptor {
            node: NodeNumber::new(number),
            generation: Generation::new((*generation).into()),
            suite: Classic::ID,
            key: [*generation; 32].into(),
        };
        let descriptor = SignedDescriptor::sign(descriptor, &node_key(number));
        presence.hear(now, &Announcement { stays: *stays, descriptor });
        let newest = *generation;
        let known = match held.remove(&number) {
            Some(known) if known.newest == newest => Known { heard: now, stays: *stays, ..known },
            known => {
                let lately = |known: &Known| now.since(known.heard) <= timing.interval() * 3;
                let before = known.filter(lately).map(|known| known.newest);
                let before = before.filter(|before| *before < newest);
                Known { heard: now, stays: *stays, newest, before, changed: now }
            }
        };
        held.insert(number, known);
        let all = presence.heard(now, &ROSTER);
        assert!(all.iter().map(|heard| heard.node.get()).eq(held.keys().copied()));
        for (heard, known) in all.iter().zip(held.values()) {
            assert_eq!(heard.up, known.stays && now.since(known.heard) <= timing.interval() * 3);
            let both = now.since(known.changed) <= timing.interval() * 2;
            let keys = [known.newest].into_iter().chain(known.before.filter(|_| both));
            assert!(heard.keys.iter().map(|key| key.generation.get()).eq(keys.map(u32::from)));
        }
    }
}

/// Checks that neither keys nor signatures that are no points make trouble.
fn forged(key: [u8; 32], signature: [u8; 32], message: &[u8]) {
    let signature = Signature::new([key, signature].concat().try_into().expect("twice 32"));
    let key = IdentityKey::new(key);
    // A key of small order accepts signatures that nobody made; whether it does is no matter here.
    let _ = key.verify(b"label", message, &signature);
    assert_eq!(key.to_string().parse(), Ok(key));
    assert_eq!(signature.to_string().parse(), Ok(signature));
}

/// Checks that a key file that is read gives the same key back.
fn pkcs8(bytes: &[u8]) {
    if let Ok(key) = SigningKey::from_pkcs8(bytes) {
        let again = SigningKey::from_pkcs8(&key.to_pkcs8()).expect("just written");
        assert_eq!(again.public(), key.public());
    }
}
