//! A mix of the third layer, and packets for it.

use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rohrpost_packet::{
    Classic, Delay, Generation, HopPublicKey, NodeNumber, Packet, PathHop, Route, wrap,
};
use rohrpost_proto::delay::longest;
use rohrpost_proto::directory::roster::{Directory, Role, Roster, RosterNode, SuiteName, Traffic};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::trust::{Agency, JoinKey, TrustRoot};
use rohrpost_proto::frame::{Frame, OutgoingFrame};
use rohrpost_proto::hop::{Hop, Refusal};
use rohrpost_proto::mix::Mix;
use rohrpost_proto::mix::watch::Watch;
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::time::Time;

/// The mix, the key that it opens with, and that of a relay behind it.
pub(crate) struct Scene {
    pub(crate) mix: Mix<Classic>,
    key: HopPublicKey<Classic>,
    relay: HopPublicKey<Classic>,
    /// The longest delay that a builder draws.
    pub(crate) longest: Duration,
    roster: Roster,
    rng: ChaCha20Rng,
}

impl Scene {
    /// A mix with three mixes before it, whose pool holds `bound` packets.
    pub(crate) fn new(bound: usize) -> Self {
        let roster = roster();
        let links = roster.predecessors(ROLE).count();
        let (hop, mut rng) = (Arc::new(Hop::new(2, links, 10_000)), rng(6));
        let key = hop.rotate(Generation::new(1), NOW, &mut rng);
        let relay = Hop::new(3, 1, 1).rotate(Generation::new(1), NOW, &mut rng);
        let mix = Mix::new(hop, &roster, 2, bound);
        Self { mix, key, relay, longest: longest(roster.traffic.mix_delay), roster, rng }
    }

    /// The mix's watch.
    pub(crate) fn watch(&self) -> Watch {
        Watch::new(NOW, &self.roster, 2)
    }

    /// Sends a packet that asks to wait for `delay` and go to a relay.
    pub(crate) fn send(&mut self, from: Ingress, delay: Duration) -> Result<(), Refusal> {
        let packet = self.build(delay);
        self.mix.handle_frame(NOW, from, packet)
    }

    /// Puts a packet of the mix's own cover into the pool.
    pub(crate) fn insert_own(&mut self) -> Result<(), Refusal> {
        let frame = Frame {
            generation: self.relay.generation().short(),
            packet: Packet::random(&mut self.rng),
        };
        self.mix.insert(NOW, OutgoingFrame { to: NodeNumber::new(1), frame })
    }

    /// Builds such a packet.
    pub(crate) fn build(&mut self, delay: Duration) -> Frame<Classic> {
        let generation = self.relay.generation().short();
        let delay = Delay::from_micros(u32::try_from(delay.as_micros()).unwrap());
        let forward = Route::forward(NodeNumber::new(1), generation, delay);
        let hops = [
            PathHop { key: &self.key, route: forward },
            PathHop { key: &self.relay, route: Route::deliver() },
        ];
        let packet = wrap(2, &hops, b"text", &mut self.rng).unwrap();
        Frame { generation: self.key.generation().short(), packet }
    }
}

/// A relay, and three mixes in each layer.
fn roster() -> Roster {
    let names = ["north", "south", "east", "west"];
    let key = |i: u8| SigningKey::from_seed(&[i; 32]);
    let agency = |(i, name): (u8, &str)| Agency { name: name.into(), key: key(i).public() };
    let agencies = (1..).zip(names).map(agency).collect();
    let trust = TrustRoot::new("test".into(), agencies, 3, JoinKey::new([1; 32])).unwrap();
    let layers = (0..3).flat_map(|layer| [Role::Mix { layer }; 3]);
    let node = |(number, role): (u8, Role)| RosterNode {
        number: NodeNumber::new(number.into()),
        name: format!("node-{number}"),
        operator: if role == Role::Relay { names[0] } else { names[role.position() + 1] }.into(),
        role,
        addresses: vec![([10, 0, 0, number], 4433).into()],
        identity: key(100 + number).public(),
    };
    let nodes: Vec<_> = (1..).zip([Role::Relay].into_iter().chain(layers)).map(node).collect();
    let traffic = Traffic::default();
    let text = Roster::render(
        "test",
        "2099-01-01",
        SuiteName::Classic,
        &traffic,
        &Directory::of(&traffic),
        &nodes,
    );
    let sign = |(i, name): (u8, &str)| Roster::sign(&text, &trust, name, &key(i));
    let signatures: Vec<_> = (1..).zip(names).map(sign).collect();
    Roster::verify(&text, &signatures, &trust, 0).unwrap()
}

pub(crate) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

pub(crate) const NOW: Time = Time::from_micros(1_795_000_000_000_000);
const ROLE: Role = Role::Mix { layer: 2 };
