//! Holds the operators' pages against the code: a series, a configuration key or a field of a
//! node's state that the pages do not name fails here.

use std::path::PathBuf;

/// Structs whose fields `docs/data-inventory.md` must name, by file.
const STATE: &[(&str, &[&str])] = &[
    ("crates/proto/src/hop.rs", &["Hop", "KeyEpoch"]),
    ("crates/proto/src/replay.rs", &["ReplayMemory"]),
    ("crates/proto/src/places.rs", &["Places", "Known"]),
    ("crates/proto/src/mix/pool.rs", &["Pool", "Waiting"]),
    ("crates/proto/src/mix/pool/shares.rs", &["Shares"]),
    ("crates/proto/src/mix/inflow.rs", &["FreshInflow"]),
    ("crates/proto/src/mix/own_client.rs", &["OwnClient"]),
    ("crates/proto/src/mix/watch.rs", &["Watch"]),
    ("crates/proto/src/mix/watch/arrivals.rs", &["Operator"]),
    ("crates/packet/src/buffer.rs", &["BufferPool"]),
    ("crates/proto/src/entry.rs", &["Entry", "Session"]),
    ("crates/proto/src/mailbox.rs", &["Mailboxes"]),
    ("crates/proto/src/mailbox/queue.rs", &["Mailbox", "Held", "Stored"]),
    ("crates/proto/src/directory/authority.rs", &["Authority"]),
    ("crates/proto/src/directory/board.rs", &["Board"]),
    ("crates/proto/src/directory/carousel/sender.rs", &["Carousel", "Contents"]),
    ("crates/proto/src/directory/clocks.rs", &["Clocks"]),
    ("crates/proto/src/directory/consensus/documents.rs", &["Documents"]),
    ("crates/proto/src/directory/consensus/rosters.rs", &["Rosters"]),
    ("crates/proto/src/directory/consensus/signer.rs", &["Signer"]),
    ("crates/proto/src/directory/descriptors.rs", &["Descriptors"]),
    ("crates/proto/src/directory/follower.rs", &["Follower"]),
    ("crates/proto/src/directory/presence.rs", &["Presence"]),
    ("crates/proto/src/directory/views.rs", &["Views"]),
    ("relay/src/session.rs", &["Sessions", "Live"]),
    ("relay/src/state.rs", &["SessionCounts"]),
];

fn read(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).expect("the file is part of the repository")
}

/// Names of the fields of a struct with named fields, by its source.
fn fields<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let is_head = |line: &&str| {
        let line = line.trim_start_matches("pub(super) ");
        let line = line.trim_start_matches("pub(crate) ");
        let line = line.trim_start_matches("pub ");
        line.strip_prefix("struct ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with(['<', ' ']) && rest.ends_with('{'))
    };
    let body = source.lines().skip_while(|line| !is_head(line)).skip(1);
    let field = |line: &'a str| {
        let line = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        let (name, _) = line.split_once(": ")?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        name.chars().all(is_name).then_some(name)
    };
    body.take_while(|line| *line != "}").filter_map(field).collect()
}

#[test]
fn every_field_of_the_state_is_in_the_data_inventory() {
    let page = read("docs/data-inventory.md");
    for (file, structs) in STATE {
        let source = read(file);
        for name in *structs {
            let fields = fields(&source, name);
            assert!(!fields.is_empty(), "no struct {name} in {file}");
            for field in fields {
                assert!(
                    page.contains(&format!("`{name}.{field}`")),
                    "docs/data-inventory.md does not say what {name}.{field} ({file}) holds, where \
                     and for how long"
                );
            }
        }
    }
}

#[test]
fn every_series_is_on_the_metrics_page() {
    let page = read("docs/metrics.md");
    let node =
        ["metrics.rs", "series.rs", "usage.rs"].map(|file| format!("crates/node/src/{file}"));
    let duties = ["relay/src/metrics.rs", "mixnode/src/metrics.rs"].map(str::to_owned);
    let sources: String = node.iter().chain(&duties).map(|file| read(file)).collect();
    let quoted = sources.split('"').skip(1).step_by(2);
    let is_series = |text: &&str| {
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        (text.starts_with("rohrpost_") || text.starts_with("process_")) && text.chars().all(is_name)
    };
    let series: Vec<_> = quoted.filter(is_series).collect();
    assert!(series.len() > 20, "the names were found");
    for name in series {
        assert!(page.contains(&format!("`{name}`")), "docs/metrics.md lacks {name}");
    }
    for reason in rohrpost_proto::hop::Refusal::ALL {
        let row = format!("| `{}` |", reason.as_str());
        assert!(page.contains(&row), "docs/metrics.md lacks {row}");
    }
}

#[test]
fn every_configuration_key_is_on_the_operating_page() {
    let page = read("docs/operating.md");
    let source = read("crates/node/src/config.rs");
    for name in ["RawConfig", "RawLimits"] {
        let keys = fields(&source, name);
        assert!(!keys.is_empty(), "no struct {name}");
        for key in keys {
            let row = [format!("| `{key}` |"), format!("| `[{key}]` |")];
            assert!(row.iter().any(|row| page.contains(row)), "docs/operating.md lacks {key}");
        }
    }
}
