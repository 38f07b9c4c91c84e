//! Summary of a roster, for people and programs.

use std::collections::BTreeSet;
use std::path::Path;

use rohrpost_measure::output::say;
use rohrpost_proto::directory::consensus::signatories::Signatories;
use rohrpost_proto::directory::roster::{Role, Roster, RosterNode};
use serde_json::{Value, json};

use crate::error::OpsError;
use crate::folder::{Folder, ROSTER};

/// Says what the roster of a directory holds, whoever has signed it.
///
/// # Errors
/// A file cannot be read, or the roster breaks a rule.
pub(super) fn show(network: &Path, json: bool) -> Result<(), OpsError> {
    let folder = Folder::open(network);
    let (trust, text) = (folder.trust()?, folder.roster()?);
    let roster = Roster::draft(&text, &trust).map_err(|error| folder.fault(ROSTER, error))?;
    if json {
        say(&of(&roster).to_string());
    } else {
        lines(&roster).iter().for_each(|line| say(line));
    }
    Ok(())
}

/// Summary of a roster, line by line.
pub(super) fn lines(roster: &Roster) -> Vec<String> {
    let Roster {
        network, version, hash, expires, suite, traffic, directory, numbers_given, ..
    } = roster;
    let mut lines = vec![
        format!("network {network}, roster version {version}, holds until {expires}"),
        format!("hash {hash}; numbers given up to {numbers_given}"),
        format!(
            "suite {}; slots of {} ms; delays of {} ms at each mix, {} s for acknowledgements; cover \
             of {} packets a second; keys change each {} s, network documents each {} s",
            suite.as_str(),
            traffic.slot.as_millis(),
            traffic.mix_delay.as_millis(),
            traffic.ack_delay.as_secs_f64(),
            traffic.cover_floor,
            directory.epoch.as_secs(),
            directory.timing.interval().as_secs_f64()
        ),
        signing(roster),
    ];
    for node in roster.nodes() {
        let RosterNode { number, name, operator, .. } = node;
        let role = role(node.role);
        lines
            .push(format!("{number:>4}  {name:<16} {role:<14} run by {operator:<12} {}", at(node)));
        lines.push(format!("      identity {}", node.identity));
    }
    lines.extend(notes(roster));
    lines
}

/// Who signs the network documents.
fn signing(roster: &Roster) -> String {
    let signatories = Signatories::of(roster);
    let (count, threshold) = (signatories.len(), signatories.threshold());
    format!(
        "network documents: {threshold} of the {count} agencies with a relay sign each; {} may be silent, and \
         {} may lie",
        count - threshold,
        (2 * threshold).saturating_sub(count + 1)
    )
}

/// The same as JSON.
pub(super) fn of(roster: &Roster) -> Value {
    let node = |node: &RosterNode| {
        json!({
            "number": node.number.get(),
            "name": node.name,
            "operator": node.operator,
            "role": match node.role { Role::Mix { .. } => "mix", Role::Relay => "relay" },
            "layer": match node.role { Role::Mix { layer } => Some(layer + 1), Role::Relay => None },
            "addresses": node.addresses,
            "identity": node.identity.to_string(),
        })
    };
    json!({
        "network": roster.network,
        "version": roster.version,
        "hash": roster.hash.to_string(),
        "numbers_given": roster.numbers_given,
        "expires": roster.expires,
        "suite": roster.suite.as_str(),
        "slot_ms": millis(roster.traffic.slot),
        "mix_delay_ms": millis(roster.traffic.mix_delay),
        "ack_delay_ms": millis(roster.traffic.ack_delay),
        "cover_floor": roster.traffic.cover_floor,
        "epoch_seconds": roster.directory.epoch.as_secs(),
        "document_slot_ms": millis(roster.directory.timing.interval()),
        "document_signatories": Signatories::of(roster).len(),
        "document_threshold": Signatories::of(roster).threshold(),
        "nodes": roster.nodes().map(node).collect::<Vec<_>>(),
        "notes": notes(roster),
    })
}

/// Role of a node in words.
pub(super) fn role(role: Role) -> String {
    match role {
        Role::Mix { layer } => format!("mix of layer {}", layer + 1),
        Role::Relay => "relay".to_owned(),
    }
}

/// Addresses of a node.
pub(super) fn at(node: &RosterNode) -> String {
    node.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Notes that the agencies should have read before they sign.
fn notes(roster: &Roster) -> Vec<String> {
    let mut notes = Vec::new();
    for layer in 0..3 {
        let operators: BTreeSet<_> = roster.at(layer).map(|node| &node.operator).collect();
        if let (Some(operator), 1) = (operators.first(), operators.len()) {
            notes.push(format!(
                "note: all mixes of layer {} are run by {operator}, which can stop the network alone; \
                 put mixes of another agency beside them",
                layer + 1
            ));
        }
    }
    notes
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
