//! Independence of what one end of a path sees from the other end, and from the content.
//!
//! Real couriers fill their slots; every packet is opened with the keys of all hops. For each role
//! (pull, answer, letter, loop, cover) the first mix, the last mix and all three are counted against
//! the pair of both ends, and by role; the first mix against the last; all three of a packet against
//! those of its answer, and of the client's packet before. Each table must pass a chi-square test.

use std::collections::BTreeMap;

use rand::RngExt;
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::independence::ChiSquare;
use rohrpost_measure::statistics::float;
use rohrpost_packet::NodeNumber;
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{KeyRing, Layout, LoneClient, Role};
use serde_json::{Map, Value, json};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const ATTACK: Attack = Attack {
    name: "independence",
    claim: "what one end of a path sees does not depend on the other end, nor on mail",
    attacker: "an entry relay, or a mailbox relay",
    sees: "first mixes of all cells and last mixes of answers; last mixes of instructions and first \
           mixes of answers",
    knows: "which packets are of one client or mailbox, and their roles",
    number: "least p of chi-square tests by role and part of the path, times their number",
    limit: Some(Bound::AtLeast(0.001)),
    quick: true,
    run: attack,
    weakened: &[
        Weakened {
            what: "mixes of the last relay's operator are avoided",
            how: How::Law(Weakness::PathsAvoidRelay),
            reaches: Bound::AtMost(1e-9),
        },
        Weakened {
            what: "operators have mixes in all layers, and the draw keeps those of a path apart",
            how: How::Laws(&[Weakness::OperatorsInAllLayers, Weakness::MixesDrawnTogether]),
            reaches: Bound::AtMost(1e-9),
        },
    ],
};

/// Draws by row and column.
type Table = BTreeMap<Vec<NodeNumber>, BTreeMap<Vec<NodeNumber>, u64>>;

/// Tables of one role: first mix, last mix, all three, each by both ends; then the last mix by the
/// first, and all three by those of the packet that the client sent before, or of the pull.
type Tables = [Table; PARTS.len() + 2];

fn attack(effort: &Effort<'_>) -> Measured {
    let layout = Layout {
        operators: 6,
        relays: 5,
        mixes_per_layer: 3,
        operators_in_all_layers: effort.weaknesses.contains(&Weakness::OperatorsInAllLayers),
        ..Layout::default()
    };
    let clients = effort.trials(effort.size(20, 200), |number, rng| {
        let ring = KeyRing::new(effort.seed, &layout);
        let relays: Vec<_> = ring.roster().relays().map(|relay| relay.number).collect();
        let entry = relays[usize::try_from(number).unwrap_or(0) % relays.len()];
        let mut client = LoneClient::new(&ring, rng.random(), entry, ring.view(&[]));
        let mut tables: BTreeMap<&str, Tables> = BTreeMap::new();
        let mut before = Vec::new();
        for slot in 0..SLOTS {
            if slot % POST_EVERY == 0 {
                client.post();
            }
            let Some(sent) = client.step() else { continue };
            count(tables.entry(name(sent.role)).or_default(), &sent.path, entry, &before);
            before = sent.path[..3].to_vec();
            if let Some(answer) = &sent.answer {
                // From the mailbox up to the entry: its own far end is the relay of the pull.
                count(tables.entry("answer").or_default(), answer, sent.path[3], &before);
            }
        }
        tables
    });
    let mut all: BTreeMap<&str, Tables> = BTreeMap::new();
    for (role, tables) in clients.into_iter().flatten() {
        let sums = all.entry(role).or_default();
        for (sum, table) in sums.iter_mut().zip(tables) {
            merge(sum, table);
        }
    }
    judge(&all)
}

fn count(tables: &mut Tables, path: &[NodeNumber], other_end: NodeNumber, before: &[NodeNumber]) {
    let ends = &[other_end, path[3]][..];
    let (first, last, all) = (&path[..1], &path[2..3], &path[..3]);
    let counted = [(ends, first), (ends, last), (ends, all), (first, last), (before, all)];
    for (table, (row, column)) in tables.iter_mut().zip(counted) {
        if !row.is_empty() {
            let row = table.entry(row.to_vec()).or_default();
            *row.entry(column.to_vec()).or_default() += 1;
        }
    }
}

fn merge(sum: &mut Table, table: Table) {
    for (row, columns) in table {
        let into = sum.entry(row).or_default();
        for (column, n) in columns {
            *into.entry(column).or_default() += n;
        }
    }
}

/// Tests each table of each role, and for each part of the path a table of the roles.
fn judge(all: &BTreeMap<&str, Tables>) -> Measured {
    let mut tests = Vec::new();
    let mut draws = Map::new();
    for (role, tables) in all {
        for (part, table) in PARTS.iter().zip(tables) {
            tests.push((format!("{role}: {part} by ends"), test(table)));
        }
        tests.push((format!("{role}: last mix by first mix"), test(&tables[PARTS.len()])));
        let before = if *role == "answer" { "its pull's" } else { "those before" };
        tests.push((format!("{role}: all three by {before}"), test(&tables[PARTS.len() + 1])));
        let drawn: u64 = tables[0].values().flat_map(BTreeMap::values).sum();
        draws.insert((*role).to_owned(), drawn.into());
    }
    for (at, part) in PARTS.iter().enumerate() {
        let mut by_role = Table::new();
        for (role, tables) in all.values().enumerate() {
            let row = vec![NodeNumber::new(u32::try_from(role).unwrap_or(u32::MAX))];
            for columns in tables[at].values() {
                merge(&mut by_role, Table::from([(row.clone(), columns.clone())]));
            }
        }
        tests.push((format!("{part} by role"), test(&by_role)));
    }
    let least = tests.iter().map(|(_, test)| test.p).fold(1.0, f64::min);
    let number = float(u64::try_from(tests.len()).unwrap_or(u64::MAX));
    let shown = tests.iter().map(|(what, test)| {
        json!({ "test": what, "statistic": test.statistic, "degrees": test.degrees, "p": test.p })
    });
    Measured::new(Estimate::exact((least * number).min(1.0)))
        .with("draws", Value::Object(draws))
        .with("tests", shown.collect::<Vec<_>>())
}

fn test(table: &Table) -> ChiSquare {
    let columns: std::collections::BTreeSet<_> = table.values().flat_map(BTreeMap::keys).collect();
    let row = |row: &BTreeMap<Vec<NodeNumber>, u64>| {
        columns.iter().map(|column| row.get(*column).copied().unwrap_or(0)).collect()
    };
    ChiSquare::independence(&table.values().map(row).collect::<Vec<_>>())
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::Pull => "pull",
        Role::Letter => "letter",
        Role::Loop => "loop",
        Role::Cover => "cover",
    }
}

const PARTS: [&str; 3] = ["first mix", "last mix", "all three"];
/// Slots of each client: with 200 clients 100 000 loops, the rarest role.
const SLOTS: u64 = 4_000;
/// A letter in every fourth slot leaves half as many payload slots for cover.
const POST_EVERY: u64 = 5;
