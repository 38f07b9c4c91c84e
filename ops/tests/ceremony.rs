//! The ceremony of a network, as its agencies do it: trust root, roster, signatures, and each change.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use serde_json::Value;
use world::Ceremony;

/// A trust root of four agencies, and a roster that lacks nodes.
fn begun() -> Ceremony {
    let ceremony = Ceremony::new();
    let said = ceremony.trust(3);
    assert!(said.contains("survives 1 silent and 1 lying"), "{said}");
    ceremony.done(&["roster", "new", "--suite", "classic", "--expires", "2100-01-01"]);
    ceremony
}

/// The same with three mixes and two relays, signed by three agencies.
fn signed() -> Ceremony {
    let ceremony = begun();
    for (name, operator, layer) in NODES {
        ceremony.add(name, operator, layer).expect("a node is added");
    }
    for agency in ["north", "east", "south"] {
        ceremony.sign(agency).expect("an agency signs");
    }
    ceremony
}

#[test]
fn a_network_is_founded_and_its_roster_holds_once_enough_have_signed() {
    let ceremony = begun();
    for (name, operator, layer) in NODES {
        let said = ceremony.add(name, operator, layer).expect("a node is added");
        let last = name == "relay-2";
        assert_eq!(said.contains("to be signed"), last || name == "relay-1", "{said}");
    }
    let said = ceremony.sign("north").expect("the first signs");
    assert!(said.contains("relay-2") && said.contains("192.0.2.5:4433"), "it is read: {said}");
    assert!(said.contains("2 more signatures"), "{said}");
    let error = ceremony.refused(&["roster", "verify"], 65);
    assert!(error.contains("only 1 of the 3") && error.contains("roster sign"), "{error}");
    ceremony.sign("east").expect("the second signs");
    assert!(ceremony.sign("south").expect("the third signs").contains("the roster holds"));
    let said = ceremony.done(&["roster", "verify"]);
    assert_eq!(said.matches(" has signed").count(), 3, "{said}");
    assert!(said.contains("west") && said.contains("has not signed"), "{said}");
    let told: Value =
        serde_json::from_str(&ceremony.done(&["roster", "verify", "--json"])).unwrap();
    assert_eq!((&told["holds"], &told["version"]), (&true.into(), &1.into()));
    assert_eq!(told["nodes"].as_array().unwrap().len(), NODES.len());
}

/// Checks that signatures which came from elsewhere count once they stand in the file.
#[test]
fn agencies_that_sign_apart_put_their_signatures_into_one_file() {
    let ceremony = signed();
    let all = ceremony.read("roster.sig");
    ceremony.write("roster.sig", "");
    ceremony.sign("west").expect("west signs a copy of its own");
    let joined = format!("{all}{}", ceremony.read("roster.sig"));
    ceremony.write("roster.sig", &joined);
    assert_eq!(ceremony.done(&["roster", "verify"]).matches(" has signed").count(), 4);
}

#[test]
fn a_change_raises_the_version_and_keeps_comments_and_needs_new_signatures() {
    let ceremony = signed();
    let text = ceremony.read("roster.toml");
    ceremony.write("roster.toml", &text.replace("[traffic]", "# Ours.\n[traffic]"));
    for agency in ["north", "east", "south"] {
        let error = ceremony.sign(agency).expect_err("another of the same version");
        assert!(error.contains("another roster of version 1"), "{error}");
    }
    ceremony.done(&[
        "roster",
        "set",
        "slot_ms=250",
        "relay-1.addresses=192.0.2.9:1, [2001:db8::9]:1",
    ]);
    let text = ceremony.read("roster.toml");
    assert!(
        text.contains("# Ours.") && text.contains("version = 2") && text.contains("2001:db8::9")
    );
    assert!(text.contains("# Every client sends one cell per slot.\nslot_ms = 250"), "{text}");
    let error = ceremony.refused(&["roster", "verify"], 65);
    assert!(error.contains("0 of the 3") && error.contains("(again)"), "{error}");
    assert!(ceremony.sign("north").expect("signs again").contains("the signature of east"));
    ceremony.done(&["roster", "set", "slot_ms=300"]);
    assert!(ceremony.read("roster.toml").contains("version = 3"));
    ceremony.done(&["roster", "set", "slot_ms=350"]);
    assert!(ceremony.read("roster.toml").contains("version = 3"), "nobody has signed that yet");
}

#[test]
fn a_number_is_never_given_again() {
    let ceremony = signed();
    ceremony.done(&["roster", "remove", "relay-2"]);
    let said = ceremony.add("relay-3", "west", None).expect("another relay");
    assert!(said.contains("version 2 with 5 nodes"), "{said}");
    let text = ceremony.read("roster.toml");
    assert!(text.contains("numbers_given = 6") && text.contains("number = 6"), "{text}");
    assert!(!text.contains("relay-2") && !text.contains("number = 5"), "{text}");
}

#[test]
fn a_mix_becomes_a_relay_and_a_relay_a_mix() {
    let ceremony = signed();
    ceremony.add("mix-1b", "north", Some(1)).expect("another mix");
    let roles = ["mix-1.role=relay", "mix-1.layer=", "relay-2.role=mix", "relay-2.layer=2"];
    ceremony.done(&[&["roster", "set"][..], &roles].concat());
    let told: Value = serde_json::from_str(&ceremony.done(&["roster", "show", "--json"])).unwrap();
    let nodes = told["nodes"].as_array().unwrap().iter();
    let role = |node: &Value| (node["role"].as_str().unwrap().to_owned(), node["layer"].as_u64());
    let roles: Vec<_> = nodes.map(role).collect();
    assert_eq!((&roles[0].0[..], roles[0].1), ("relay", None));
    assert_eq!((&roles[4].0[..], roles[4].1), ("mix", Some(2)));
}

#[test]
fn what_a_newer_roster_changes_is_said() {
    let (old, new) = (signed(), signed());
    for file in ["trust.toml", "roster.toml", "roster.sig"] {
        new.write(file, &old.read(file));
    }
    let differ = || old.run(&["roster", "diff", &old.path(""), &new.path("")]).unwrap();
    assert!(differ().contains("the same") && !differ().contains('!'));
    new.done(&["roster", "set", "mix_delay_ms=80", "mix-1.addresses=192.0.2.77:4433"]);
    new.done(&["roster", "remove", "relay-2"]);
    new.add("relay-3", "west", None).expect("another relay");
    let said = differ();
    for line in [
        "version: 1 -> 2",
        "mix_delay_ms: 200 -> 80",
        "mix-1.addresses",
        "- relay-2",
        "+ relay-3",
        "numbers_given: 5 -> 6",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    new.write("roster.toml", &new.read("roster.toml").replace("version = 2", "version = 1"));
    assert!(differ().contains("clients refuse it"));
    old.write("roster.sig", "");
    assert!(differ().contains("not signed by enough"));
    new.write("trust.toml", &new.read("trust.toml").replace("threshold = 3", "threshold = 4"));
    assert!(differ().contains("other thresholds: 3 and 4"));
}

#[test]
fn what_breaks_a_rule_is_not_written() {
    let ceremony = signed();
    let before = ceremony.read("roster.toml");
    let cases: [(&[&str], i32, &str); 8] = [
        (&["roster", "remove", "relay-9"], 65, "there are: mix-1"),
        (&["roster", "set", "speed=3"], 64, "slot_ms"),
        (&["roster", "set", "slot_ms=fast"], 64, "whole number"),
        (&["roster", "set", "slot_ms=1"], 65, "between 4 and 60000"),
        (&["roster", "set", "mix-1.layer=4"], 65, "layer 1, 2 or 3"),
        (&["roster", "set", "relay-2.addresses=192.0.2.4:4433"], 65, "relay-1"),
        (&["roster", "set", "relay-2.operator=nobody"], 65, "nobody"),
        (&["roster", "new"], 73, "already"),
    ];
    for (line, code, words) in cases {
        let error = ceremony.refused(line, code);
        assert!(error.contains(words), "{line:?}: {error}");
        assert_eq!(ceremony.read("roster.toml"), before, "{line:?}");
    }
}

#[test]
fn what_nobody_has_read_and_what_is_not_the_agencys_is_not_signed() {
    let ceremony = signed();
    let before = ceremony.read("roster.sig");
    let key = ceremony.path("west.pem");
    let west = ["roster", "sign", "--agency", "west", "--key", &key];
    assert!(ceremony.refused(&west, 64).contains("--yes"));
    let north = ["roster", "sign", "--yes", "--agency", "north", "--key", &key];
    assert!(ceremony.refused(&north, 65).contains("not the key that trust.toml has for north"));
    ceremony.done(&["roster", "set", "expires=2020-01-01"]);
    let west = ["roster", "sign", "--yes", "--agency", "west", "--key", &key];
    assert!(ceremony.refused(&west, 65).contains("expired"));
    assert_eq!(ceremony.read("roster.sig"), before);
}

/// Checks that an agency goes by what it has noted itself, whatever stands in a directory that somebody
/// hands over.
#[test]
fn no_agency_signs_two_rosters_of_one_version_or_an_older_one() {
    let ceremony = signed();
    let first = ceremony.read("roster.toml");
    let zeros = "0".repeat(64);
    let forged = format!(
        "[[signature]]\nagency = \"north\"\nversion = 1\nroster = \"{zeros}\"\n\
         signature = \"{zeros}{zeros}\"\n"
    );
    for signatures in ["", &forged] {
        ceremony.write("roster.sig", signatures);
        ceremony.write("roster.toml", &first.replace("slot_ms = 250", "slot_ms = 500"));
        let error = ceremony.sign("north").expect_err("a second of version 1");
        assert!(error.contains("another roster of version 1"), "{error}");
    }
    ceremony.write("roster.sig", "");
    ceremony.write("roster.toml", &first.replace("version = 1", "version = 2"));
    ceremony.sign("north").expect("a newer one");
    ceremony.write("roster.sig", "");
    ceremony.write("roster.toml", &first);
    assert!(ceremony.sign("north").expect_err("an older one").contains("has signed version 2"));
    assert!(ceremony.sign("east").is_ok(), "who has not signed another may sign it again");
}

/// Checks that the record is of each network by its trust root, and that the own signature in a file
/// counts where the record was lost.
#[test]
fn the_record_is_kept_apart_for_each_network() {
    let (ceremony, other) = (signed(), signed());
    let first = ceremony.read("roster.toml");
    let key = ceremony.path("north.pem");
    let sign = ["roster", "sign", "--yes", "--agency", "north", "--key", &key];
    assert!(other.refused(&sign, 65).contains("not the key"), "keys are of one network here");
    let record = ceremony.read("north.pem.signed");
    let id = record.split(['[', ']']).nth(1).unwrap();
    ceremony.write("north.pem.signed", &record.replace(id, &"0".repeat(64)));
    ceremony.write("roster.toml", &first.replace("slot_ms = 250", "slot_ms = 500"));
    let error = ceremony.sign("north").expect_err("its signature of another is there");
    assert!(error.contains("another roster of version 1"), "{error}");
    ceremony.write("roster.toml", &first);
    assert!(ceremony.sign("north").expect("the same").contains("north.pem.signed notes"));
    let record = ceremony.read("north.pem.signed");
    assert!(record.contains(id) && record.contains(&"0".repeat(64)), "both networks: {record}");
}

/// Checks that no agency uses up the versions by a signature of a high one.
#[test]
fn a_signature_of_a_version_far_ahead_stops_a_change_and_raises_nothing() {
    let ceremony = signed();
    let first = ceremony.read("roster.toml");
    ceremony.done(&["roster", "set", "version=4294967295"]);
    ceremony.sign("west").expect("west signs");
    ceremony.write("roster.toml", &first);
    let error = ceremony.refused(&["roster", "set", "slot_ms=300"], 65);
    assert!(error.contains("west of version 4294967295") && error.contains("remove"), "{error}");
    assert_eq!(ceremony.read("roster.toml"), first);
}

#[test]
fn what_stands_in_a_file_does_not_steer_the_terminal() {
    let ceremony = signed();
    let text = ceremony.read("roster.toml");
    for bad in ["\\u001b[2K\"", "\" # \u{202e}\nx\u{1b}"] {
        ceremony.write("roster.toml", &text.replace("mix-1\"", &format!("mix-1{bad}")));
        for command in [&["roster", "show"][..], &["roster", "remove", "mix-9"]] {
            let error = ceremony.refused(command, 65);
            assert!(!error.contains(['\u{1b}', '\u{202e}']), "{error}");
        }
    }
}

#[test]
fn an_older_roster_does_not_cost_the_signatures_of_a_newer() {
    let ceremony = signed();
    let first = ceremony.read("roster.toml");
    ceremony.done(&["roster", "set", "slot_ms=300"]);
    ceremony.sign("north").expect("north signs version 2");
    let signatures = ceremony.read("roster.sig");
    ceremony.write("roster.toml", &first);
    let error = ceremony.sign("west").expect_err("of version 1");
    assert!(error.contains("north of version 2"), "{error}");
    assert_eq!(ceremony.read("roster.sig"), signatures);
}

/// Checks that a directory from somebody else cannot have the tool write anywhere but in it.
#[test]
fn what_lies_in_a_directory_is_not_followed() {
    let ceremony = signed();
    let key = ceremony.read("north.pem");
    for file in ["roster.toml", "roster.sig"] {
        let link = ceremony.path(&format!("{file}.new"));
        std::os::unix::fs::symlink("north.pem", link).unwrap();
    }
    ceremony.done(&["roster", "set", "slot_ms=300"]);
    ceremony.sign("north").expect("north signs");
    assert_eq!(ceremony.read("north.pem"), key);
}

#[test]
fn a_roster_that_nobody_has_signed_says_who_is_to_sign() {
    let ceremony = signed();
    std::fs::remove_file(ceremony.path("roster.sig")).unwrap();
    let error = ceremony.refused(&["roster", "verify"], 65);
    assert!(error.contains("0 of the 3") && error.contains("roster sign"), "{error}");
}

#[test]
fn a_trust_root_that_one_liar_could_split_is_refused() {
    let ceremony = Ceremony::new();
    let error = ceremony.try_trust(2).expect_err("two of four");
    assert!(error.contains("between 3 and 4"), "{error}");
    ceremony.trust(3);
    assert!(ceremony.try_trust(3).expect_err("there is one").contains("already"));
    let said = ceremony.done(&["trust", "show"]);
    assert!(said.contains("3 of 4 agencies must sign") && said.contains("west"), "{said}");
    assert!(!said.contains("join"), "the join key is nobody's to read here: {said}");
}

const NODES: [(&str, &str, Option<u8>); 5] = [
    ("mix-1", "north", Some(1)),
    ("mix-2", "east", Some(2)),
    ("mix-3", "south", Some(3)),
    ("relay-1", "north", None),
    ("relay-2", "west", None),
];
