//! Carries the packets of a courier through the network of the roster to where they end, at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use rohrpost_packet::{
    Command, Generation, HopSecretKey, NodeNumber, Packet, ReplyId, open_header,
};
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::view::View;
use rohrpost_proto::instruction::{Instruction, RelayContext};

use crate::network::{NODES, ROSTER, join_key, node_key};
use crate::rng;
use crate::toy::Toy;

/// Nodes of the network, with the keys that they have now.
pub struct Carrier {
    keys: BTreeMap<NodeNumber, HopSecretKey<Toy>>,
}

/// Place at which a packet ended.
pub enum End {
    /// The packet ended at a relay, with this instruction.
    Relay(NodeNumber, Instruction<Toy>),
    /// The packet ended at the session that it answers.
    Session(ReplyId, Box<[u8]>),
    /// The packet ended at a node whose key has changed since.
    Nowhere,
}

impl Default for Carrier {
    fn default() -> Self {
        let numbers = (1..=NODES).map(NodeNumber::new);
        let key = |number: NodeNumber| {
            let purpose = u8::try_from(90 + number.get()).expect("eight nodes");
            (number, HopSecretKey::generate(Generation::new(1), &mut rng(purpose)))
        };
        Self { keys: numbers.map(key).collect() }
    }
}

impl Carrier {
    /// Starts a node anew: it gets another key.
    pub fn restart(&mut self, node: NodeNumber) {
        let Some(key) = self.keys.get_mut(&node) else { return };
        let generation = Generation::new(key.generation().get() + 60);
        *key = HopSecretKey::generate(generation, &mut rng(89));
    }

    /// The network without a node.
    #[must_use]
    pub fn view(&self, down: Option<NodeNumber>) -> Arc<View<Toy>> {
        let up = self.keys.iter().filter(|(number, _)| Some(**number) != down);
        let descriptor = |(number, key): (&NodeNumber, &HopSecretKey<Toy>)| {
            let descriptor = Descriptor {
                node: *number,
                generation: key.generation(),
                suite: <Toy as rohrpost_packet::Suite>::ID,
                key: key.public().as_bytes().into(),
            };
            SignedDescriptor::sign(descriptor, &node_key(number.get()))
        };
        let descriptors: Vec<_> = up.map(descriptor).collect();
        Arc::new(View::new(Arc::clone(&ROSTER), 1, &descriptors))
    }

    /// Opens layer after layer until the packet ends.
    #[must_use]
    pub fn carry(&self, mut to: NodeNumber, mut packet: Packet<Toy>) -> End {
        loop {
            let node = ROSTER.node(to).expect("a packet goes to nodes of the roster");
            let Ok(opened) = open_header(packet, node.role.position(), &self.keys[&to]) else {
                return End::Nowhere;
            };
            match opened.route().command {
                Command::Forward => {
                    to = opened.route().next;
                    packet = opened.forward();
                }
                Command::Deliver => {
                    let body = opened.deliver().expect("nobody has changed it");
                    let network = ROSTER.network_id;
                    let context = RelayContext { network, relay: to, join_key: join_key() };
                    let read = Instruction::decode(&body, &context);
                    return End::Relay(to, read.expect("a courier writes valid instructions"));
                }
                Command::Reply | Command::Loop => {
                    let (id, payload) = opened.reply();
                    return End::Session(id, payload);
                }
            }
        }
    }
}
