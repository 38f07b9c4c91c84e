//! Report on a trial: text for people, or one JSON object.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{SeedableRng, rngs::StdRng};
use rohrpost_measure::histogram::Histogram;
use rohrpost_measure::output::say;
use rohrpost_measure::statistics::{Sample, count, float};
use serde_json::{Value, json};

use super::ledger::{Beyond, Open, State};
use super::message::LoadMessageId;
use super::schedule::Schedule;
use super::scrape::{Look, Watched};
use super::trial::Outcome;

/// The numbers of a trial that take more than a division.
struct Figures {
    /// Shares and latencies in seconds: measured, and by the schedule.
    latency: Vec<(&'static str, f64, f64)>,
    /// Median, p90 and p99 in ms.
    beyond: [f64; 3],
    /// Median of the way back in ms.
    back: f64,
    /// Lateness of departures from all mixes, in seconds.
    lateness: Histogram,
}

impl Figures {
    fn of(outcome: &Outcome, schedule: Schedule) -> Self {
        let settings = outcome.settings;
        let mut rng = StdRng::seed_from_u64(settings.seed());
        let ways = schedule.ways(settings.rate, WAYS, &mut rng);
        let measured = |share| float(outcome.ledger.latency.value_at_quantile(share)) / 1e6;
        let row =
            |(name, share): (&'static str, f64)| (name, measured(share), ways.quantile(share));
        let latency = SHARES.into_iter().map(row).collect();
        let rounds = of_pulls(outcome, |pull| pull.round);
        let beyond = [0.5, 0.9, 0.99].map(|share| rounds.quantile(share));
        let back = of_pulls(outcome, |pull| pull.back).median();
        Self { latency, beyond, back, lateness: lateness(outcome) }
    }
}

/// A value of all pulls, in ms.
fn of_pulls(outcome: &Outcome, pick: fn(&Beyond) -> i64) -> Sample {
    #[expect(clippy::cast_precision_loss, reason = "minutes in µs fit a double")]
    let millis = |pull| pick(pull) as f64 / 1e3;
    Sample::new(outcome.ledger.beyond.iter().map(millis))
}

/// The lateness of all mixes.
fn lateness(outcome: &Outcome) -> Histogram {
    let mut sum = Histogram::default();
    for (node, look) in &outcome.nodes {
        if let (true, Some(look)) = (node.is_mix != Some(false), look) {
            sum.add(&look.lateness);
        }
    }
    sum
}

/// The highest p99 of any node's lateness, in seconds.
pub(super) fn worst_lateness(outcome: &Outcome) -> f64 {
    let looks = outcome.nodes.iter().filter_map(|(_, look)| look.as_ref());
    looks.filter_map(|look| look.lateness.quantile(0.99)).fold(0.0, f64::max)
}

/// The process that used most of a core, and its share.
pub(super) fn busiest(outcome: &Outcome) -> (String, f64) {
    let span = outcome.settings.duration.as_secs_f64();
    let nodes = outcome
        .nodes
        .iter()
        .filter_map(|(node, look)| Some((node.name.clone(), look.as_ref()?.usage.cpu / span)));
    let own = ("the load generator".to_owned(), outcome.own.cpu / span);
    nodes.chain([own]).max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or_default()
}

pub(super) fn print(outcome: &Outcome, schedule: Schedule) {
    let (settings, ledger) = (outcome.settings, &outcome.ledger);
    let figures = Figures::of(outcome, schedule);
    let seconds = settings.duration.as_secs_f64();
    let (sent, arrived) = (ledger.sent(), ledger.arrived());
    say(&format!(
        "{} clients, {seconds} s of load, {} messages a second and client, {} bytes each, suite {}, \
         slots of {} ms, seed {}",
        settings.clients,
        settings.rate,
        settings.message_bytes,
        outcome.suite.as_str(),
        outcome.slot.as_millis(),
        settings.seed()
    ));
    say(&format!(
        "\n  sent {sent}, arrived {arrived}, lost {}, damaged {}, duplicates {}, left again {}",
        ledger.open().len(),
        ledger.damaged,
        ledger.duplicates,
        ledger.again
    ));
    let per_second = count(arrived) / seconds;
    say(&format!(
        "  {per_second:.2} messages a second; ready after {:.1} s, the last message {:.1} s after the \
         load",
        outcome.warmed.as_secs_f64(),
        outcome.drained.as_secs_f64()
    ));
    say(&format!(
        "  clients: {} slots skipped, {} loops lost, {} links lost",
        ledger.skipped, ledger.loops_lost, ledger.disconnects
    ));
    let [median, p99] = [0.5, 0.99].map(|share| ledger.writes.value_at_quantile(share));
    say(&format!(
        "  at its slot a client writes a cell that is ready: median {median} µs, p99 {p99} µs from its \
         wake-up"
    ));
    print_lost(outcome);
    print_latency(outcome, &figures);
    print_nodes(outcome, seconds);
}

/// The first messages lost, with when they were due and how far they came.
fn print_lost(outcome: &Outcome) {
    let lost = outcome.ledger.open();
    for (id, open) in lost.iter().take(SHOWN) {
        say(&format!(
            "  lost: message {} of client {}, due {:.1} s after the begin, {}",
            id.number,
            id.sender,
            open.due.as_secs_f64(),
            words(open.state)
        ));
    }
    if lost.len() > SHOWN {
        say(&format!("  and {} more", lost.len() - SHOWN));
    }
    if let Some(trouble) = &outcome.ledger.trouble {
        say(&format!("  last trouble of a client: {trouble}"));
    }
    if !outcome.dropped.is_empty() {
        say(&format!("  packets dropped by the nodes: {}", reasons(&outcome.dropped)));
    }
}

const fn words(state: State) -> &'static str {
    match state {
        State::Posted => "still waiting for a payload slot",
        State::Left => "gone on its way",
        State::Refused => "not taken by its own client",
    }
}

fn print_latency(outcome: &Outcome, figures: &Figures) {
    say(
        "\n  from due to arrival        measured   by the traffic schedule, if no node took any time",
    );
    for (name, measured, schedule) in &figures.latency {
        say(&format!("    {name:<22} {measured:>8.3} s  {schedule:>7.3} s"));
    }
    let max = float(outcome.ledger.latency.max()) / 1e6;
    say(&format!("    {:<22} {max:>8.3} s", "max"));
    let [median, p90, p99] = figures.beyond;
    say(&format!(
        "\n  beyond the drawn delays and mean tick waits, {} pulls and their answers (8 hops):\n    \
         median {median:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms; median of the way back alone {:.1} ms",
        outcome.ledger.beyond.len(),
        figures.back
    ));
    if let Some((median, p99)) = median_and_p99(&figures.lateness) {
        say(&format!("  lateness of a mix's departures: median {median:.2} ms, p99 {p99:.2} ms"));
    }
}

fn print_nodes(outcome: &Outcome, seconds: f64) {
    say(
        "\n  process         core   packets in    out/s   µs/packet   MiB   late p50    p99    dropped",
    );
    for (node, look) in &outcome.nodes {
        match look {
            Some(look) => say(&row(node, look, seconds)),
            None => {
                say(&format!("  {:<14} its metrics at {} do not answer", node.name, node.metrics))
            }
        }
    }
    let own = outcome.own;
    say(&format!(
        "  {:<14} {:>5.1} %  {:>47.0}\n                 ({:.2} % of a core per client)",
        "loadgen",
        100.0 * own.cpu / seconds,
        mib(own.resident),
        100.0 * own.cpu / seconds / f64::from(outcome.settings.clients)
    ));
    say(&format!("  the machine's cores were {:.0} % busy", 100.0 * outcome.machine.share()));
}

fn row(node: &Watched, look: &Look, seconds: f64) -> String {
    let late = median_and_p99(&look.lateness);
    let (median, p99) = late.map_or_else(
        || ("-".to_owned(), "-".to_owned()),
        |(median, p99)| (format!("{median:.2}"), format!("{p99:.2}")),
    );
    format!(
        "  {:<14} {:>5.1} %  {:>8.1}/s {:>7.1}/s {:>9.0}  {:>6.0}  {median:>6} {p99:>7} ms  {}",
        node.name,
        100.0 * look.usage.cpu / seconds,
        look.received / seconds,
        look.sent / seconds,
        micros_per_packet(look),
        mib(look.usage.resident),
        reasons(&look.dropped)
    )
}

/// Median and p99 in ms.
fn median_and_p99(lateness: &Histogram) -> Option<(f64, f64)> {
    let quantile = |share| lateness.quantile(share).map(|seconds| seconds * 1e3);
    Some((quantile(0.5)?, quantile(0.99)?))
}

/// A packet comes in and goes out; what only does one of both counts as well.
fn micros_per_packet(look: &Look) -> f64 {
    1e6 * look.usage.cpu / look.received.max(look.sent).max(1.0)
}

fn mib(bytes: u64) -> f64 {
    float(bytes) / 1_048_576.0
}

/// Packets dropped by reason, in words.
pub(super) fn reasons(dropped: &BTreeMap<String, u64>) -> String {
    let reasons: Vec<_> =
        dropped.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    if reasons.is_empty() { "-".to_owned() } else { reasons.join(", ") }
}

pub(super) fn json(outcome: &Outcome, schedule: Schedule) -> Value {
    let (settings, ledger) = (outcome.settings, &outcome.ledger);
    let figures = Figures::of(outcome, schedule);
    let seconds = settings.duration.as_secs_f64();
    let column = |pick: fn(&(&'static str, f64, f64)) -> f64| -> Value {
        figures.latency.iter().map(|row| (row.0.to_owned(), Value::from(pick(row)))).collect()
    };
    let nodes = outcome.nodes.iter().map(|(node, look)| node_json(node, look.as_ref(), seconds));
    let late = median_and_p99(&figures.lateness);
    json!({
        "clients": settings.clients,
        "seconds": seconds,
        "suite": outcome.suite.as_str(),
        "slot_ms": millis(outcome.slot),
        "rate": settings.rate,
        "message_bytes": settings.message_bytes,
        "seed": settings.seed(),
        "sent": ledger.sent(),
        "arrived": ledger.arrived(),
        "lost": ledger.open().iter().map(lost_json).collect::<Vec<_>>(),
        "damaged": ledger.damaged,
        "duplicates": ledger.duplicates,
        "left_again": ledger.again,
        "latency_seconds": column(|row| row.1),
        "latency_max_seconds": millis(Duration::from_micros(ledger.latency.max())) / 1e3,
        "latency_by_law_seconds": column(|row| row.2),
        "beyond_drawn": beyond_json(ledger.beyond.len(), &figures),
        "mix_lateness_ms": late.map(late_json),
        "skipped_slots": ledger.skipped,
        "write_micros": {
            "median": ledger.writes.value_at_quantile(0.5),
            "p99": ledger.writes.value_at_quantile(0.99),
        },
        "loops_lost": ledger.loops_lost,
        "links_lost": ledger.disconnects,
        "dropped": outcome.dropped,
        "nodes": nodes.collect::<Vec<_>>(),
        "loadgen": { "cores": outcome.own.cpu / seconds, "resident_bytes": outcome.own.resident },
        "machine_busy": outcome.machine.share(),
        "warm_up_seconds": outcome.warmed.as_secs_f64(),
        "drain_seconds": outcome.drained.as_secs_f64(),
    })
}

fn lost_json((id, open): (&LoadMessageId, &Open)) -> Value {
    json!({
        "client": id.sender,
        "number": id.number,
        "due_seconds": open.due.as_secs_f64(),
        "state": words(open.state),
    })
}

fn beyond_json(pulls: usize, figures: &Figures) -> Value {
    let ([median, p90, p99], back) = (figures.beyond, figures.back);
    json!({
        "pulls": pulls, "median_ms": median, "p90_ms": p90, "p99_ms": p99, "back_median_ms": back,
    })
}

fn late_json((median, p99): (f64, f64)) -> Value {
    json!({ "median": median, "p99": p99 })
}

fn node_json(node: &Watched, look: Option<&Look>, seconds: f64) -> Value {
    let Some(look) = look else { return json!({ "name": node.name, "metrics": null }) };
    let late = median_and_p99(&look.lateness);
    json!({
        "name": node.name,
        "cpu_seconds": look.usage.cpu,
        "cores": look.usage.cpu / seconds,
        "packets_in": look.received,
        "packets_out": look.sent,
        "cpu_micros_per_packet": micros_per_packet(look),
        "resident_bytes": look.usage.resident,
        "lateness_ms": late.map(late_json),
        "dropped": look.dropped,
    })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

const SHARES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
/// Draws of the schedule; enough for its p99.9.
const WAYS: usize = 50_000;
/// Lost messages that are named.
const SHOWN: usize = 10;
