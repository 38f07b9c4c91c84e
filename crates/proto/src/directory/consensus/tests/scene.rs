//! The network of the stories: seven agencies with a relay each, twelve mixes, and three changes of the
//! roster.

use std::sync::Arc;

use rohrpost_packet::{Generation, NodeNumber};

use crate::directory::consensus::vote::Key;
use crate::directory::descriptor::DescriptorHash;
use crate::directory::roster::{Directory, Role, Roster, RosterNode, SuiteName, Traffic};
use crate::directory::signing::SigningKey;
use crate::directory::trust::{Agency, JoinKey, TrustRoot};

pub(super) const AGENCIES: u32 = 7;
pub(super) const THRESHOLD: usize = 5;
/// All relays that there ever are: the last comes with the second roster, beside the first, which goes
/// with the third.
pub(super) const RELAYS: [u32; 8] = [1, 2, 3, 4, 5, 6, 7, SECOND_OF_FIRST];
/// All mixes that there ever are: the last comes with the second roster, the first goes with the fourth.
pub(super) const MIXES: [u32; 13] = [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, LATE_MIX];
/// Mixes that every roster has at least.
pub(super) const FEWEST_MIXES: usize = 12;
const LATE_MIX: u32 = 20;
/// The second relay of the first agency.
const SECOND_OF_FIRST: u32 = 21;

pub(super) fn node_key(number: u32) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(number).unwrap(); 32])
}

/// The key of a mix of this generation.
pub(super) fn key_of(node: NodeNumber, generation: u32) -> Key {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&node.get().to_be_bytes());
    hash[4..8].copy_from_slice(&generation.to_be_bytes());
    Key { generation: Generation::new(generation), descriptor: DescriptorHash::new(hash) }
}

/// The first roster.
pub(super) fn roster() -> Arc<Roster> {
    rosters(THRESHOLD).swap_remove(0)
}

/// The rosters of all versions, by which so many agencies must sign.
pub(super) fn rosters(threshold: usize) -> Vec<Arc<Roster>> {
    let mut all = Vec::new();
    for version in 1..=4 {
        let there = |number: &u32| match *number {
            LATE_MIX | SECOND_OF_FIRST => version >= 2,
            1 => version < 3,
            8 => version < 4,
            _ => true,
        };
        let nodes = RELAYS.iter().chain(&MIXES).filter(|number| there(number));
        let mut roster = signed(version, &nodes.map(|number| node(*number)).collect::<Vec<_>>());
        roster.threshold = threshold;
        all.push(Arc::new(roster));
    }
    all
}

fn agency(index: u32) -> String {
    format!("agency-{index}")
}

fn node(number: u32) -> RosterNode {
    let (operator, role) = match number {
        SECOND_OF_FIRST => (1, Role::Relay),
        LATE_MIX => (4, Role::Mix { layer: 0 }),
        1..=AGENCIES => (number, Role::Relay),
        _ => {
            let layer = (number - AGENCIES - 1) / 4;
            (1 + layer, Role::Mix { layer: usize::try_from(layer).unwrap() })
        }
    };
    RosterNode {
        number: NodeNumber::new(number),
        name: format!("node-{number}"),
        operator: agency(operator),
        role,
        addresses: vec![([10, 0, 0, u8::try_from(number).unwrap()], 4433).into()],
        identity: node_key(number).public(),
    }
}

fn signed(version: u32, nodes: &[RosterNode]) -> Roster {
    let one = |index: u32| Agency { name: agency(index), key: node_key(200 + index).public() };
    let agencies = (1..=AGENCIES).map(one).collect();
    let trust = TrustRoot::new("test".into(), agencies, THRESHOLD, JoinKey::new([1; 32])).unwrap();
    let traffic = Traffic::default();
    let text = Roster::render(
        "test",
        "2099-01-01",
        SuiteName::Classic,
        &traffic,
        &Directory::of(&traffic),
        nodes,
    );
    let text = text.replace("\nversion = 1\n", &format!("\nversion = {version}\n"));
    let sign = |index: u32| Roster::sign(&text, &trust, &agency(index), &node_key(200 + index));
    let signatures: Vec<_> = (1..=AGENCIES).map(sign).collect();
    Roster::verify(&text, &signatures, &trust, 0).unwrap()
}
