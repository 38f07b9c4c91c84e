//! The page as Markdown, with its plots in files beside it.

use std::fmt::Write as _;

use super::literature::references;
use super::markup::cell;
use super::page::{
    Judgement, LEGEND, NO_ATTACK, NO_NUMBER, TITLE, coalitions, head, limit, number, rows,
};
use super::plot::{bars, curves, standalone};
use crate::attack::{Record, Run};

/// A page and the files that it links to.
pub(super) struct Markdown {
    pub(super) text: String,
    /// Names and contents.
    pub(super) plots: Vec<(String, String)>,
}

/// Renders a run.
pub(super) fn markdown(run: &Run) -> Markdown {
    let [which, verdict] = head(run).map(|line| cell(&line));
    let mut page =
        Markdown { text: format!("# {TITLE}\n\n{which}\n\n**{verdict}**\n\n"), plots: Vec::new() };
    page.text.push_str("| attack | number | limit | verdict |\n|---|---|---|---|\n");
    for record in rows(run).into_iter().flat_map(|(_, records)| records) {
        let number = cell(&record.found.interval.text());
        let (name, limit, words) =
            (cell(&record.name), limit(record), Judgement::of(record).words());
        let _ = writeln!(page.text, "| {name} | {number} | {limit} | {words} |");
    }
    let _ = writeln!(page.text, "\n{LEGEND}");
    for (row, records) in rows(run) {
        let (adversary, may_learn) = (row.adversary, row.may_learn);
        let _ = writeln!(page.text, "\n## {adversary}\n\nMay learn at most: *{may_learn}*");
        if records.is_empty() {
            let _ = writeln!(page.text, "\n{NO_ATTACK}");
        }
        records.into_iter().for_each(|record| page.attack(record));
    }
    page.text.push_str("\n## What coalitions learn\n\n");
    for (coalition, records) in coalitions(run) {
        let (who, learns) = (coalition.who, coalition.learns);
        let numbers: Vec<_> = records.iter().map(|record| cell(&number(record))).collect();
        let numbers = if numbers.is_empty() { NO_NUMBER.to_owned() } else { numbers.join("; ") };
        let _ = writeln!(page.text, "- **{who}** {learns} ({numbers})");
    }
    page
}

impl Markdown {
    fn attack(&mut self, record: &Record) {
        let Record { name, claim, attacker, sees, knows, .. } = record;
        let (heading, claim) = (cell(name), cell(claim));
        let _ = writeln!(self.text, "\n### {heading}\n\nClaim: {claim}.\n\n| | |\n|---|---|");
        let (number, limit) = (number(record), limit(record));
        let words = Judgement::of(record).words();
        for (name, text) in [
            ("attacker", &**attacker),
            ("sees", sees),
            ("knows", knows),
            ("number", &number),
            ("limit", &limit),
            ("verdict", words),
        ] {
            let _ = writeln!(self.text, "| {name} | {} |", cell(text));
        }
        for build in &record.weakened {
            let found = build.found.as_ref();
            let found = found.map_or_else(|| "not tried".into(), |found| found.interval.text());
            let (build, must_be) = (cell(&build.build), build.must_be.text());
            let _ =
                writeln!(self.text, "| without the law | {build}: {found} (must be {must_be}) |");
        }
        self.plot(name, "numbers", &bars(record));
        if let Some(curve) = curves(record, references(name)) {
            self.plot(name, "curve", &curve);
        }
    }

    fn plot(&mut self, attack: &str, what: &str, plot: &str) {
        // A record may come from a file, and its name must not lead out of the directory.
        let safe = |one: char| if one.is_ascii_alphanumeric() { one } else { '-' };
        let file = format!("{}-{what}.svg", attack.chars().map(safe).collect::<String>());
        let _ = writeln!(self.text, "\n![{what} of {}]({file})", cell(attack));
        self.plots.push((file, standalone(plot)));
    }
}
