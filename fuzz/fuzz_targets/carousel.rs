//! The directory on its way to clients: a relay's carousel, of which a client gets some pieces, and objects
//! that nobody should believe.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rohrpost_fuzz::change::{Change, apply};
use rohrpost_fuzz::network::{NODES, ROSTER, TRUST, node_key, roster_text, sign};
use rohrpost_packet::{Classic, Generation, NodeNumber, Suite};
use rohrpost_proto::directory::carousel::object::{Object, RosterFiles};
use rohrpost_proto::directory::carousel::receiver::Receiver;
use rohrpost_proto::directory::carousel::sender::{Carousel, Contents};
use rohrpost_proto::directory::consensus::document::{Document, Member, SignedDocument};
use rohrpost_proto::directory::consensus::documents::Documents;
use rohrpost_proto::directory::consensus::rosters::Rosters;
use rohrpost_proto::directory::consensus::vote::Key;
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::descriptors::Descriptors;
use rohrpost_proto::directory::follower::Follower;
use rohrpost_proto::directory::roster::render_signatures;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::{Chunk, chunk_len};
use rohrpost_proto::time::{Slot, Time};

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    /// Bytes that may be an object.
    Raw(&'a [u8]),
    /// A carousel over time.
    Round(Vec<Step>),
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// A node changes its key.
    Change(u8),
    /// The agencies agree on a document of these nodes.
    Agree(u8),
    /// Time passes, of so many cells. Of each the client gets the piece, if its bit is set.
    Cells { count: u8, taken: u32 },
    /// A piece comes that the relay has not sent so.
    Forged { changes: Vec<Change> },
    /// The client begins anew.
    Client,
}

fuzz_target!(|case: Case<'_>| match case {
    Case::Raw(bytes) => raw(bytes),
    Case::Round(steps) => {
        let mut scene = Scene::new();
        steps.iter().take(64).for_each(|step| scene.take(step));
        scene.settle();
    }
});

/// Checks that an object has one form.
fn raw(bytes: &[u8]) {
    if let Ok(object) = Object::decode(bytes) {
        assert_eq!(object.encode(), bytes, "one form");
    }
}

/// A relay and a client of it.
struct Scene {
    now: Time,
    contents: Contents,
    carousel: Carousel,
    generations: BTreeMap<u32, u32>,
    /// The documents on which the agencies have agreed.
    agreed: BTreeMap<Slot, Document>,
    receiver: Receiver,
    follower: Follower,
    /// The last piece that the relay has sent.
    last: Option<Chunk>,
}

impl Scene {
    fn new() -> Self {
        let roster = roster_text();
        let files = RosterFiles { signatures: render_signatures(&sign(&roster)), roster };
        let mut scene = Self {
            now: Time::from_micros(1_795_000_000_000_000),
            contents: Contents {
                documents: Documents::new(ROSTER.directory.timing),
                descriptors: Descriptors::default(),
                proofs: Vec::new(),
                roster: (files, ROSTER.version),
            },
            carousel: Carousel::new(chunk_len::<Classic>()),
            generations: BTreeMap::new(),
            agreed: BTreeMap::new(),
            receiver: Receiver::default(),
            follower: follower(),
            last: None,
        };
        (1..=NODES).for_each(|node| scene.change(node));
        scene
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Change(node) => self.change(1 + u32::from(*node) % NODES),
            Step::Agree(nodes) => self.agree(*nodes),
            Step::Cells { count, taken } => {
                for at in 0..u32::from(count % 64) {
                    self.cell(taken >> (at % 32) & 1 == 1);
                }
            }
            Step::Forged { changes } => self.forge(changes),
            Step::Client => (self.receiver, self.follower) = (Receiver::default(), follower()),
        }
    }

    fn descriptor(&self, node: u32) -> SignedDescriptor {
        let generation = self.generations[&node];
        let mut key = [7; Classic::PUBLIC_KEY_LEN];
        key[..4].copy_from_slice(&generation.to_be_bytes());
        let descriptor = Descriptor {
            node: NodeNumber::new(node),
            generation: Generation::new(generation),
            suite: Classic::ID,
            key: key.into(),
        };
        SignedDescriptor::sign(descriptor, &node_key(node))
    }

    fn change(&mut self, node: u32) {
        *self.generations.entry(node).or_default() += 1;
        let named = self.contents.documents.named();
        let signed = self.descriptor(node);
        self.contents.descriptors.insert(signed, |hash| named.contains(hash));
    }

    /// The nodes whose bits are set are up.
    fn agree(&mut self, nodes: u8) {
        let timing = ROSTER.directory.timing;
        self.now = self.now + timing.interval();
        let up = (1..=NODES).filter(|node| nodes >> (node - 1) & 1 == 1);
        let member = |node| {
            let signed = self.descriptor(node);
            let Descriptor { node, generation, .. } = *signed.descriptor();
            Member { node, key: Key { generation, descriptor: signed.hash() } }
        };
        let document = Document {
            roster_version: ROSTER.version,
            roster_hash: ROSTER.hash,
            slot: timing.slot_of(self.now),
            members: up.map(member).collect(),
        };
        let keys = [1, 2].map(|relay| (NodeNumber::new(relay), node_key(relay)));
        let keys = keys.iter().map(|(relay, key)| (*relay, key));
        let signed = SignedDocument::by(document.clone(), keys);
        let rosters = Rosters::new(Arc::clone(&ROSTER));
        let taken = self.contents.documents.take(self.now, signed, &rosters, |_| true);
        taken.expect("the agencies have signed it");
        self.agreed.insert(document.slot, document);
    }

    fn cell(&mut self, taken: bool) {
        self.now = self.now + ROSTER.traffic.slot;
        self.last = self.carousel.next(self.now, &self.contents);
        if let Some(chunk) = self.last.clone().filter(|_| taken) {
            self.bring(chunk);
        }
        self.check();
    }

    fn bring(&mut self, chunk: Chunk) {
        if let Ok(Some(object)) = self.receiver.take(chunk) {
            let _ = self.follower.take(self.now, object);
        }
    }

    fn forge(&mut self, changes: &[Change]) {
        let Some(mut chunk) = self.last.clone() else { return };
        let mut data = chunk.data.to_vec();
        apply(&mut data, changes);
        chunk.data = data.into();
        self.bring(chunk);
        self.check();
    }

    /// Checks that the client goes by nothing on which the agencies have not agreed.
    fn check(&self) {
        let Some(current) = self.follower.current(self.now) else { return };
        assert_eq!(self.agreed.get(&current.document.slot), Some(&current.document));
        let named = current.document.members.iter().map(|member| member.key.descriptor);
        assert!(named.eq(current.descriptors.iter().map(|signed| signed.hash())));
        assert!(View::<Classic>::of(&current).len() <= current.document.members.len());
    }

    /// Checks that a client that gets all pieces of two rounds has the document that holds, whatever came
    /// before.
    fn settle(&mut self) {
        if self.contents.documents.current(self.now).is_none() {
            return;
        }
        for _ in 0..120 {
            self.cell(true);
        }
        let current = self.contents.documents.current(self.now);
        let slot = |signed: &SignedDocument| signed.document.slot;
        let known = self.follower.current(self.now).map(|current| current.document.slot);
        assert_eq!(known, current.map(slot));
    }
}

fn follower() -> Follower {
    let trust = TRUST.render();
    let trust = rohrpost_proto::directory::trust::TrustRoot::parse(&trust).expect("the fixed root");
    Follower::new(Arc::new(trust), Arc::clone(&ROSTER), Classic::ID)
}
