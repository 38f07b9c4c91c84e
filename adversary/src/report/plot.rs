//! Plots as SVG: the number on the law and on builds without it beside their limits, and curves of
//! success against cost. Colours follow the reader's light or dark page.

use std::fmt::Write as _;

use super::literature::Reference;
use super::markup::escape;
use super::scale::Scale;
use crate::attack::{Bound, Interval, Record, text};

/// Draws the number on the law and on every build without it that was tried, each with its bound.
pub(super) fn bars(record: &Record) -> String {
    let law = (LAW, "the law", record.found.interval, record.limit);
    let builds = record.weakened.iter().filter_map(|build| {
        let found = build.found.as_ref()?;
        Some((WEAKENED, build.build.as_str(), found.interval, Some(build.must_be)))
    });
    let rows: Vec<_> = std::iter::once(law).chain(builds).collect();
    let values = rows.iter().flat_map(|(_, _, interval, bound)| {
        let Interval { value, low, high } = *interval;
        [value, low, high, bound.map_or(value, limit)]
    });
    let scale = Scale::over(values, MARGIN, WIDTH - MARGIN);
    let mut drawing = String::new();
    let mut y = 16.0;
    for (class, name, interval, bound) in &rows {
        row(&mut drawing, &scale, y, (class, name), *interval, *bound);
        y += ROW;
    }
    axis(&mut drawing, (&scale, MARGIN), y, &record.number);
    svg(&format!("{}: {}", record.name, record.number), y + 40.0, &drawing)
}

/// One number with its interval; the side of the bound on which it should lie is shaded.
fn row(
    drawing: &mut String,
    scale: &Scale,
    y: f64,
    (class, name): (&str, &str),
    interval: Interval,
    bound: Option<Bound>,
) {
    let line = y + 18.0;
    if let Some(bound) = bound {
        let at = scale.at(limit(bound));
        let (from, to) = match bound {
            Bound::AtMost(_) => (MARGIN, at),
            Bound::AtLeast(_) => (at, WIDTH - MARGIN),
        };
        let (top, width) = (line - 8.0, to - from);
        let _ = write!(
            drawing,
            r#"<rect class="wanted" x="{from:.1}" y="{top:.1}" width="{width:.1}" height="16"/>"#
        );
        let _ = write!(
            drawing,
            r#"<path class="limit" d="M{at:.1} {:.1}V{:.1}"/>"#,
            line - 11.0,
            line + 11.0
        );
    }
    let (low, high) = (scale.at(interval.low), scale.at(interval.high));
    let at = scale.at(interval.value);
    let (name, number) = (escape(name), escape(&interval.text()));
    let _ = write!(
        drawing,
        r#"<text x="{MARGIN}" y="{y:.1}">{name}: <tspan class="strong">{number}</tspan></text><path class="{class}" d="M{low:.1} {line:.1}H{high:.1}"/><circle class="{class}" cx="{at:.1}" cy="{line:.1}" r="4.5"/>"#
    );
}

/// Draws an attack's curves, on the law and on builds without it, and those of the literature;
/// `None` if the attack has no curve.
pub(super) fn curves(record: &Record, references: &[Reference]) -> Option<String> {
    let law = record.found.curve.as_ref()?;
    let builds = record.weakened.iter().filter_map(|build| {
        let curve = build.found.as_ref()?.curve.as_ref()?;
        Some((WEAKENED, build.build.clone(), curve.points.clone()))
    });
    let exact =
        |(at, value): &(f64, f64)| (*at, Interval { value: *value, low: *value, high: *value });
    let cited = references.iter().zip(LETTERS).map(|(reference, letter)| {
        let name = format!("{letter}: {} ({})", reference.what, reference.source);
        (REFERENCE, name, reference.points.iter().map(exact).collect::<Vec<_>>())
    });
    let own = std::iter::once((LAW, "the law".to_owned(), law.points.clone()));
    let lines: Vec<_> = own.chain(builds).chain(cited).collect();
    let all = || lines.iter().flat_map(|(_, _, points)| points);
    let across = Scale::over(all().map(|(at, _)| *at), LEFT, WIDTH - MARGIN);
    let up = Scale::over(all().flat_map(|(_, one)| [one.value, one.high]), HEIGHT, 12.0);
    let mut drawing = String::new();
    heights(&mut drawing, &up);
    for (class, _, points) in &lines {
        line(&mut drawing, (&across, &up), class, points);
    }
    for (reference, letter) in references.iter().zip(LETTERS) {
        let Some((at, value)) = reference.points.first() else { continue };
        let (x, y) = (across.at(*at) + 6.0, up.at(*value) + 14.0);
        let _ = write!(drawing, r#"<text class="mark" x="{x:.1}" y="{y:.1}">{letter}</text>"#);
    }
    axis(&mut drawing, (&across, LEFT), HEIGHT, &law.over);
    let mut y = HEIGHT + 58.0;
    for (class, name, _) in &lines {
        let (name, mark) = (escape(name), y - 4.0);
        let _ = write!(
            drawing,
            r#"<path class="{class}" d="M{MARGIN} {mark:.1}h26"/><text x="48" y="{y:.1}">{name}</text>"#
        );
        y += 20.0;
    }
    Some(svg(&format!("{} by {}", law.gives, law.over), y, &drawing))
}

fn line(
    drawing: &mut String,
    (across, up): (&Scale, &Scale),
    class: &str,
    points: &[(f64, Interval)],
) {
    let place = |at: f64, value: f64| format!("{:.1} {:.1}", across.at(at), up.at(value));
    let high = points.iter().map(|(at, one)| place(*at, one.high));
    let low = points.iter().rev().map(|(at, one)| place(*at, one.low));
    let band: Vec<_> = high.chain(low).collect();
    let middle: Vec<_> = points.iter().map(|(at, one)| place(*at, one.value)).collect();
    let (band, middle) = (band.join("L"), middle.join("L"));
    let _ = write!(
        drawing,
        r#"<path class="{class} band" d="M{band}Z"/><path class="{class} line" d="M{middle}"/>"#
    );
    for (at, one) in points {
        let (x, y) = (across.at(*at), up.at(one.value));
        let _ = write!(drawing, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3"/>"#);
    }
}

/// Marks of the vertical axis, with lines across.
fn heights(drawing: &mut String, up: &Scale) {
    for mark in up.marks() {
        let (y, name) = (up.at(mark), short(mark));
        let right = WIDTH - MARGIN;
        let _ = write!(
            drawing,
            r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/><text class="mark" x="{:.1}" y="{:.1}" text-anchor="end">{name}</text>"#,
            LEFT - 6.0,
            y + 4.0
        );
    }
}

/// The horizontal axis, with its name below.
fn axis(drawing: &mut String, (scale, from): (&Scale, f64), y: f64, name: &str) {
    let right = WIDTH - MARGIN;
    let _ = write!(drawing, r#"<path class="axis" d="M{from} {y:.1}H{right}"/>"#);
    for mark in scale.marks() {
        let (x, name) = (scale.at(mark), short(mark));
        let _ = write!(
            drawing,
            r#"<path class="axis" d="M{x:.1} {y:.1}v5"/><text class="mark" x="{x:.1}" y="{:.1}" text-anchor="middle">{name}</text>"#,
            y + 18.0
        );
    }
    let (below, name) = (y + 35.0, escape(name));
    let _ = write!(
        drawing,
        r#"<text class="mark" x="{right}" y="{below:.1}" text-anchor="end">{name}</text>"#
    );
}

/// A mark of an axis, as a rule a round number.
fn short(mark: f64) -> String {
    let text = text(mark);
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

fn svg(title: &str, height: f64, drawing: &str) -> String {
    let title = escape(title);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {height:.0}"><title>{title}</title>{drawing}</svg>"#
    )
}

/// Makes a plot that stands in a file of its own, colours and ground included.
pub(super) fn standalone(plot: &str) -> String {
    let styled = format!("<style>svg {{ background: var(--ground); }}{STYLE}</style></svg>");
    plot.replace("</svg>", &styled)
}

const fn limit(bound: Bound) -> f64 {
    match bound {
        Bound::AtMost(limit) | Bound::AtLeast(limit) => limit,
    }
}

/// Classes of what is drawn, of those in [`STYLE`].
const LAW: &str = "law";
const WEAKENED: &str = "weakened";
const REFERENCE: &str = "reference";
/// Letters by which references are told apart.
const LETTERS: [&str; 5] = ["a", "b", "c", "d", "e"];
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const MARGIN: f64 = 24.0;
/// Room for the marks of a vertical axis.
const LEFT: f64 = 62.0;
const ROW: f64 = 52.0;

/// Colours of a page and of its plots, light and dark.
pub(super) const STYLE: &str = "
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1f2328; --faint: #656d76;
  --rule: #d0d7de; --law: #0550ae; --weakened: #bc4c00; --reference: #6e7781; --good: #1a7f37;
  --bad: #cf222e; --wanted: #dafbe1; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #e6edf3; --faint: #9198a1;
  --rule: #3d444d; --law: #79c0ff; --weakened: #ffa657; --reference: #9198a1; --good: #56d364;
  --bad: #ff7b72; --wanted: #12361f; } }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
svg .strong { font-weight: 600; } svg .mark { font-size: 12px; fill: var(--faint); }
svg path { fill: none; stroke-width: 2; } svg .axis { stroke: var(--faint); stroke-width: 1; }
svg .grid { stroke: var(--rule); stroke-width: 1; } svg .limit { stroke: var(--good); }
svg .wanted { fill: var(--wanted); } svg .law { stroke: var(--law); }
svg circle.law { fill: var(--law); } svg .weakened { stroke: var(--weakened); }
svg circle.weakened { fill: var(--weakened); }
svg .reference { stroke: var(--reference); stroke-dasharray: 5 4; }
svg circle.reference { fill: var(--ground); stroke-dasharray: none; }
svg path.band { stroke: none; opacity: 0.2; } svg path.law.band { fill: var(--law); }
svg path.weakened.band { fill: var(--weakened); }
";
