//! Differences between two rosters, in words.

use std::path::Path;

use rohrpost_measure::output::say;
use rohrpost_proto::directory::roster::{Roster, RosterNode};
use rohrpost_proto::directory::trust::TrustRoot;
use zeroize::Zeroizing;

use super::summary::{at, role};
use crate::error::OpsError;
use crate::folder::{Folder, ROSTER};

/// Says what the roster of one directory changes in that of another.
///
/// # Errors
/// A file cannot be read, or a roster breaks a rule.
pub(super) fn show(old: &Path, new: &Path) -> Result<(), OpsError> {
    let [old, new] = [read(old)?, read(new)?];
    if !old.signed {
        say("! the older roster is not signed by enough agencies: what it says may be anybody's");
    }
    trusts(&old.trust, &new.trust).iter().for_each(|line| say(line));
    lines(&old.roster, &new.roster).iter().for_each(|line| say(line));
    Ok(())
}

struct Side {
    trust: TrustRoot,
    roster: Roster,
    /// True if enough agencies have signed the roster, whether it has expired or not.
    signed: bool,
}

fn read(directory: &Path) -> Result<Side, OpsError> {
    let folder = Folder::open(directory);
    let (trust, text, signatures) = (folder.trust()?, folder.roster()?, folder.signatures()?);
    let roster = Roster::draft(&text, &trust).map_err(|error| folder.fault(ROSTER, error))?;
    let signed = Roster::verify(&text, &signatures, &trust, 0).is_ok();
    Ok(Side { trust, roster, signed })
}

/// Differences between two trust roots, which no newer roster makes.
fn trusts(old: &TrustRoot, new: &TrustRoot) -> Vec<String> {
    let mut lines = Vec::new();
    if old.network_id() != new.network_id() {
        lines.push("! the trust roots have other agencies or keys: another network".to_owned());
    }
    if old.threshold() != new.threshold() {
        let (old, new) = (old.threshold(), new.threshold());
        lines.push(format!("! the trust roots have other thresholds: {old} and {new}"));
    }
    let texts = [old, new].map(|trust| Zeroizing::new(trust.render()));
    if lines.is_empty() && texts[0] != texts[1] {
        lines.push("! the trust roots have other names of agencies, or join keys".to_owned());
    }
    lines
}

/// The changes, line by line.
fn lines(old: &Roster, new: &Roster) -> Vec<String> {
    let mut lines = vec![format!("hash {} -> {}", old.hash, new.hash)];
    lines.extend(values(old, new));
    for node in old.nodes().filter(|node| new.node(node.number).is_none()) {
        lines.push(format!("- {} ({})", node.name, words(node)));
    }
    for node in new.nodes() {
        match old.node(node.number) {
            None if node.number.get() <= old.numbers_given => lines.push(format!(
                "! {} has number {}, which another node had; numbers are never given again",
                node.name, node.number
            )),
            None => lines.push(format!("+ {} ({})", node.name, words(node))),
            Some(before) => lines.extend(changes(before, node)),
        }
    }
    if old.hash == new.hash {
        lines.push("the rosters are the same".to_owned());
    } else if new.version <= old.version {
        lines.push(format!(
            "! the version does not rise ({} to {}): clients refuse it",
            old.version, new.version
        ));
    }
    lines
}

fn values(old: &Roster, new: &Roster) -> Vec<String> {
    let of = |roster: &Roster| {
        let (traffic, directory) = (&roster.traffic, &roster.directory);
        [
            ("network", roster.network.clone()),
            ("version", roster.version.to_string()),
            ("numbers_given", roster.numbers_given.to_string()),
            ("expires", roster.expires.clone()),
            ("suite", roster.suite.as_str().to_owned()),
            ("slot_ms", traffic.slot.as_millis().to_string()),
            ("mix_delay_ms", traffic.mix_delay.as_millis().to_string()),
            ("cover_floor", traffic.cover_floor.to_string()),
            ("ack_delay_ms", traffic.ack_delay.as_millis().to_string()),
            ("epoch_seconds", directory.epoch.as_secs().to_string()),
            ("document_slot_ms", directory.timing.interval().as_millis().to_string()),
        ]
    };
    changed(of(old), of(new), "")
}

fn changes(old: &RosterNode, new: &RosterNode) -> Vec<String> {
    let of = |node: &RosterNode| {
        [
            ("name", node.name.clone()),
            ("operator", node.operator.clone()),
            ("role", role(node.role)),
            ("addresses", at(node)),
            ("identity", node.identity.to_string()),
        ]
    };
    changed(of(old), of(new), &format!("{}.", old.name))
}

fn changed<const N: usize>(
    old: [(&str, String); N],
    new: [(&str, String); N],
    prefix: &str,
) -> Vec<String> {
    let pairs = old.into_iter().zip(new).filter(|((_, old), (_, new))| old != new);
    pairs.map(|((key, old), (_, new))| format!("  {prefix}{key}: {old} -> {new}")).collect()
}

fn words(node: &RosterNode) -> String {
    let RosterNode { number, operator, identity, .. } = node;
    format!(
        "{number}, {}, run by {operator}, at {}, identity {identity}",
        role(node.role),
        at(node)
    )
}
