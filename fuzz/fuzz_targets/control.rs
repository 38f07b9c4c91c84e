//! Messages that nodes and relays exchange: descriptors, network documents, signatures.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rohrpost_fuzz::change::{Change, apply};
use rohrpost_fuzz::network::{NODES, NOW, ROSTER, TRUST, node_key, roster_text, sign};
use rohrpost_packet::{Classic, Generation, NodeNumber, Suite, SuiteId};
use rohrpost_proto::directory::control::ControlMessage;
use rohrpost_proto::directory::descriptor::{
    Descriptor, DescriptorBook, DescriptorRefusal, MAX_KEY_LEN, SignedDescriptor,
};
use rohrpost_proto::directory::document::{NetworkDocument, SignedDocument};
use rohrpost_proto::directory::roster::{Roster, RosterHash};
use rohrpost_proto::directory::signing::{IdentityKey, Signature, SigningKey};
use rohrpost_proto::directory::view::View;
use rohrpost_proto::time::Time;
use x25519_dalek::{PublicKey, StaticSecret};

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    Raw(&'a [u8]),
    Descriptor { choice: DescriptorChoice<'a>, changes: Vec<Change> },
    Document { choice: DocumentChoice<'a>, changes: Vec<Change> },
    Book(Vec<Announcement<'a>>),
    Signature { key: [u8; 32], signature: [u8; 32], message: &'a [u8] },
    Key(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
struct DescriptorChoice<'a> {
    node: u8,
    signer: u8,
    generation: u32,
    issued: u64,
    suite: u8,
    key: &'a [u8],
}

#[derive(Arbitrary, Debug)]
struct DocumentChoice<'a> {
    relay: u8,
    right_roster: bool,
    number: u64,
    descriptors: Vec<DescriptorChoice<'a>>,
}

#[derive(Arbitrary, Debug)]
struct Announcement<'a> {
    from: u8,
    later: u16,
    descriptor: DescriptorChoice<'a>,
}

fuzz_target!(|case: Case<'_>| match case {
    Case::Raw(bytes) => drop(decode(bytes)),
    Case::Descriptor { choice, changes } => descriptor(&choice, &changes),
    Case::Document { choice, changes } => document(&choice, &changes),
    Case::Book(announcements) => book(&announcements),
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
            issued: Time::from_micros(self.issued),
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
    let signed = ControlMessage::Descriptor(choice.sign());
    let whole = signed.encode();
    let mut bytes = whole.clone();
    apply(&mut bytes, changes);
    let Some(ControlMessage::Descriptor(arrived)) = decode(&bytes) else { return };
    let changed = bytes != whole;
    assert_eq!(arrived.verify(&ROSTER), choice.genuine() && !changed);
}

/// Checks that a network document is believed if and only if its relay signed it for this roster,
/// with genuine descriptors in order.
fn document(choice: &DocumentChoice<'_>, changes: &[Change]) {
    let descriptors = &choice.descriptors[..choice.descriptors.len().min(12)];
    let relay = NodeNumber::new(node(choice.relay));
    let document = NetworkDocument {
        roster_version: ROSTER.version,
        roster_hash: if choice.right_roster { ROSTER.hash } else { RosterHash::new([0; 32]) },
        number: choice.number,
        start: Time::from_micros(choice.number),
        made: Time::from_micros(choice.number),
        descriptors: descriptors.iter().map(DescriptorChoice::sign).collect(),
    };
    let signed = SignedDocument::sign(document, relay, &node_key(relay.get()));
    assert_eq!(signed.number(), choice.number);
    let whole = ControlMessage::Document(signed).encode();
    let mut bytes = whole.clone();
    apply(&mut bytes, changes);
    let Some(ControlMessage::Document(arrived)) = decode(&bytes) else { return };
    let ordered = descriptors.is_sorted_by(|one, next| one.node() < next.node());
    let genuine = descriptors.iter().all(DescriptorChoice::genuine);
    let known = (1..=NODES).contains(&relay.get());
    let believed = bytes == whole && choice.right_roster && known && ordered && genuine;
    let verified = arrived.verify(&ROSTER, relay);
    assert_eq!(verified.is_ok(), believed, "{:?}", verified.err());
    if let Ok(document) = verified {
        view(&document);
    }
}

/// Checks that keys which are none of the suite's are left out.
fn view(document: &NetworkDocument) {
    let text = roster_text();
    let roster = Roster::verify(&text, &sign(&text), &TRUST, NOW).expect("the fixed roster");
    let view = View::<Classic>::new(Arc::new(roster), document);
    assert!(view.len() <= document.descriptors.len());
    let usable = document.descriptors.iter().filter(|signed| {
        let descriptor = signed.descriptor();
        descriptor.suite == Classic::ID && is_usable(&descriptor.key)
    });
    assert_eq!(view.len(), usable.count());
}

/// True for a key with which a secret can be agreed on: the secret with a point of small order is zero.
fn is_usable(key: &[u8]) -> bool {
    let own = StaticSecret::from([1; 32]);
    let key = <[u8; 32]>::try_from(key);
    key.is_ok_and(|key| own.diffie_hellman(&PublicKey::from(key)).was_contributory())
}

/// Checks that a relay's book holds one descriptor per node, and that only newer ones replace it.
fn book(announcements: &[Announcement<'_>]) {
    let mut book = DescriptorBook::default();
    let mut held: Vec<Option<(Time, u32, u64)>> = vec![None; 10];
    let mut now = Time::from_micros(1_795_000_000_000_000);
    for Announcement { from, later, descriptor } in announcements.iter().take(24) {
        now = now + Duration::from_millis(u64::from(*later));
        let from = node(*from);
        let place = usize::try_from(from).expect("below ten");
        let new = (descriptor.generation, descriptor.issued);
        let expected = if from != descriptor.node() {
            Err(DescriptorRefusal::Node)
        } else if SuiteId::new(descriptor.suite) != Classic::ID {
            Err(DescriptorRefusal::Suite)
        } else if !descriptor.genuine() {
            Err(DescriptorRefusal::Signature)
        } else if held[place].is_some_and(|(_, generation, issued)| (generation, issued) >= new) {
            Err(DescriptorRefusal::Older)
        } else {
            held[place] = Some((now, new.0, new.1));
            Ok(())
        };
        let (number, signed) = (NodeNumber::new(from), descriptor.sign());
        assert_eq!(book.insert(now, number, signed, &ROSTER, Classic::ID), expected);
        if later % 7 == 0 {
            let limit = ROSTER.directory.descriptor_max_age;
            held.iter_mut().for_each(|held| {
                *held = held.filter(|(heard, ..)| now.since(*heard) <= limit);
            });
            assert_eq!(book.current(now, &ROSTER).len(), held.iter().flatten().count());
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
