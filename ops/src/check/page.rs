//! What the pages of an own node say, which are served on its machine alone.

use std::time::Duration;

use rohrpost_measure::exposition::Exposition;
use rohrpost_measure::http;
use rohrpost_network::Network;
use rohrpost_node::NodeConfig;
use serde_json::json;

use crate::check::finding::Finding;

/// Reads the pages of the node with this configuration.
pub(super) async fn look_at(network: &Network, config: &NodeConfig) -> Finding {
    let of = format!("{} (own)", network.roster.name_of(config.node));
    let ready = http::get(config.metrics, "/readyz", LIMIT).await;
    let metrics = http::get(config.metrics, "/metrics", LIMIT).await;
    match (ready, metrics) {
        (Ok((is_ready, why)), Ok((_, metrics))) => {
            let unready = (!is_ready).then(|| why.trim().to_owned());
            judge(of, unready, &Exposition::parse(&metrics))
        }
        (Err(error), _) | (_, Err(error)) => {
            let why = format!("http://{} does not answer: {error}; does it run?", config.metrics);
            Finding { of, text: "says nothing".to_owned(), values: json!({}), problems: vec![why] }
        }
    }
}

fn judge(of: String, unready: Option<String>, metrics: &Exposition) -> Finding {
    let count = |name: &str| metrics.counter(&format!("rohrpost_{name}"));
    let roster = count("roster_version");
    let offset = metrics.value("rohrpost_clock_offset_seconds").unwrap_or(0.0);
    let mut text = vec![
        if unready.is_none() { "ready" } else { "not ready" }.to_owned(),
        format!("roster {roster}"),
        format!("clock {offset:+} s"),
    ];
    let (sent, returned) = (count("loops_sent_total"), count("loops_returned_total"));
    let (late, lost) = (count("loops_late_total"), count("loops_lost_total"));
    if sent > 0 {
        text.push(format!(
            "of {sent} loops {returned} came back, {late} of them late, {lost} did not"
        ));
    }
    let alarms: Vec<_> = metrics
        .by_label("rohrpost_mix_alarms_total")
        .filter(|(_, times)| *times > 0.0)
        .map(|(alarm, times)| format!("{alarm} {times} times"))
        .collect();
    let mut problems: Vec<_> = unready.clone().into_iter().collect();
    if !alarms.is_empty() {
        let alarms = alarms.join(", ");
        problems.push(format!(
            "it has noticed attacks since its start ({alarms}): docs/traffic.md, Mixes, says which"
        ));
    }
    let values = json!({
        "ready": unready.is_none(),
        "roster": roster,
        "clock_offset_seconds": offset,
        "loops": { "sent": sent, "returned": returned, "late": late, "lost": lost },
        "attacks": alarms,
    });
    Finding { of, text: text.join(", "), values, problems }
}

/// Time for a page.
const LIMIT: Duration = Duration::from_secs(5);
