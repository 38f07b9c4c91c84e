//! Changes of a roster that keep its comments, and raise its version once it was signed.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use rohrpost_measure::output::say;
use rohrpost_network::unix_now;
use rohrpost_proto::directory::roster::{Directory, Roster, SuiteName, Traffic};
use rohrpost_proto::directory::trust::TrustRoot;
use rohrpost_proto::time::calendar::date;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value, value};

use crate::error::OpsError;
use crate::folder::{Folder, ROSTER};

/// A node to be added.
#[derive(Args)]
pub(crate) struct NewNode {
    /// Name of the node, shown in logs and metrics.
    pub(super) name: String,
    /// The agency that runs it.
    #[arg(long, value_name = "AGENCY")]
    pub(super) operator: String,
    /// Layer of a mix, 1 to 3; without it the node is a relay.
    #[arg(long, value_name = "N")]
    pub(super) layer: Option<i64>,
    /// Address and port at which it listens, the most preferred first.
    #[arg(long = "address", value_name = "IP:PORT", required = true)]
    pub(super) addresses: Vec<SocketAddr>,
    /// Public half of its identity key, as `keygen` printed it.
    #[arg(long, value_name = "HEX")]
    pub(super) identity: String,
}

/// Makes a roster without nodes.
///
/// # Errors
/// There is one already, or no trust root.
pub(super) fn new(network: &Path, expires: Option<&str>, suite: SuiteName) -> Result<(), OpsError> {
    let folder = Folder::lock(network)?;
    let trust = folder.trust()?;
    let path = folder.file(ROSTER);
    if path.exists() {
        return Err(OpsError::Exists(path));
    }
    let in_a_year = || date(unix_now() + YEAR);
    let expires = expires.map_or_else(in_a_year, str::to_owned);
    let text = Roster::render(
        trust.network(),
        &expires,
        suite,
        &Traffic::default(),
        &Directory::of(&Traffic::default()),
        &[],
    );
    put(&folder, &trust, &text)
}

/// Adds a node.
///
/// # Errors
/// The node breaks a rule, or a file is wrong.
pub(super) fn add(network: &Path, node: &NewNode) -> Result<(), OpsError> {
    let mut number = 0;
    change(network, |document, folder| {
        number = highest(document).checked_add(1).ok_or(OpsError::Highest("the node's number"))?;
        give(document, number)?;
        let mut table = Table::new();
        table["number"] = value(number);
        table["name"] = value(&node.name);
        table["operator"] = value(&node.operator);
        table["role"] = value(if node.layer.is_some() { "mix" } else { "relay" });
        if let Some(layer) = node.layer {
            table["layer"] = value(layer);
        }
        table["addresses"] =
            value(node.addresses.iter().map(ToString::to_string).collect::<Array>());
        table["identity"] = value(&node.identity);
        table.decor_mut().set_prefix("\n");
        nodes(document, folder)?.push(table);
        Ok(())
    })?;
    say(&format!("{} is node {number}; its configuration says node = {number}", node.name));
    Ok(())
}

/// Removes a node.
///
/// # Errors
/// There is no such node, or a file is wrong.
pub(super) fn remove(network: &Path, name: &str) -> Result<(), OpsError> {
    change(network, |document, folder| {
        give(document, highest(document))?;
        let nodes = nodes(document, folder)?;
        let at = place(nodes, name)?;
        nodes.remove(at);
        Ok(())
    })
}

/// Changes values of the roster or of nodes.
///
/// # Errors
/// A change is of no key, its value breaks a rule, or a file is wrong.
pub(super) fn set(network: &Path, changes: &[String]) -> Result<(), OpsError> {
    change(network, |document, folder| {
        changes.iter().try_for_each(|change| set_one(document, folder, change))
    })
}

fn set_one(document: &mut DocumentMut, folder: &Folder, change: &str) -> Result<(), OpsError> {
    let known = || {
        let keys = KEYS.iter().map(|(_, key)| (*key).to_owned());
        let of_nodes = NODE_KEYS.iter().map(|key| format!("NODE.{key}"));
        keys.chain(of_nodes).collect::<Vec<_>>().join(", ")
    };
    let none = || OpsError::Change { change: change.to_owned(), known: known() };
    let (key, text) = change.split_once('=').ok_or_else(none)?;
    if let Some((table, key)) = KEYS.iter().find(|(_, known)| *known == key) {
        let table = match *table {
            "" => document.as_table_mut(),
            name => document
                .entry(name)
                .or_insert(toml_edit::table())
                .as_table_mut()
                .ok_or_else(none)?,
        };
        return put_value(table, key, text);
    }
    let (name, key) = key.rsplit_once('.').ok_or_else(none)?;
    let key = NODE_KEYS.iter().find(|known| **known == key).ok_or_else(none)?;
    let nodes = nodes(document, folder)?;
    let at = place(nodes, name)?;
    put_value(nodes.get_mut(at).ok_or_else(none)?, key, text)
}

/// Puts a value in the place of the one before, whose comment stays.
fn put_value(table: &mut Table, key: &str, text: &str) -> Result<(), OpsError> {
    if (key, text) == ("layer", "") {
        // A mix becomes a relay.
        table.remove(key);
        return Ok(());
    }
    let number = || text.parse::<i64>().map_err(|_| OpsError::Number(format!("{key}={text}")));
    let mut new: Value = match key {
        "addresses" => text.split(',').map(str::trim).collect::<Array>().into(),
        "expires" | "suite" | "name" | "operator" | "role" | "identity" => text.into(),
        _ => number()?.into(),
    };
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    table[key] = Item::Value(new);
    Ok(())
}

/// Changes a roster and writes it, with a higher version if the one before was signed. One that breaks
/// a rule is not written; one that lacks nodes is.
fn change(
    network: &Path,
    what: impl FnOnce(&mut DocumentMut, &Folder) -> Result<(), OpsError>,
) -> Result<(), OpsError> {
    let folder = Folder::lock(network)?;
    let (trust, text, signatures) = (folder.trust()?, folder.roster()?, folder.signatures()?);
    let syntax = |source| OpsError::Syntax { path: folder.file(ROSTER), source: Box::new(source) };
    let mut document: DocumentMut = text.parse().map_err(syntax)?;
    let version = |document: &DocumentMut| document.get("version").and_then(Item::as_integer);
    let before = version(&document).unwrap_or(0);
    let genuine = signatures.iter().filter(|signed| signed.is_genuine(&trust));
    let signed = genuine.max_by_key(|signed| signed.version);
    if let Some(signed) = signed.filter(|signed| i64::from(signed.version) > before) {
        return Err(OpsError::newer(signed));
    }
    what(&mut document, &folder)?;
    let now = version(&document).unwrap_or(0);
    if let Some(signed) = signed.filter(|signed| i64::from(signed.version) >= now) {
        let next =
            signed.version.checked_add(1).ok_or(OpsError::Highest("the roster's version"))?;
        put_value(document.as_table_mut(), "version", &next.to_string())?;
    }
    put(&folder, &trust, &document.to_string())
}

/// Writes a roster that breaks no rule, and says what it lacks.
fn put(folder: &Folder, trust: &TrustRoot, text: &str) -> Result<(), OpsError> {
    let draft = Roster::draft(text, trust);
    let lack = match draft {
        Ok(roster) => {
            let (version, nodes) = (roster.version, roster.nodes().count());
            format!("roster version {version} with {nodes} nodes; it is to be signed")
        }
        Err(error) if error.is_incomplete() => format!("not complete yet: {error}"),
        Err(error) => return Err(folder.fault(ROSTER, error)),
    };
    folder.put_roster(text)?;
    say(&lack);
    Ok(())
}

fn nodes<'d>(
    document: &'d mut DocumentMut,
    folder: &Folder,
) -> Result<&'d mut ArrayOfTables, OpsError> {
    let nodes = document.entry("node").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    nodes.as_array_of_tables_mut().ok_or_else(|| OpsError::Nodes(folder.file(ROSTER)))
}

fn place(nodes: &ArrayOfTables, name: &str) -> Result<usize, OpsError> {
    let of = |table: &Table| table.get("name").and_then(Item::as_str).map(str::to_owned);
    let names: Vec<_> = nodes.iter().filter_map(of).collect();
    let place = nodes.iter().position(|table| of(table).as_deref() == Some(name));
    place.ok_or_else(|| OpsError::Node { name: name.to_owned(), known: names.join(", ") })
}

/// Notes the highest number that a node has or had.
fn give(document: &mut DocumentMut, number: i64) -> Result<(), OpsError> {
    put_value(document.as_table_mut(), "numbers_given", &number.to_string())
}

/// The highest number that a node has or had.
fn highest(document: &DocumentMut) -> i64 {
    let given = document.get("numbers_given").and_then(Item::as_integer).unwrap_or(0);
    let nodes = document.get("node").and_then(Item::as_array_of_tables).into_iter().flatten();
    let numbers = nodes.filter_map(|table| table.get("number").and_then(Item::as_integer));
    numbers.max().unwrap_or(0).max(given)
}

/// Keys of the roster, by their table.
const KEYS: [(&str, &str); 9] = [
    ("", "version"),
    ("", "expires"),
    ("", "suite"),
    ("traffic", "slot_ms"),
    ("traffic", "mix_delay_ms"),
    ("traffic", "cover_floor"),
    ("traffic", "ack_delay_ms"),
    ("directory", "epoch_seconds"),
    ("directory", "document_slot_ms"),
];
const NODE_KEYS: [&str; 6] = ["name", "operator", "role", "layer", "addresses", "identity"];
const YEAR: Duration = Duration::from_secs(365 * 86_400);
