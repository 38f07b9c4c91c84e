//! A small roster: four agencies with a relay each, two mixes per layer.

use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::roster::{Role, Roster, RosterNode, SuiteName, Traffic};
use rohrpost_proto::signing::SigningKey;
use rohrpost_proto::time::Time;
use rohrpost_proto::trust::{Agency, JoinKey, TrustRoot};

/// The first relay.
pub const NORTH: NodeNumber = NodeNumber::new(1);
/// When the virtual networks begin.
pub(crate) const BEGIN: Time = Time::from_micros(1_795_000_000_000_000);

/// The agencies' keys.
#[must_use]
pub fn agencies() -> Vec<(&'static str, SigningKey)> {
    let names = ["north", "south", "east", "west"];
    names.into_iter().zip(1_u8..).map(|(name, i)| (name, SigningKey::from_seed(&[i; 32]))).collect()
}

/// A node's key.
pub(crate) fn node_key(number: NodeNumber) -> SigningKey {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&number.get().to_be_bytes());
    SigningKey::from_seed(&seed)
}

/// The roster and its trust root; signatures are made and checked as in a real network.
#[must_use]
pub fn roster(slot: Duration) -> (TrustRoot, Arc<Roster>) {
    let agencies = agencies();
    let list =
        agencies.iter().map(|(name, key)| Agency { name: (*name).into(), key: key.public() });
    let trust = TrustRoot::new("virtual".into(), list.collect(), 3, JoinKey::new([7; 32]))
        .expect("three of four is a safe threshold");
    let mix = |layer| Role::Mix { layer };
    let roles = [
        ("north", Role::Relay),
        ("south", Role::Relay),
        ("east", Role::Relay),
        ("west", Role::Relay),
        ("north", mix(0)),
        ("south", mix(0)),
        ("east", mix(1)),
        ("west", mix(1)),
        ("south", mix(2)),
        ("east", mix(2)),
    ];
    let node = |(number, (operator, role)): (u32, (&str, Role))| RosterNode {
        number: NodeNumber::new(number),
        name: format!("node-{number}"),
        operator: operator.into(),
        role,
        addresses: vec![([127, 0, 0, 1], 4433).into()],
        identity: node_key(NodeNumber::new(number)).public(),
    };
    let nodes: Vec<_> = (1..).zip(roles).map(node).collect();
    let traffic = Traffic { slot, ..Traffic::default() };
    let text = Roster::render("virtual", "2099-01-01", SuiteName::Classic, &traffic, &nodes);
    let signatures: Vec<_> =
        agencies[..3].iter().map(|(name, key)| Roster::sign(&text, name, key)).collect();
    let roster = Roster::verify(&text, &signatures, &trust, BEGIN.seconds());
    (trust, Arc::new(roster.expect("the roster follows its own rules")))
}
