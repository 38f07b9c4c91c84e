//! The pages of a fixed run with every kind of judgement, and with text that is no markup.

use super::page::{Judgement, rows};
use super::*;

/// A record from a file of `attack all --json`; names tell what it is for.
fn fixed() -> Run {
    serde_json::from_str(include_str!("tests/run.json")).expect("the file is a run")
}

#[test]
fn every_judgement_comes_from_numbers_and_builds() {
    let run = fixed();
    let judgements = run.attacks.iter().map(|record| (&*record.name, Judgement::of(record)));
    let wanted = [
        ("flow", Judgement::Holds),
        ("pairing", Judgement::Fails),
        ("session-to-mailbox", Judgement::ShowsNothing),
        ("presence", Judgement::Published),
        ("independence", Judgement::Untried),
        ("strange <name> & \"quotes\"", Judgement::Holds),
    ];
    assert!(judgements.eq(wanted));
}

#[test]
fn a_run_that_is_written_is_read_again() {
    let run = fixed();
    let text = serde_json::to_string(&run).expect("a run is JSON");
    let again: Run = serde_json::from_str(&text).expect("and a run again");
    assert_eq!(html::html(&again), html::html(&run));
    let judged = |run: &Run| run.attacks.iter().map(Judgement::of).collect::<Vec<_>>();
    assert_eq!(judged(&again), judged(&run));
}

#[test]
fn claims_come_in_the_order_of_the_threat_model_and_none_is_lost() {
    let run = fixed();
    let rows = rows(&run);
    let names: Vec<_> =
        rows.iter().flat_map(|(_, records)| records).map(|one| &*one.name).collect();
    assert_eq!(names.first(), Some(&"flow"), "the observer comes first");
    assert_eq!(names.len(), run.attacks.len());
    assert_eq!(rows.last().expect("there are rows").0.adversary, "Others");
}

/// The page follows `docs/threat-model.md`.
#[test]
fn rows_are_those_of_the_threat_model() {
    let document = include_str!("../../../docs/threat-model.md");
    let table = document.lines().skip_while(|line| !line.starts_with("| adversary")).skip(2);
    let table = table.take_while(|line| line.starts_with('|'));
    let adversaries = table.map(|line| line.split('|').nth(1).expect("a cell").trim().to_owned());
    assert!(adversaries.eq(claims::ROWS.iter().map(|row| row.adversary.to_lowercase())));
}

/// Every attack of this program has its row.
#[test]
fn rows_name_every_attack() {
    let placed: Vec<_> = claims::ROWS.iter().flat_map(|row| row.attacks).collect();
    for name in attack::attack_names() {
        let times = placed.iter().filter(|placed| **placed == &name).count();
        assert_eq!(times, 1, "{name} belongs in one row of claims.rs");
    }
    for placed in placed {
        let known = attack::attack_names().any(|name| placed == &name);
        assert!(known, "claims.rs names {placed}, which is no attack");
    }
}

#[test]
fn pages_are_well_formed_and_load_nothing() {
    let run = fixed();
    let page = html::html(&run);
    well_formed(page.strip_prefix("<!DOCTYPE html>").expect("a document type"));
    let markdown = markdown::markdown(&run);
    assert!(markdown.plots.len() > run.attacks.len(), "one plot each, and curves");
    for (name, plot) in &markdown.plots {
        well_formed(plot);
        assert!(markdown.text.contains(&format!("]({name})")), "{name}");
        assert!(!name.contains(['/', '<', ' ', '"']), "{name}");
    }
    for loads in ["<script", "src=", "url(", "@import", "<link"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("strange &lt;name&gt; &amp; &quot;quotes&quot;"));
    assert!(!page.contains("<name>") && !markdown.text.replace("\\<", "").contains('<'));
    assert!(page.contains("MixMatch") && page.contains("prefers-color-scheme: dark"));
}

#[test]
fn pages_say_what_was_found() {
    let run = fixed();
    let (page, markdown) = (html::html(&run), markdown::markdown(&run).text);
    for judgement in run.attacks.iter().map(Judgement::of) {
        assert!(page.contains(judgement.words()) && markdown.contains(judgement.words()));
    }
    for said in ["seed 7", "2026-11-25", "0.0123 (0.009 to 0.016)", "at most 0.02", "not tried"] {
        assert!(markdown.contains(said), "{said}");
    }
    assert!(page.contains("Not tried: the ends&#39; operators count"));
}

#[test]
fn other_files_are_refused() {
    let strange = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")));
    assert_eq!(strange.expect_err("no run").exit_code(), 65);
    assert_eq!(read(Path::new("/nowhere/run.json")).expect_err("no file").exit_code(), 66);
}

/// Panics unless every element is closed in its turn, and `<`, `&` and quotes are markup.
fn well_formed(text: &str) {
    let mut open = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        no_bare_ampersand(&rest[..at]);
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        assert!(!tag.contains('<'), "{tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        no_bare_ampersand(tag);
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed in its turn");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("a name"));
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
}

fn no_bare_ampersand(text: &str) {
    for part in text.split('&').skip(1) {
        let end = part.find(';').unwrap_or_else(|| panic!("a bare ampersand: {part}"));
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&&part[..end]), "{part}");
    }
}
