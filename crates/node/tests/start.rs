//! Messages of a node about files that are wrong: each message names the file and the remedy.

#[cfg(test)]
#[path = "fixture/network.rs"]
mod network;

use std::path::Path;

use network::{MIX, Network, RELAY};
use rohrpost_node::{Duty, Limits, Memory, Prepared, Share, prepare};
use rohrpost_packet::{Classic, Hybrid, NodeNumber, Suite};

const LISTEN: &str = "listen = \"127.0.0.1:0\"\nmetrics = \"127.0.0.1:0\"";

/// The message of a preparation that must fail, with the exit code of wrong files.
fn refused(configuration: &Path, duty: Duty) -> String {
    let error = prepare(configuration, duty).err().expect("it is wrong");
    assert_eq!(error.exit_code(), 78, "{error}");
    error.to_string()
}

fn contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}

#[test]
fn right_files_make_a_node() {
    let network = Network::new(3);
    let configuration = network.configure(MIX, MIX, LISTEN, "metrics_tick_seconds = 1");
    let Prepared { node, roster, .. } = prepare(&configuration, Duty::Mix).unwrap();
    assert_eq!((node.name.as_str(), roster.nodes().count()), ("mix-1", 4));
}

#[test]
fn a_key_of_another_node_is_named_with_both_nodes() {
    let network = Network::new(3);
    let configuration = network.configure(RELAY, 3, LISTEN, "");
    let message = refused(&configuration, Duty::Relay);
    contains(
        &message,
        &["identity-1.pem", "of node 3 (mix-2)", "this is node 1 (relay-1)", "point"],
    );
}

#[test]
fn a_key_of_nobody_is_told_with_its_public_half() {
    let network = Network::new(3);
    let configuration = network.configure(RELAY, 77, LISTEN, "");
    let message = refused(&configuration, Duty::Relay);
    contains(&message, &["of no node in the roster", "have the agencies sign"]);
}

#[test]
fn a_key_file_without_a_key_names_the_command_that_makes_one() {
    let network = Network::new(3);
    let configuration = network.configure(RELAY, RELAY, LISTEN, "");
    network.write("identity-1.pem", "no key\n");
    let message = refused(&configuration, Duty::Relay);
    contains(&message, &["identity-1.pem", "rohrpost-ops keygen"]);
}

#[test]
fn an_under_signed_roster_names_who_signed_and_who_must() {
    let network = Network::new(2);
    let configuration = network.configure(RELAY, RELAY, LISTEN, "");
    let message = refused(&configuration, Duty::Relay);
    contains(&message, &["roster.toml", "2 of the 3", "north", "east", "rohrpost-ops roster sign"]);
}

#[test]
fn an_unsigned_roster_is_refused_with_or_without_a_signature_file() {
    let network = Network::new(0);
    let configuration = network.configure(RELAY, RELAY, LISTEN, "");
    contains(&refused(&configuration, Duty::Relay), &["0 of the 3", "roster sign"]);
    std::fs::remove_file(network.directory.join("roster.sig")).unwrap();
    contains(&refused(&configuration, Duty::Relay), &["0 of the 3", "roster sign"]);
}

#[test]
fn a_roster_changed_after_signing_is_refused() {
    let network = Network::new(3);
    let configuration = network.configure(RELAY, RELAY, LISTEN, "");
    let roster = std::fs::read_to_string(network.directory.join("roster.toml")).unwrap();
    network.write("roster.toml", &roster.replace("cover_floor = 50", "cover_floor = 1"));
    contains(&refused(&configuration, Duty::Relay), &["north", "changed after signing"]);
}

#[test]
fn an_unknown_key_is_named_with_file_line_and_the_known_keys() {
    let network = Network::new(3);
    let configuration = network.configure(RELAY, RELAY, LISTEN, "retries = 3");
    let message = refused(&configuration, Duty::Relay);
    contains(&message, &["node-1.toml", "line 8", "retries", "metrics_tick_seconds"]);
}

#[test]
fn a_missing_file_is_named() {
    let network = Network::new(3);
    let configuration = network.configure(RELAY, RELAY, LISTEN, "");
    std::fs::remove_file(network.directory.join("trust.toml")).unwrap();
    contains(&refused(&configuration, Duty::Relay), &["trust.toml", "trust root"]);
}

#[test]
fn the_wrong_program_names_the_right_one() {
    let network = Network::new(3);
    let relay = network.configure(RELAY, RELAY, LISTEN, "");
    contains(&refused(&relay, Duty::Mix), &["relay-1", "rohrpost-relay"]);
    let mix = network.configure(MIX, MIX, LISTEN, "");
    contains(&refused(&mix, Duty::Relay), &["mix-1", "rohrpost-mixnode"]);
}

#[test]
fn a_number_that_the_roster_lacks_is_named() {
    let network = Network::new(3);
    let configuration = network.configure(99, RELAY, LISTEN, "");
    contains(&refused(&configuration, Duty::Relay), &["node = 99", "not in the roster"]);
}

/// The ceiling that a node prints follows from its limits and its suite.
#[test]
fn the_memory_ceiling_follows_the_limits() {
    let network = Network::new(3);
    let prepared = prepare(&network.configure(MIX, MIX, LISTEN, ""), Duty::Mix).unwrap();
    let limits = Limits { workers: 1, ..Limits::default() };
    let role = |number| prepared.roster.node(NodeNumber::new(number)).unwrap().role;
    let (roster, duty) = (&prepared.roster, Share { packets: 10_000, bytes: 1_000_000 });
    let plan = |number, duty| Memory::plan::<Hybrid>(roster, role(number), &limits, duty);
    let mix = plan(MIX, duty);
    assert_eq!(mix.buffers, duty.packets + 2 * limits.queue_packets);
    assert!(mix.ceiling > mix.buffers * Hybrid::PACKET_LEN + duty.bytes);
    let wider = Share { packets: duty.packets + 1_000, ..duty };
    assert_eq!(plan(MIX, wider).buffers, mix.buffers + 1_000);
    let classic = Memory::plan::<Classic>(roster, role(MIX), &limits, duty);
    assert!(classic.ceiling < mix.ceiling);
    assert_eq!(plan(RELAY, duty).buffers, duty.packets + 2 * limits.queue_packets);
}
