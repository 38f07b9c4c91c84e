//! The page as HTML: one file, without scripts or anything that is loaded.

use std::fmt::Write as _;

use super::literature::references;
use super::markup::escape;
use super::page::{
    Judgement, LEGEND, NO_ATTACK, NO_NUMBER, TITLE, coalitions, head, limit, number, rows,
};
use super::plot::{STYLE, bars, curves};
use crate::attack::{Record, Run};

/// Renders a run.
pub(super) fn html(run: &Run) -> String {
    let [which, verdict] = head(run).map(|line| escape(&line));
    let class = if run.holds { "good" } else { "bad" };
    let mut body = format!(
        "<h1>{TITLE}</h1>\n<p class=\"faint\">{which}</p>\n<p class=\"{class}\">{verdict}</p>\n"
    );
    summary(&mut body, run);
    let _ = writeln!(body, "<p class=\"faint\">{}</p>", escape(LEGEND));
    for (row, records) in rows(run) {
        let (adversary, may_learn) = (escape(row.adversary), escape(row.may_learn));
        let _ =
            writeln!(body, "<h2>{adversary}</h2>\n<p>May learn at most: <em>{may_learn}</em></p>");
        if records.is_empty() {
            let _ = writeln!(body, "<p class=\"faint\">{NO_ATTACK}</p>");
        }
        records.into_iter().for_each(|record| attack(&mut body, record));
    }
    body.push_str("<h2>What coalitions learn</h2>\n<ul>\n");
    for (coalition, records) in coalitions(run) {
        let (who, learns) = (escape(coalition.who), escape(coalition.learns));
        let numbers: Vec<_> = records.iter().map(|record| escape(&number(record))).collect();
        let numbers = if numbers.is_empty() { NO_NUMBER.to_owned() } else { numbers.join("; ") };
        let _ = writeln!(
            body,
            "<li><strong>{who}</strong> {learns}<br/><span class=\"faint\">{numbers}</span></li>"
        );
    }
    body.push_str("</ul>\n");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>{TITLE}</title>\n<style>{STYLE}{LAYOUT}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// All attacks in a table.
fn summary(body: &mut String, run: &Run) {
    body.push_str(
        "<table>\n<thead><tr><th>Attack</th><th>Number</th><th>Limit</th><th>Verdict</th></tr></thead>\n<tbody>\n",
    );
    for record in rows(run).into_iter().flat_map(|(_, records)| records) {
        let (name, number) = (escape(&record.name), escape(&record.found.interval.text()));
        let (limit, verdict) = (escape(&limit(record)), verdict(record));
        let _ = writeln!(
            body,
            "<tr><td><a href=\"#{name}\">{name}</a></td><td>{number}</td><td>{limit}</td><td>{verdict}</td></tr>"
        );
    }
    body.push_str("</tbody>\n</table>\n");
}

fn attack(body: &mut String, record: &Record) {
    let name = escape(&record.name);
    let claim = escape(&record.claim);
    let _ =
        writeln!(body, "<section id=\"{name}\">\n<h3>{name}</h3>\n<p>Claim: {claim}.</p>\n<dl>");
    let (number, limit) = (number(record), limit(record));
    for (name, text) in [
        ("Attacker", &record.attacker),
        ("Sees", &record.sees),
        ("Knows", &record.knows),
        ("Number", &number),
        ("Limit", &limit),
    ] {
        let text = escape(text);
        let _ = writeln!(body, "<dt>{name}</dt><dd>{text}</dd>");
    }
    let _ = writeln!(body, "<dt>Verdict</dt><dd>{}</dd>\n</dl>", verdict(record));
    let plot = bars(record);
    let _ = writeln!(body, "<figure>{plot}</figure>");
    untried(body, record);
    if let Some(curve) = curves(record, references(&record.name)) {
        let _ = writeln!(body, "<figure>{curve}</figure>");
    }
    body.push_str("</section>\n");
}

/// Builds for which there is no number to draw.
fn untried(body: &mut String, record: &Record) {
    for build in record.weakened.iter().filter(|build| build.found.is_none()) {
        let build = escape(&build.build);
        let _ = writeln!(body, "<p class=\"faint\">Not tried: {build}.</p>");
    }
}

fn verdict(record: &Record) -> String {
    let judgement = Judgement::of(record);
    let class = match judgement {
        Judgement::Published | Judgement::Untried => "faint",
        _ if judgement.is_bad() => "bad",
        _ => "good",
    };
    format!("<span class=\"{class}\">{}</span>", escape(judgement.words()))
}

const LAYOUT: &str = "
body { background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; } h2 { margin-top: 3rem; border-bottom: 1px solid var(--rule); }
h3 { margin-top: 2rem; } a { color: var(--law); } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.6rem 0.3rem 0;
  border-bottom: 1px solid var(--rule); }
dl { display: grid; grid-template-columns: 6rem 1fr; gap: 0.2rem 1rem; } dt { color: var(--faint); }
dd { margin: 0; } figure { margin: 1rem 0; } svg { width: 100%; height: auto; }
.faint { color: var(--faint); } .good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; } li { margin-bottom: 0.6rem; }
";
