use std::net::Ipv4Addr;

use super::*;
use crate::directory::descriptor::Descriptor;
use crate::directory::roster::{Role, RosterNode, SuiteName, Traffic};
use crate::directory::signing::SigningKey;
use crate::directory::trust::{Agency, JoinKey, TrustRoot};
use rohrpost_packet::SuiteId;

const NOW: Time = Time::from_micros(1_800_000_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn key(number: u32) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(number).unwrap(); 32])
}

/// Three relays (1 to 3) and a mix in each layer (4 to 6).
fn roster() -> Roster {
    let names = ["north", "south", "east", "west"];
    let agency_key = |index: u32| key(200 + index);
    let agency = |(index, name): (u32, &&str)| Agency {
        name: (*name).into(),
        key: agency_key(index).public(),
    };
    let agencies = (0..).zip(&names).map(agency).collect();
    let trust = TrustRoot::new("test".into(), agencies, 3, JoinKey::new([1; 32])).unwrap();
    let node = |number: u32| RosterNode {
        number: NodeNumber::new(number),
        name: format!("node-{number}"),
        operator: names[usize::try_from(number % 4).unwrap()].into(),
        role: match number {
            1..=3 => Role::Relay,
            _ => Role::Mix { layer: usize::try_from(number - 4).unwrap() },
        },
        addresses: vec![(Ipv4Addr::from_bits(0x0a00_0000 + number), 4433).into()],
        identity: key(number).public(),
    };
    let nodes: Vec<_> = (1..=6).map(node).collect();
    let traffic = Traffic::default();
    let text = Roster::render("test", "2099-01-01", SuiteName::Classic, &traffic, &nodes);
    let sign = |index: u32| {
        Roster::sign(&text, &trust, names[usize::try_from(index).unwrap()], &agency_key(index))
    };
    let signatures: Vec<_> = (0..3).map(sign).collect();
    Roster::verify(&text, &signatures, &trust, 0).unwrap()
}

/// A document that starts at this time, of nodes with the generations of their keys.
fn document(roster: &Roster, start: Time, nodes: &[(u32, u32)]) -> NetworkDocument {
    let descriptor = |(node, generation): &(u32, u32)| {
        let descriptor = Descriptor {
            node: NodeNumber::new(*node),
            generation: Generation::new(*generation),
            issued: Time::from_micros(u64::from(*generation)),
            suite: SuiteId::new(2),
            key: Box::new([]),
        };
        SignedDescriptor::sign(descriptor, &key(*node))
    };
    NetworkDocument {
        roster_version: roster.version,
        roster_hash: roster.hash,
        number: start.slot(roster.directory.document_interval).number(),
        start,
        made: start,
        descriptors: nodes.iter().map(descriptor).collect(),
    }
}

/// A node that follows three relays.
struct Follower {
    roster: Roster,
    documents: MergedDocuments,
    view: Vec<(u32, u32)>,
}

impl Follower {
    fn new() -> Self {
        Self { roster: roster(), documents: MergedDocuments::default(), view: Vec::new() }
    }

    /// Takes a document of a relay that starts so many seconds from now.
    fn take(
        &mut self,
        now: Time,
        relay: u32,
        ahead: Duration,
        nodes: &[(u32, u32)],
    ) -> Result<(), DocumentRefusal> {
        let document = document(&self.roster, now + ahead, nodes);
        let taken = self.documents.take(now, NodeNumber::new(relay), &document, &self.roster);
        if let Some(merged) = self.documents.merge(now, &self.roster) {
            let descriptors = merged.descriptors.iter().map(SignedDescriptor::descriptor);
            self.view = descriptors.map(|own| (own.node.get(), own.generation.get())).collect();
        }
        taken
    }
}

const ALL: [(u32, u32); 6] = [(1, 7), (2, 7), (3, 7), (4, 7), (5, 7), (6, 7)];

/// A relay names itself and the mix of a friend alone, with a number far ahead.
fn view_beside_a_lying_relay() -> Vec<(u32, u32)> {
    let mut follower = Follower::new();
    for turn in 0..40 {
        let now = NOW + SECOND * 5 * turn;
        let far = follower.take(now, 3, SECOND * 299, &[(3, 7), (4, 7)]);
        assert_eq!(far, Err(DocumentRefusal::Ahead));
        assert_eq!(follower.take(now, 3, SECOND * 10, &[(3, 7), (4, 7)]), Ok(()));
        assert_eq!(follower.take(now, 1, Duration::ZERO, &ALL), Ok(()));
        assert_eq!(follower.take(now, 2, Duration::ZERO, &ALL), Ok(()));
    }
    follower.view
}

#[test]
fn no_relay_takes_the_view_over() {
    assert_eq!(view_beside_a_lying_relay(), ALL);
}

#[cfg(feature = "danger-weaken")]
#[test]
fn one_relay_takes_a_view_of_the_newest_document_over() {
    let weakness = Some(Weakness::ViewByOneRelay);
    let view = crate::weakness::danger_with(weakness, view_beside_a_lying_relay);
    assert_eq!(view, [(3, 7), (4, 7)]);
}

#[test]
fn the_newest_key_of_a_node_stands_whoever_names_an_older() {
    let mut follower = Follower::new();
    follower.take(NOW, 1, Duration::ZERO, &[(4, 8), (5, 7)]).unwrap();
    follower.take(NOW, 2, Duration::ZERO, &[(4, 7), (5, 9)]).unwrap();
    assert_eq!(follower.view, [(4, 8), (5, 9)]);
}

#[test]
fn a_node_is_live_until_no_relay_has_named_it_for_two_minutes() {
    let mut follower = Follower::new();
    follower.take(NOW, 1, Duration::ZERO, &ALL).unwrap();
    let now = NOW + SECOND * 5;
    follower.take(now, 1, Duration::ZERO, &ALL[..5]).unwrap();
    assert_eq!(follower.view, ALL[..5], "its only relay names it no longer");
    follower.take(now, 2, SECOND * 10, &ALL).unwrap();
    assert_eq!(follower.view, ALL, "another names it");
    let fresh = now + STALE_AFTER;
    follower.take(fresh, 1, Duration::ZERO, &ALL[..5]).unwrap();
    assert_eq!(follower.view, ALL);
    let late = fresh + SECOND;
    follower.take(late + SECOND * 5, 1, Duration::ZERO, &ALL[..5]).unwrap();
    assert_eq!(
        follower.view,
        ALL[..5],
        "the other has said nothing for too long, whatever its start"
    );
}

#[test]
fn numbers_that_do_not_fit_and_documents_that_are_no_newer_are_refused() {
    let mut follower = Follower::new();
    let mut highest = document(&follower.roster, NOW, &ALL);
    highest.number = u64::MAX;
    let one = NodeNumber::new(1);
    let taken = follower.documents.take(NOW, one, &highest, &follower.roster);
    assert_eq!(taken, Err(DocumentRefusal::Number));
    assert_eq!(follower.take(NOW, 4, Duration::ZERO, &ALL), Err(DocumentRefusal::Signer), "a mix");
    assert_eq!(follower.take(NOW, 1, Duration::ZERO, &ALL), Ok(()));
    assert_eq!(follower.take(NOW, 1, Duration::ZERO, &ALL), Err(DocumentRefusal::Old));
}

/// Documents start four minutes after the own clock, for it is slow: those of two relays of three
/// show it.
#[test]
fn a_clock_that_is_slow_by_minutes_is_corrected_by_most_relays_not_by_one() {
    let mut follower = Follower::new();
    let slow = SECOND * 240;
    assert_eq!(follower.take(NOW, 1, slow, &ALL), Err(DocumentRefusal::Ahead));
    assert_eq!(follower.take(NOW, 1, slow + SECOND * 5, &ALL), Err(DocumentRefusal::Ahead));
    assert_eq!(follower.take(NOW, 2, slow, &ALL), Ok(()));
    assert_eq!(follower.take(NOW, 1, slow + SECOND * 20, &ALL), Err(DocumentRefusal::Ahead));
    assert_eq!(follower.take(NOW, 1, slow, &ALL), Ok(()));
    assert_eq!(follower.view, ALL);
}

/// A relay that has nothing to lose by its own numbers hands out documents of last year, or a key of
/// a node whose clock was once ahead.
#[test]
fn documents_of_long_ago_and_keys_of_the_future_are_refused() {
    let mut follower = Follower::new();
    let early = Duration::from_secs(421);
    assert_eq!(follower.take(NOW - early, 1, Duration::ZERO, &[(4, 7)]), Ok(()));
    let old = document(&follower.roster, NOW - early, &[(4, 7)]);
    let taken = follower.documents.take(NOW, NodeNumber::new(2), &old, &follower.roster);
    assert_eq!(taken, Err(DocumentRefusal::Old));
    let issued = NOW + Duration::from_secs(301);
    let descriptor = Descriptor {
        node: NodeNumber::new(4),
        generation: Generation::new(9),
        issued,
        suite: SuiteId::new(2),
        key: Box::new([]),
    };
    let mut ahead = document(&follower.roster, NOW, &[]);
    ahead.descriptors = vec![SignedDescriptor::sign(descriptor, &key(4))];
    let taken = follower.documents.take(NOW, NodeNumber::new(3), &ahead, &follower.roster);
    assert_eq!(taken, Ok(()));
    assert_eq!(follower.take(NOW, 1, Duration::ZERO, &[(4, 8)]), Ok(()));
    assert_eq!(follower.view, [(4, 8)], "the key of the future does not stand");
}
