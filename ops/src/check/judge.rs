//! What is not as it should be in what nodes have shown.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_network::Network;
use rohrpost_proto::directory::consensus::document::DocumentHash;
use rohrpost_proto::directory::roster::{Role, RosterNode};
use rohrpost_proto::directory::timing::Timing;
use rohrpost_proto::time::Slot;
use serde_json::json;

use crate::check::finding::Finding;
use crate::sight::{Newest, Shown, Sight};

/// A finding for each node, and one for the files at hand.
pub(super) fn all(network: &Network, seen: &[Sight]) -> Vec<Finding> {
    let whole = Whole::of(network, seen);
    let nodes = seen.iter().map(|sight| of_node(&whole, sight));
    nodes.chain([of_files(network, &whole)]).collect()
}

/// What all that was seen gives together, by which each is judged.
struct Whole<'a> {
    timing: Timing,
    /// Version of the roster at hand.
    own: u32,
    /// Version of the newest roster.
    newest: u32,
    /// The newest document that any relay has shown.
    document: Option<&'a Newest>,
    /// By slots the relay that showed its document first, and which that was.
    documents: BTreeMap<Slot, (&'a str, DocumentHash)>,
    /// Milliseconds by which the middle one of the relays' clocks is ahead of this machine's.
    middle: Option<i64>,
}

impl<'a> Whole<'a> {
    fn of(network: &Network, seen: &'a [Sight]) -> Self {
        let own = network.roster.version;
        let shown = || seen.iter().map(|sight| &sight.shown);
        let versions = shown().filter_map(|shown| Some(shown.newer.as_ref()?.0));
        let mut documents = BTreeMap::new();
        for sight in seen {
            for (slot, hash) in &sight.shown.documents {
                documents.entry(*slot).or_insert((sight.node.name.as_str(), *hash));
            }
        }
        let mut clocks: Vec<_> = shown().filter_map(|shown| shown.ahead).collect();
        clocks.sort_unstable();
        Self {
            timing: network.roster.directory.timing,
            own,
            newest: versions.max().unwrap_or(0).max(own),
            document: shown().filter_map(|shown| shown.newest.as_ref()).max_by_key(|it| it.slot),
            documents,
            middle: clocks.get(clocks.len() / 2).copied(),
        }
    }
}

fn of_node(whole: &Whole<'_>, sight: &Sight) -> Finding {
    let Sight { node, reached, shown } = sight;
    let (mut text, mut problems) = (Vec::new(), Vec::new());
    match reached {
        Ok(took) => text.push(format!("answers in {} ms", took.as_millis())),
        Err(why) => {
            text.push("does not answer".to_owned());
            problems.push(format!("{why} (if it has moved, the roster must say so)"));
        }
    }
    let named = whole.document.map(|document| document.nodes.contains(&node.number));
    if named == Some(false) && reached.is_ok() {
        problems.push(
            "it answers, but the newest document is without it: its links to relays are down, or it \
             has run for less than two minutes; its log says which"
                .to_owned(),
        );
    }
    let off = shown.ahead.zip(whole.middle).map(|(ahead, middle)| ahead - middle);
    if node.role == Role::Relay && reached.is_ok() {
        of_roster(whole, shown, &mut text, &mut problems);
        of_documents(whole, sight, &mut text, &mut problems);
        if let Some(off) = off {
            text.push(format!("clock {off:+} ms"));
            if Duration::from_millis(off.unsigned_abs()) > whole.timing.clocks() {
                problems.push(format!(
                    "its clock is {off:+} ms off the middle one of the relays': set it by NTP"
                ));
            }
        }
    }
    let values = json!({
        "number": node.number.get(),
        "role": role(node),
        "answers_ms": reached.as_ref().ok().map(Duration::as_millis),
        "named": named,
        "roster": shown.has_roster.then_some(version(whole, shown)),
        "slot": shown.newest.as_ref().map(|document| document.slot.number()),
        "document_age_seconds": shown.newest.as_ref().map(|document| document.age.as_secs()),
        "clock_offset_ms": off,
    });
    Finding { of: node.name.clone(), text: text.join(", "), values, problems }
}

fn of_roster(whole: &Whole<'_>, shown: &Shown, text: &mut Vec<String>, problems: &mut Vec<String>) {
    if !shown.has_roster {
        problems.push("it has sent no roster: it holds clients up, or is overloaded".to_owned());
        return;
    }
    let version = version(whole, shown);
    text.push(format!("roster {version}"));
    if version < whole.newest {
        let newest = whole.newest;
        problems.push(format!(
            "it has roster {version}, and the newest is {newest}: it gets that from the other relays \
             within minutes, or its links to them are down"
        ));
    }
}

fn of_documents(
    whole: &Whole<'_>,
    sight: &Sight,
    text: &mut Vec<String>,
    problems: &mut Vec<String>,
) {
    let timing = whole.timing;
    let Some(Newest { slot, age, .. }) = &sight.shown.newest else {
        problems.push("it has sent no document that holds: nobody can send through it".to_owned());
        return;
    };
    let age_s = age.as_secs();
    text.push(format!("document {} of {age_s} s ago", slot.number()));
    if *age >= timing.lead() + timing.stale_after() {
        problems.push(format!(
            "its newest document is {age_s} s old, and nobody sends by it: fewer agencies than must \
             sign reach each other"
        ));
    }
    let differs = |(slot, hash): &(&Slot, &DocumentHash)| {
        whole.documents.get(slot).is_some_and(|(_, first)| first != *hash)
    };
    if let Some((slot, _)) = sight.shown.documents.iter().find(differs) {
        let first = whole.documents.get(slot).map_or("", |(relay, _)| relay);
        problems.push(format!(
            "its document {} is another than {first}'s, and the agencies have signed both: the network \
             is split; stop sending, and tell all agencies",
            slot.number()
        ));
    }
}

fn of_files(network: &Network, whole: &Whole<'_>) -> Finding {
    let (own, newest, expires) = (whole.own, whole.newest, &network.roster.expires);
    let mut problems = Vec::new();
    if own < newest {
        problems.push(format!(
            "the newest roster is {newest}: rohrpost-ops roster fetch puts it here for the next starts"
        ));
    }
    if let Some(off) = whole.middle.filter(|off| off.unsigned_abs() >= MACHINE) {
        let (seconds, way) =
            (off.unsigned_abs() / 1000, if off > 0 { "behind" } else { "ahead of" });
        problems
            .push(format!("this machine's clock is {seconds} s {way} the relays': set it by NTP"));
    }
    let text = format!("roster {own}, holds until {expires}");
    let values = json!({ "roster": own, "expires": expires });
    Finding { of: "files here".to_owned(), text, values, problems }
}

fn version(whole: &Whole<'_>, shown: &Shown) -> u32 {
    shown.newer.as_ref().map_or(whole.own, |(version, _)| *version)
}

const fn role(node: &RosterNode) -> &'static str {
    match node.role {
        Role::Relay => "relay",
        Role::Mix { .. } => "mix",
    }
}

/// Milliseconds from which this machine's clock is worth a word.
const MACHINE: u64 = 5_000;

#[cfg(test)]
mod tests;
