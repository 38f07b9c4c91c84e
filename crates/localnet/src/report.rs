//! Report on the first message: its way as its two clients know it, and what each party saw of it.

use std::path::Path;

use rohrpost_measure::output::say;
use rohrpost_network::Network;
use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Trip;
use rohrpost_proto::directory::roster::Role;
use serde_json::{Value, json};

use crate::message::Delivery;
use crate::pages::NodePages;
use crate::plan::{NodePlan, Plan};

/// Pages of the nodes about themselves (`/inspect`); none of a build without that page.
pub(crate) async fn gather(plan: &Plan) -> Vec<(String, Value)> {
    let mut parties = Vec::new();
    for node in &plan.nodes {
        let inspection = NodePages::at(node.metrics).inspection().await;
        parties.extend(inspection.map(|inspection| (node.name.clone(), inspection)));
    }
    parties
}

pub(crate) fn json(
    network: &Network,
    plan: &Plan,
    delivery: &Delivery,
    parties: &[(String, Value)],
) -> Value {
    let metrics = |node: &NodePlan| format!("http://{}/metrics", node.metrics);
    json!({
        "delivered": true,
        "suite": network.roster.suite.as_str(),
        "bytes": delivery.received.len(),
        "waited_seconds": delivery.waited.as_secs_f64(),
        "travelled_seconds": delivery.travelled.as_secs_f64(),
        "sent": trip_json(network, &delivery.sent),
        "arrived": trip_json(network, &delivery.arrived),
        "saw": parties.iter().cloned().collect::<serde_json::Map<_, _>>(),
        "metrics": plan.nodes.iter().map(metrics).collect::<Vec<_>>(),
    })
}

fn trip_json(network: &Network, trip: &Trip) -> Value {
    let nodes: Vec<_> =
        trip.path.nodes().into_iter().map(|node| network.roster.name_of(node)).collect();
    let delays: Vec<_> =
        trip.path.delays().into_iter().map(|delay| f64::from(delay.micros()) / 1e3).collect();
    json!({ "nodes": nodes, "delays_ms": delays })
}

pub(crate) fn print(
    network: &Network,
    plan: &Plan,
    delivery: &Delivery,
    parties: &[(String, Value)],
) {
    let (alice, bob) =
        (network.roster.name_of(delivery.alice), network.roster.name_of(delivery.bob));
    say(&format!(
        "The first message has arrived: {} bytes, byte for byte, suite {}.\n",
        delivery.received.len(),
        network.roster.suite.as_str()
    ));
    say("Its way, as its two clients know it (nobody else does):");
    say(&format!(
        "  {:>6.2} s  alice waited for a payload slot: slot {}",
        delivery.waited.as_secs_f64(),
        delivery.slot.number()
    ));
    say(&format!("           {alice} -> {}", route(network, &delivery.sent)));
    say(&format!(
        "  {:>6.2} s  later it reached bob, in an answer to one of his pulls",
        delivery.travelled.as_secs_f64()
    ));
    let mailbox = delivery.sent.path.nodes().last().map(|node| network.roster.name_of(*node));
    say(&format!(
        "           {} -> {}\n           (bob enters through {bob})\n",
        mailbox.unwrap_or_default(),
        route(network, &delivery.arrived)
    ));
    print_parties(parties);
    say("Prometheus (loopback, values change once a second):");
    for node in &plan.nodes {
        let role = if matches!(node.role, Role::Relay) { "relay" } else { "mix" };
        say(&format!("  {:<12} {role:<5} http://{}/metrics", node.name, node.metrics));
    }
}

fn print_parties(parties: &[(String, Value)]) {
    if parties.is_empty() {
        return say("This build has no inspection page (feature danger-inspect).\n");
    }
    say("What each party saw since it started, all of it (cover included; none can tell which):");
    say(
        "  party         packets in    packets out   clients  cells up/down  mailboxes: envelopes stored",
    );
    for (name, saw) in parties {
        let cells = format!("{}/{}", number(&saw["cells_up"]), number(&saw["cells_down"]));
        let relay = saw["role"] == "relay";
        say(&format!(
            "  {name:<12}  {:<12}  {:<12}  {:<7}  {:<13}  {}",
            sum(&saw["from"]),
            sum(&saw["to"]),
            if relay { number(&saw["sessions"]).to_string() } else { "-".to_owned() },
            if relay { cells } else { "-".to_owned() },
            if relay { mailboxes(&saw["mailboxes"]) } else { "-".to_owned() },
        ));
    }
    say("  A relay knows its clients' addresses or a mailbox's pseudonym, never which belong \
         together;\n  a mix knows its neighbours only. --json shows the counts of each link.\n");
}

/// The busiest pseudonyms first; the message's mailbox is one among its owner's own loops.
fn mailboxes(list: &Value) -> String {
    let mut mailboxes: Vec<_> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|mailbox| (number(&mailbox["stored"]), mailbox["pseudonym"].as_str().unwrap_or("")))
        .collect();
    mailboxes.sort_unstable_by(|one, other| other.cmp(one));
    let shown: Vec<_> =
        mailboxes.iter().take(4).map(|(stored, name)| format!("{name}:{stored}")).collect();
    let more = mailboxes.len().saturating_sub(4);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(" "))
}

pub(crate) fn print_invitation(directory: &Path) {
    let directory = directory.display();
    say(&format!(
        "\nThe network is up until Ctrl-C. From a second terminal:\n  \
         alias rohrpost='cargo run -q -p rohrpost-cli --bin rohrpost --'\n  \
         alias carol='rohrpost --home /tmp/carol --key-file /tmp/carol.key'\n  \
         alias dave='rohrpost --home /tmp/dave --key-file /tmp/dave.key'\n  \
         carol init --network {directory}; dave init --network {directory}\n  \
         dave card | carol add dave -\n  \
         carol card | dave add carol -\n  \
         carol send dave 'Hello'\n  \
         dave inbox\n"
    ));
}

fn route(network: &Network, trip: &Trip) -> String {
    let hops = trip.path.nodes().into_iter().zip(trip.path.delays());
    let hop = |(node, delay): (NodeNumber, rohrpost_packet::Delay)| {
        let name = network.roster.name_of(node);
        if delay.micros() == 0 { name } else { format!("{name} ({} ms)", delay.micros() / 1000) }
    };
    hops.map(hop).collect::<Vec<_>>().join(" -> ")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn sum(links: &Value) -> u64 {
    links.as_object().into_iter().flat_map(|links| links.values()).map(number).sum()
}
