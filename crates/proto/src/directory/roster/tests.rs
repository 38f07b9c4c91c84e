use std::net::Ipv4Addr;

use rohrpost_packet::NodeNumber;

use super::*;
use crate::directory::signing::SigningKey;
use crate::directory::trust::{Agency, JoinKey, TrustRoot};

const NOW: u64 = 1_795_000_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn trust() -> TrustRoot {
    let names = ["north", "south", "east", "west"];
    let agency = |(seed, name): (u8, &str)| Agency { name: name.into(), key: key(seed).public() };
    let agencies = (1..).zip(names).map(agency).collect();
    TrustRoot::new("test".into(), agencies, 3, JoinKey::new([1; 32])).unwrap()
}

fn node(number: u32, role: Role, operator: &str) -> RosterNode {
    let seed = u8::try_from(100 + number).unwrap();
    RosterNode {
        number: NodeNumber::new(number),
        name: format!("node-{number}"),
        operator: operator.into(),
        role,
        addresses: vec![(Ipv4Addr::from_bits(0x0a00_0000 + number), 4433).into()],
        identity: key(seed).public(),
    }
}

fn nodes() -> Vec<RosterNode> {
    vec![
        node(1, Role::Relay, "north"),
        node(2, Role::Relay, "south"),
        node(3, Role::Mix { layer: 0 }, "north"),
        node(4, Role::Mix { layer: 1 }, "south"),
        node(5, Role::Mix { layer: 2 }, "east"),
    ]
}

fn text(nodes: &[RosterNode]) -> String {
    Roster::render(
        "test",
        "2027-11-23",
        SuiteName::Hybrid,
        &Traffic::default(),
        &Directory::of(&Traffic::default()),
        nodes,
    )
}

fn signatures(text: &str, signers: &[(u8, &str)]) -> Vec<RosterSignature> {
    signers.iter().map(|(seed, name)| Roster::sign(text, &trust(), name, &key(*seed))).collect()
}

const THREE: &[(u8, &str)] = &[(1, "north"), (2, "south"), (3, "east")];

fn error(text: &str, signers: &[(u8, &str)]) -> String {
    let result = Roster::verify(text, &signatures(text, signers), &trust(), NOW);
    result.err().unwrap().to_string()
}

#[test]
fn three_of_four_signatures_make_a_roster() {
    let text = text(&nodes());
    let file = render_signatures(&signatures(&text, THREE));
    let signatures = parse_signatures(&file).unwrap();
    let roster = Roster::verify(&text, &signatures, &trust(), NOW).unwrap();
    assert_eq!(roster.nodes().count(), 5);
    assert_eq!(roster.traffic, Traffic::default());
    let names = |nodes: Vec<&RosterNode>| nodes.iter().map(|n| n.number.get()).collect::<Vec<_>>();
    let relay = Role::Relay;
    assert_eq!(names(roster.successors(relay).collect()), [3]);
    assert_eq!(names(roster.predecessors(relay).collect()), [5]);
    assert_eq!(names(roster.predecessors(Role::Mix { layer: 0 }).collect()), [1, 2]);
    assert_eq!(names(roster.successors(Role::Mix { layer: 2 }).collect()), [1, 2]);
}

#[test]
fn too_few_signatures_are_refused_and_the_missing_named() {
    let text = text(&nodes());
    let two = error(&text, &THREE[..2]);
    assert!(two.contains("only 2 of the 3") && two.contains("east or west"), "{two}");
    assert!(error(&text, &[]).contains("nobody"));
    let repeated = error(&text, &[(1, "north"), (1, "north"), (1, "north")]);
    assert!(repeated.contains("only 1 of the 3"), "{repeated}");
}

#[test]
fn wrong_and_strange_signatures_are_refused() {
    let text = text(&nodes());
    assert!(error(&text, &[(9, "north")]).contains("signature of north was not made with the key"));
    assert!(error(&text, &[(9, "mallory")]).contains("no agency of the trust root"));
    let file = render_signatures(&signatures(&text, THREE)).replace("north", "\\u001b[2Knorth");
    let hidden = parse_signatures(&file).err().unwrap().to_string();
    assert!(hidden.contains(r"\u{1b}[2Knorth signed, but is no agency"), "{hidden}");
    let mut agencies = trust().agencies().to_vec();
    agencies[3].key = key(9).public();
    let other = TrustRoot::new("test".into(), agencies, 3, JoinKey::new([1; 32])).unwrap();
    let other = Roster::verify(&text, &signatures(&text, THREE), &other, NOW);
    assert!(other.is_err(), "signatures are for one network, whatever its name");
    let signatures = signatures(&text, THREE);
    let changed = text.replace("slot_ms = 250", "slot_ms = 251");
    let stale = Roster::verify(&changed, &signatures, &trust(), NOW).err().unwrap().to_string();
    assert!(stale.contains("only 0 of the 3") && stale.contains("north (again)"), "{stale}");
}

/// Checks that signatures of the version before neither count nor harm, and are told from those that
/// nobody made.
#[test]
fn signatures_of_another_roster_are_told_from_wrong_ones() {
    let (text, trust) = (text(&nodes()), trust());
    let before =
        text.replace("slot_ms = 250", "slot_ms = 251").replace("version = 1", "version = 7");
    let mut all = signatures(&before, THREE);
    all.extend(signatures(&text, &[(1, "north"), (2, "south"), (4, "west")]));
    assert!(Roster::verify(&text, &all, &trust, NOW).is_ok());
    let consent =
        |at: usize, of: &[_]| Consent::of(&trust.agencies()[at], &trust, RosterHash::of(&text), of);
    let another = Consent::SignedAnother { version: 7 };
    assert_eq!([0, 2, 3].map(|at| consent(at, &all)), [Consent::Signed, another, Consent::Signed]);
    assert_eq!(consent(3, &all[..3]), Consent::Missing);
    let forged = RosterSignature { roster: RosterHash::of(&text), ..all[2].clone() };
    all.push(forged);
    assert_eq!(consent(2, &all), Consent::Wrong);
    assert!(Roster::verify(&text, &all, &trust, NOW).is_err());
}

#[test]
fn a_draft_may_lack_nodes_and_nothing_else() {
    let mut few = nodes();
    few.truncate(3);
    let lacking = Roster::draft(&text(&few), &trust()).err().unwrap();
    assert!(lacking.is_incomplete(), "{lacking}");
    let empty = Roster::draft(&text(&[]), &trust()).err().unwrap();
    assert!(empty.is_incomplete(), "{empty}");
    let mut twice = few.clone();
    twice[1].name = twice[0].name.clone();
    let slow = text(&few)
        .replace("mix_delay_ms = 200", "mix_delay_ms = 60000")
        .replace("[traffic]", "[directory]\nepoch_seconds = 600\n\n[traffic]");
    for wrong in [text(&twice), slow, text(&few).replace("2027-11-23", "soon")] {
        let wrong = Roster::draft(&wrong, &trust()).err().unwrap();
        assert!(!wrong.is_incomplete(), "{wrong}");
    }
}

#[test]
fn rules_are_checked_and_explained() {
    let good = text(&nodes());
    let cases = [
        (good.replace("[traffic]", "[traffic]\nspeed = 1"), "speed"),
        (good.replace("slot_ms = 250", "slot_ms = 1"), "between 4 and 60000"),
        (good.replace("\"hybrid\"", "\"quantum\""), "unknown suite quantum"),
        (good.replace("layer = 2", "layer = 4"), "node-4: role must be"),
        (good.replace("operator = \"east\"", "operator = \"moon\""), "moon is no agency"),
        (good.replace("number = 5", "number = 4"), "share a number"),
        (good.replace("numbers_given = 5", "numbers_given = 4"), "a node 5, and numbers_given = 4"),
        (good.replace("10.0.0.5", "10.0.0.1"), "node-5 and node-1 have the same address 10.0.0.1"),
        (good.replace("10.0.0.5", "[::ffff:10.0.0.1]"), "node-5 and node-1 have the same address"),
        (good.replace("[\"10.0.0.4:4433\"]", "[\"[::1]:1\", \"[::1]:1\"]"), "node-4 and node-4"),
        (good.replace("\"node-3\"", "\"\\u001b[2Knode-4\""), r"\u{1b}[2Knode-4"),
        (good.replace("2027-11-23", "2020-01-01"), "expired on 2020-01-01"),
        (good.replace("2027-11-23", "tomorrow"), "YYYY-MM-DD"),
        (good.replace("layer = 2", "layer = 1"), "layer 2 has no mix"),
    ];
    for (text, expected) in cases {
        let error = error(&text, THREE);
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
}

/// Checks that a number which stands twice is refused also in tables that are not written as
/// `[[node]]`: counted in the text, those were overlooked.
#[test]
fn a_number_that_stands_twice_is_refused_however_it_is_written() {
    let good = text(&nodes());
    let again = good.replace("number = 2", "number = 1");
    let spaced = again.replace("[[node]]", "[[ node ]]");
    for text in [again, spaced] {
        let error = error(&text, THREE);
        assert!(error.contains("share a number"), "{error}");
    }
    let comment = format!("# each [[node]] is a table\n{good}");
    assert!(Roster::verify(&comment, &signatures(&comment, THREE), &trust(), NOW).is_ok());
}

/// A key must outlive every document that names it.
#[test]
fn old_keys_outlast_all_documents_that_name_them() {
    let text = text(&nodes());
    let roster = Roster::verify(&text, &signatures(&text, THREE), &trust(), NOW).ok().unwrap();
    let timing = roster.directory.timing;
    let last = timing.heard_within() + timing.lead() + timing.stale_after();
    assert!(roster.grace() > last);
}

#[cfg(feature = "danger-weaken")]
#[test]
fn tests_of_laws_fail_without_them() {
    use crate::weakness::{Weakness, danger_breaks};

    assert!(danger_breaks(
        Weakness::GraceBelowStale,
        old_keys_outlast_all_documents_that_name_them
    ));
}

/// Checks that nobody stands in two layers, for the first mix of a path would then tell of its last;
/// that two operators may is for want of a third.
#[test]
fn all_mixes_of_an_operator_stand_in_one_layer() {
    let mut two = nodes();
    two.push(node(6, Role::Mix { layer: 2 }, "north"));
    assert!(error(&text(&two), THREE).starts_with("north has mixes in layers 1 and 3; put all"));
    let mut more = nodes();
    more.push(node(6, Role::Mix { layer: 0 }, "north"));
    more.push(node(7, Role::Mix { layer: 2 }, "west"));
    let verify = |nodes: &[RosterNode]| {
        let text = text(nodes);
        Roster::verify(&text, &signatures(&text, THREE), &trust(), NOW)
    };
    assert!(verify(&more).is_ok());
    let mut few = nodes();
    few.iter_mut().for_each(|node| node.operator = "north".into());
    assert!(verify(&few).is_ok());
}
