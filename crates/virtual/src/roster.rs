//! Rosters of virtual networks, signed and checked as in a real one.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_proto::directory::roster::{
    Directory, Role, Roster, RosterNode, SuiteName, Traffic, render_signatures,
};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::timing::Timing;
use rohrpost_proto::directory::trust::{Agency, JoinKey, TrustRoot};
use rohrpost_proto::time::Time;

/// Number of the first relay, which is agency north's.
pub const NORTH: NodeNumber = NodeNumber::new(1);
/// Time at which every virtual network begins.
pub(crate) const BEGIN: Time = Time::from_micros(1_795_000_000_000_000);

/// Size and rates of a network. Nodes are numbered relays first, then layer by layer. Operators take
/// turns at the relays; a third of them take turns at the mixes of each layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Suite that the roster names; the virtual network runs any suite that has its lengths.
    pub suite: SuiteName,
    /// Agencies, each an operator and signer; at least four, of which all but one must sign.
    pub operators: u8,
    /// Number of relays of the network.
    pub relays: u32,
    /// Mixes in each of the three layers.
    pub mixes_per_layer: u32,
    /// Operators take turns at all mixes, which a roster allows only while that law is taken back.
    pub operators_in_all_layers: bool,
    /// Slot, mean delay and cover floor of the network.
    pub traffic: Traffic,
    /// Epoch and periods of the directory. Its slot is no shorter than that of the traffic allows.
    pub directory: Directory,
}

impl Default for Layout {
    /// Layout of six agencies, four with a relay each and each with a mix, two in each layer, and the
    /// roster's own default rates.
    fn default() -> Self {
        Self {
            suite: SuiteName::Classic,
            operators: 6,
            relays: 4,
            mixes_per_layer: 2,
            operators_in_all_layers: false,
            traffic: Traffic::default(),
            directory: directory(&Traffic::default()),
        }
    }
}

impl Layout {
    /// Layout of the default size with another slot.
    #[must_use]
    pub fn with_slot(slot: Duration) -> Self {
        let traffic = Traffic { slot, ..Traffic::default() };
        Self { traffic, directory: directory(&traffic), ..Self::default() }
    }

    fn roles(&self) -> impl Iterator<Item = Role> {
        let mixes = self.mixes_per_layer;
        let relays = (0..self.relays).map(|_| Role::Relay);
        relays.chain((0..3).flat_map(move |layer| (0..mixes).map(move |_| Role::Mix { layer })))
    }

    /// Index of the operator of the node at this place. By the law that is taken back operators take
    /// turns at all mixes.
    fn operator(&self, place: u32) -> u32 {
        let operators = u32::from(self.operators);
        let Some(mix) = place.checked_sub(self.relays) else { return place % operators };
        if self.operators_in_all_layers {
            return mix % operators;
        }
        let (layer, mix) = (mix / self.mixes_per_layer, mix % self.mixes_per_layer);
        let [from, to] = [layer, layer + 1].map(|layer| (layer * operators).div_ceil(3));
        from + mix % (to - from)
    }
}

/// The directory of a network of this traffic, with slots as short as the cells allow: a network is there
/// ten of them after its start, and notices within as many what befalls it.
fn directory(traffic: &Traffic) -> Directory {
    Directory { timing: Timing::with_interval(traffic.slot * 8), ..Directory::of(traffic) }
}

fn agencies(count: u8) -> Vec<(String, SigningKey)> {
    let names = ["north", "south", "east", "west"];
    let name = |i: u8| {
        names.get(usize::from(i - 1)).map_or_else(|| format!("agency-{i}"), |&n| n.to_owned())
    };
    (1..=count).map(|i| (name(i), SigningKey::from_seed(&[i; 32]))).collect()
}

/// Identity key of a node of any virtual network, which follows from its number.
#[must_use]
pub fn node_key(number: NodeNumber) -> SigningKey {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&number.get().to_be_bytes());
    SigningKey::from_seed(&seed)
}

/// The roster of a layout and its trust root; signatures are made and checked as in a real network.
///
/// # Panics
/// The layout breaks a rule of rosters.
#[must_use]
pub fn roster(layout: &Layout) -> (TrustRoot, Arc<Roster>) {
    let (trust, roster, _) = founded(layout);
    (trust, roster)
}

/// The same, with the roster's text and signatures.
pub(crate) fn founded(layout: &Layout) -> (TrustRoot, Arc<Roster>, RosterFiles) {
    let agencies = agencies(layout.operators);
    let threshold = agencies.len() - 1;
    let list = agencies.iter().map(|(name, key)| Agency { name: name.clone(), key: key.public() });
    let trust = TrustRoot::new("virtual".into(), list.collect(), threshold, JoinKey::new([7; 32]))
        .expect("all but one of at least four is a safe threshold");
    let names: Vec<_> = agencies.iter().map(|(name, _)| name.clone()).collect();
    let node = |(place, role): (u32, Role)| RosterNode {
        number: NodeNumber::new(place + 1),
        name: format!("node-{}", place + 1),
        operator: names[usize::try_from(layout.operator(place)).expect("under 256")].clone(),
        role,
        addresses: vec![(Ipv4Addr::from_bits(0x0a00_0001 + place), 4433).into()],
        identity: node_key(NodeNumber::new(place + 1)).public(),
    };
    let nodes: Vec<_> = (0..).zip(layout.roles()).map(node).collect();
    let text = Roster::render(
        "virtual",
        "2099-01-01",
        layout.suite,
        &layout.traffic,
        &Directory::of(&layout.traffic),
        &nodes,
    );
    let signatures: Vec<_> = agencies[..threshold]
        .iter()
        .map(|(name, key)| Roster::sign(&text, &trust, name, key))
        .collect();
    let mut roster = Roster::verify(&text, &signatures, &trust, BEGIN.seconds())
        .expect("the roster follows its own rules");
    // Shorter epochs than a file may name.
    let interval = layout.directory.timing.interval().max(layout.traffic.slot * 8);
    let timing = Timing::with_interval(interval);
    roster.directory = Directory { timing, ..layout.directory };
    let files = RosterFiles { signatures: render_signatures(&signatures), roster: text };
    (trust, Arc::new(roster), files)
}
