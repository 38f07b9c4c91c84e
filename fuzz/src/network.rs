//! A network of four agencies, two relays and six mixes with known keys.

use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};

use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::roster::{
    Directory, Role, Roster, RosterNode, RosterSignature, SuiteName, Traffic,
};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::trust::{Agency, JoinKey, TrustRoot};

/// Name of the network.
pub const NAME: &str = "fuzz";
/// The agencies; agency i has the key of seed i.
pub const AGENCIES: [&str; 4] = ["north", "south", "east", "west"];
/// Nodes 1 and 2 are relays, 3 to 8 mixes, two in each layer.
pub const NODES: u32 = 8;
/// The second at which rosters are read; they hold until [`EXPIRES`].
pub const NOW: u64 = 1_795_000_000;
/// First day on which rosters do not hold any more.
pub const EXPIRES: &str = "2099-01-01";

/// The trust root of all four agencies.
pub static TRUST: LazyLock<TrustRoot> = LazyLock::new(|| {
    let agency = |(name, seed): (&&str, u8)| Agency {
        name: (*name).to_owned(),
        key: agency_key(seed).public(),
    };
    let agencies = AGENCIES.iter().zip(1..).map(agency).collect();
    TrustRoot::new(NAME.to_owned(), agencies, 3, join_key())
        .expect("three of four is a safe threshold")
});

/// The roster of [`NODES`] nodes, signed.
pub static ROSTER: LazyLock<Arc<Roster>> = LazyLock::new(|| {
    let text = roster_text();
    let roster = Roster::verify(&text, &sign(&text), &TRUST, NOW);
    Arc::new(roster.expect("the fixed roster is valid"))
});

/// The join key, whose holders may use the network.
#[must_use]
pub fn join_key() -> JoinKey {
    JoinKey::new([1; 32])
}

/// Text of the roster.
#[must_use]
pub fn roster_text() -> String {
    let nodes: Vec<_> = (1..=NODES).map(node).collect();
    let (traffic, directory) = (Traffic::default(), Directory::default());
    Roster::render(NAME, EXPIRES, SuiteName::Classic, &traffic, &directory, &nodes)
}

/// The signatures of three agencies over any text.
#[must_use]
pub fn sign(text: &str) -> Vec<RosterSignature> {
    let sign = |(name, seed): (&&str, u8)| Roster::sign(text, &TRUST, name, &agency_key(seed));
    AGENCIES[..3].iter().zip(1..).map(sign).collect()
}

/// Identity key of a node.
#[must_use]
pub fn node_key(number: u32) -> SigningKey {
    SigningKey::from_seed(&[100 + u8::try_from(number % 100).expect("below a hundred"); 32])
}

fn agency_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn node(number: u32) -> RosterNode {
    let place = usize::try_from(number).expect("eight nodes");
    let (role, operator) = match place {
        0..=2 => (Role::Relay, place),
        _ => (Role::Mix { layer: (place - 3) / 2 }, (place - 3) / 2),
    };
    RosterNode {
        number: NodeNumber::new(number),
        name: format!("node-{number}"),
        operator: AGENCIES[operator].to_owned(),
        role,
        addresses: vec![(Ipv4Addr::from_bits(0x0a00_0000 + number), 4433).into()],
        identity: node_key(number).public(),
    }
}
