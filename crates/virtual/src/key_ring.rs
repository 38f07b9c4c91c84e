//! All keys of a network's nodes in one hand, as nobody has them: documents and descriptors by
//! them, and packets opened hop by hop.

use std::collections::BTreeMap;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use rohrpost_packet::envelope::{
    Envelope, Fragment, FragmentPosition, Kind, MessageId, Standing, seal,
};
use rohrpost_packet::{Command, Generation, HopSecretKey, NodeNumber, Packet, Suite, open_header};
use rohrpost_proto::courier::{Account, Contact};
use rohrpost_proto::directory::carousel::object::Object;
use rohrpost_proto::directory::consensus::document::{Document, Member, SignedDocument};
use rohrpost_proto::directory::consensus::vote::Key;
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::follower::Follower;
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::trust::TrustRoot;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::directory::views::Views;
use rohrpost_proto::time::Slot;

use crate::node::{foreign_relays, rng};
use crate::roster::{BEGIN, Layout, node_key, roster};
use crate::toy::Toy;

/// Nodes that only exist as keys, and the document that names those which are up.
pub struct KeyRing {
    trust: Arc<TrustRoot>,
    roster: Arc<Roster>,
    keys: BTreeMap<NodeNumber, HopSecretKey<Toy>>,
}

/// A document that relays have crafted.
#[derive(Clone, Copy)]
pub struct Crafted<'a> {
    /// Nodes that it does not name.
    pub left_out: &'a [NodeNumber],
    /// Relays that have signed it.
    pub signers: &'a [NodeNumber],
}

impl KeyRing {
    /// Makes a key for each node of a network of this layout.
    #[must_use]
    pub fn new(seed: u64, layout: &Layout) -> Self {
        let (trust, roster) = roster(layout);
        let mut rng = rng(seed, "key ring", 0);
        let key = |rng: &mut ChaCha20Rng| HopSecretKey::generate(Generation::new(1), rng);
        let keys = roster.nodes().map(|node| (node.number, key(&mut rng))).collect();
        Self { trust: Arc::new(trust), roster, keys }
    }

    /// Roster of the network.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// View of a client whose relay names only the nodes that are not `left_out`.
    #[must_use]
    pub fn view(&self, left_out: &[NodeNumber]) -> Arc<View<Toy>> {
        let descriptors = self.descriptors(left_out);
        Arc::new(View::new(Arc::clone(&self.roster), 1, &descriptors))
    }

    /// View of a client to which these documents come, of one slot after another, and all
    /// descriptors, once the last of them has started; none if it takes none of them.
    #[must_use]
    pub fn view_by(&self, documents: &[Crafted<'_>]) -> Option<Arc<View<Toy>>> {
        let mut views = self.views();
        let timing = self.roster.directory.timing;
        let mut slot = timing.slot_of(BEGIN);
        for Crafted { left_out, signers } in documents {
            slot = Slot::new(slot.number() + 1);
            let document = Object::Document(self.document(slot, left_out, signers));
            for object in [Object::Descriptors(self.descriptors(&[])), document] {
                // What is refused counts as not said.
                let _ = views.take(timing.begin_of(slot), object);
            }
        }
        views.turn(timing.start_of(slot));
        views.view().cloned()
    }

    /// Descriptors of all nodes but those that are left out.
    pub(crate) fn descriptors(&self, left_out: &[NodeNumber]) -> Vec<SignedDescriptor> {
        let there = self.keys.iter().filter(|(number, _)| !left_out.contains(number));
        let descriptor = |(number, key): (&NodeNumber, &HopSecretKey<Toy>)| {
            let public = key.public();
            let (generation, key) = (public.generation(), public.as_bytes().into());
            let descriptor = Descriptor { node: *number, generation, suite: Toy::ID, key };
            SignedDescriptor::sign(descriptor, &node_key(*number))
        };
        there.map(descriptor).collect()
    }

    /// Document of a slot, of all nodes but those that are left out, under the signatures of these
    /// relays.
    pub(crate) fn document(
        &self,
        slot: Slot,
        left_out: &[NodeNumber],
        signers: &[NodeNumber],
    ) -> SignedDocument {
        let member = |signed: &SignedDescriptor| {
            let Descriptor { node, generation, .. } = *signed.descriptor();
            Member { node, key: Key { generation, descriptor: signed.hash() } }
        };
        let members = self.descriptors(left_out).iter().map(member).collect();
        let (roster_version, roster_hash) = (self.roster.version, self.roster.hash);
        let document = Document { roster_version, roster_hash, slot, members };
        let keys: Vec<_> = signers.iter().map(|relay| (*relay, node_key(*relay))).collect();
        SignedDocument::by(document, keys.iter().map(|(relay, key)| (*relay, key)))
    }

    /// The directory as somebody follows it who was told nothing yet.
    pub(crate) fn views(&self) -> Views<Toy> {
        Views::new(Follower::new(Arc::clone(&self.trust), Arc::clone(&self.roster), Toy::ID))
    }

    /// Trust root of the network.
    pub(crate) const fn trust(&self) -> &Arc<TrustRoot> {
        &self.trust
    }

    /// Roster of the network, for parties that share it.
    #[must_use]
    pub const fn shared_roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Opens a packet hop by hop from a node of this position on, and gives the nodes and what the
    /// last one is left with.
    pub(crate) fn follow<T>(
        &self,
        position: usize,
        first: NodeNumber,
        packet: Packet<Toy>,
        end: impl FnOnce(NodeNumber, rohrpost_packet::Opened<Toy>) -> T,
    ) -> (Vec<NodeNumber>, T) {
        let (mut path, mut packet) = (vec![first], packet);
        loop {
            let at = *path.last().expect("it begins with the first");
            let key = self.keys.get(&at).expect("packets go to nodes of the roster");
            let opened = open_header(packet, position + path.len() - 1, key)
                .expect("the packet is this hop's");
            let route = *opened.route();
            if route.command != Command::Forward {
                return (path, end(at, opened));
            }
            path.push(route.next);
            packet = opened.forward();
        }
    }

    /// Seals a letter from `writer` for the owner of this card.
    pub(crate) fn letter(
        &self,
        writer: &Account,
        card: &Contact,
        rng: &mut ChaCha20Rng,
    ) -> Envelope<Toy> {
        let fragment = Fragment {
            message: MessageId::random(rng),
            kind: Kind::Content,
            sequence: 0,
            position: FragmentPosition::WHOLE,
            minutes: 0,
            standing: Standing::default(),
            body: b"a letter".to_vec().into(),
        };
        let network = &self.roster.network_id;
        seal(&writer.identity, &card.identity, &card.prekey, network, &fragment, rng)
            .expect("the card's keys are good")
    }

    /// An account at relays of other operators than the entry's.
    pub(crate) fn account(&self, entry: NodeNumber, turn: usize, rng: &mut ChaCha20Rng) -> Account {
        let operator = &self.roster.node(entry).expect("the entry is in the roster").operator;
        Account::generate(foreign_relays(&self.roster, operator, turn), rng)
    }
}
