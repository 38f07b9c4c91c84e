//! The nodes of a year: real relays and mixes, as far as days and weeks can tell.
//!
//! A node is its packet keys with their replay memory ([`Hop`]), and a relay its mailboxes; both are
//! gone when it ends, and the network document tells so. What lasts under a minute is left out: a
//! packet passes its hops at once and arrives after the delays that its headers name, and entry
//! relays hold nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use rand::RngExt;
use rohrpost_client::Network;
use rohrpost_packet::envelope::Envelope;
use rohrpost_packet::{Body, Command, Generation, NodeNumber, ReplyId, SessionId, Suite};
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::roster::Role;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::{Frame, OutgoingFrame};
use rohrpost_proto::hop::Hop;
use rohrpost_proto::instruction::{Instruction, MailboxId, RelayContext};
use rohrpost_proto::mailbox::{MailboxLimits, Mailboxes};
use rohrpost_proto::time::Time;
use rohrpost_virtual::{Toy, node_key};

/// All nodes of the network, and what their newest document says.
pub(crate) struct Relays {
    network: Arc<Network>,
    nodes: BTreeMap<NodeNumber, Node>,
    document: Document,
    rng: ChaCha20Rng,
}

/// A node that is up.
struct Node {
    hop: Hop<Toy>,
    /// Time at which the newest key was made.
    made: Time,
    /// Mailboxes of a relay.
    mailboxes: Option<(Mailboxes<Toy>, RelayContext)>,
}

/// The newest network document, as clients read it.
#[derive(Clone)]
pub(crate) struct Document {
    /// Number of this document among all of the run.
    pub(crate) edition: u64,
    pub(crate) view: Arc<View<Toy>>,
    /// Time that the document attests.
    pub(crate) attested: Time,
}

/// End of a packet's way.
pub(crate) enum Arrival {
    AtRelay(NodeNumber, Box<Body>),
    AtSession(SessionId, ReplyId, Box<[u8]>),
}

impl Relays {
    /// All nodes of a network, just started.
    pub(crate) fn start(network: &Arc<Network>, now: Time, rng: ChaCha20Rng) -> Self {
        let roster = &network.roster;
        let nodes = roster.nodes().map(|node| (node.number, Node::start(network, node.number)));
        let mut nodes: BTreeMap<_, _> = nodes.collect();
        let mut rng = rng;
        nodes.values_mut().for_each(|node| node.rotate(now, now, &mut rng));
        let document = publish(network, &nodes, now, 1);
        Self { network: Arc::clone(network), nodes, document, rng }
    }

    /// Ends a node without a word: keys and mailboxes are gone.
    pub(crate) fn kill(&mut self, number: NodeNumber, now: Time) {
        self.nodes.remove(&number);
        self.publish(now);
    }

    /// Starts a node anew, with an empty memory.
    pub(crate) fn revive(&mut self, number: NodeNumber, now: Time) {
        let mut node = Node::start(&self.network, number);
        node.rotate(now, now, &mut self.rng);
        self.nodes.insert(number, node);
        self.publish(now);
    }

    pub(crate) fn is_up(&self, number: NodeNumber) -> bool {
        self.nodes.contains_key(&number)
    }

    pub(crate) const fn document(&self) -> &Document {
        &self.document
    }

    /// Tends keys and mailboxes, as nodes do by themselves, and publishes a document.
    pub(crate) fn tend(&mut self, now: Time) {
        let roster = &self.network.roster;
        for node in self.nodes.values_mut() {
            node.hop.sweep(now);
            if now.since(node.made) >= roster.directory.epoch {
                node.rotate(now, now + roster.grace(), &mut self.rng);
            }
            if let Some((mailboxes, _)) = &node.mailboxes {
                mailboxes.sweep(now);
            }
        }
        self.publish(now);
    }

    /// The answers of a common tick, each with the time and place of its arrival.
    pub(crate) fn answer(&mut self, now: Time) -> Vec<(Time, Arrival)> {
        let mut answers = Vec::new();
        for (number, node) in &self.nodes {
            if let Some((mailboxes, _)) = &node.mailboxes {
                let frames = mailboxes.tick(now, &mut self.rng);
                answers.extend(frames.into_iter().map(|frame| (*number, frame)));
            }
        }
        let carried = answers.into_iter().filter_map(|(from, frame)| self.carry(now, from, frame));
        carried.collect()
    }

    /// Carries a packet that leaves `from` to its end; none if it is lost on its way.
    pub(crate) fn carry(
        &mut self,
        now: Time,
        from: NodeNumber,
        outgoing: OutgoingFrame<Toy>,
    ) -> Option<(Time, Arrival)> {
        if self.rng.random_range(0..1_000) < LOST_PER_THOUSAND {
            return None;
        }
        let (mut from, mut at, mut outgoing) = (from, now, outgoing);
        loop {
            let OutgoingFrame { to, frame } = outgoing;
            let role = self.network.roster.node(to)?.role;
            let ingress = self.network.roster.ingress(role, from)?;
            let opened = self.nodes.get(&to)?.hop.open(ingress, frame).ok()?;
            let route = *opened.route();
            at = at + route.delay.duration();
            match route.command {
                Command::Forward => {
                    let packet = opened.forward();
                    let frame = Frame { generation: route.next_generation, packet };
                    from = to;
                    outgoing = OutgoingFrame { to: route.next, frame };
                }
                Command::Deliver => {
                    let body = Box::new(opened.deliver().ok()?);
                    return Some((at, Arrival::AtRelay(to, body)));
                }
                Command::Reply => {
                    let (id, payload) = opened.reply();
                    return Some((at, Arrival::AtSession(route.session, id, payload)));
                }
                Command::Loop => return None,
            }
        }
    }

    /// Has a relay follow what a packet tells it. Whether it does stays its secret, but the envelope
    /// that it has stored is given, with its mailbox.
    pub(crate) fn instruct(
        &self,
        relay: NodeNumber,
        body: &Body,
        now: Time,
    ) -> Option<(MailboxId, Envelope<Toy>)> {
        let (mailboxes, context) = self.nodes.get(&relay)?.mailboxes.as_ref()?;
        let instruction = Instruction::decode(body, context).ok()?;
        let stored = match &instruction {
            Instruction::Store(store) => Some((store.mailbox, store.envelope.clone())),
            Instruction::Discard | Instruction::Pull(_) => None,
        };
        mailboxes.handle(now, instruction).ok()?;
        stored
    }

    fn publish(&mut self, now: Time) {
        self.document = publish(&self.network, &self.nodes, now, self.document.edition + 1);
    }
}

impl Node {
    fn start(network: &Network, number: NodeNumber) -> Self {
        let roster = &network.roster;
        let role = roster.node(number).expect("only nodes of the roster are started").role;
        let links = roster.predecessors(role).count();
        let context = RelayContext {
            network: roster.network_id,
            relay: number,
            join_key: network.trust.join_key().clone(),
        };
        // Of 240 times fewer pulls than by the default slot.
        let limits = MailboxLimits { pulls_per_room: 1, ..MailboxLimits::of(&roster.traffic) };
        let mailboxes = || (Mailboxes::new(limits), context);
        Self {
            hop: Hop::new(role.position(), links, REMEMBERED),
            made: Time::from_micros(0),
            mailboxes: (role == Role::Relay).then(mailboxes),
        }
    }

    fn rotate(&mut self, now: Time, retires: Time, rng: &mut ChaCha20Rng) {
        let generation = u32::try_from(now.seconds()).expect("no run goes beyond 2106");
        self.hop.rotate(Generation::new(generation), retires, rng);
        self.made = now;
    }

    fn descriptor(&self, node: NodeNumber) -> SignedDescriptor {
        let public = self.hop.newest().expect("a started node has a key");
        let (generation, key) = (public.generation(), public.as_bytes().into());
        let descriptor = Descriptor { node, generation, suite: Toy::ID, key };
        SignedDescriptor::sign(descriptor, &node_key(node))
    }
}

/// Makes the view of a moment.
fn publish(
    network: &Network,
    nodes: &BTreeMap<NodeNumber, Node>,
    now: Time,
    edition: u64,
) -> Document {
    let descriptors: Vec<_> = nodes.iter().map(|(number, node)| node.descriptor(*number)).collect();
    let view = View::new(Arc::clone(&network.roster), edition, &descriptors);
    Document { edition, view: Arc::new(view), attested: now }
}

/// Packets of a thousand that are lost on their way.
const LOST_PER_THOUSAND: u32 = 10;
/// Packets that a node remembers per key: more than all clients send in an epoch.
const REMEMBERED: usize = 20_000;
