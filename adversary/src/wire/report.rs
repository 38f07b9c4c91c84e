//! The table of links, and what it says: lengths, the grid, whole frames on packet links.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_localnet::capture::{Manifest, QuicHeader};
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::output::say;
use rohrpost_measure::statistics::Sample;
use serde_json::{Value, json};

use super::flow::{Exception, Flow, Kind, USUAL_LEN};
use super::grid::{Comparison, Grid};
use super::telling::{LIMIT, Telling, Told};

/// Report on a capture.
pub(crate) struct Report<'a> {
    manifest: &'a Manifest,
    rows: Vec<Row>,
}

struct Row {
    flow: Flow,
    exceptions: Vec<Exception>,
    gaps: Sample,
    /// Cells on the grid, if this is a client's link.
    grid: Option<Grid>,
    comparison: Option<Comparison>,
    telling: Option<Telling>,
}

/// A statement of the report, and whether it holds.
struct Verdict {
    holds: bool,
    /// True of a statement on the host's noise, which tells nothing of any client.
    of_host: bool,
    text: String,
}

impl<'a> Report<'a> {
    pub(crate) fn new(flows: Vec<Flow>, manifest: &'a Manifest) -> Self {
        let slot = Duration::from_millis(manifest.slot_ms.max(1));
        let messages = manifest.messages_from.map(Duration::from_micros);
        let period = Duration::from_millis(manifest.messages_period_ms);
        let row = |flow: Flow| {
            let client = flow.is_client().then_some(&flow);
            Row {
                grid: client.and_then(|flow| Grid::of(flow, slot, manifest.frame_len)),
                comparison: client.zip(messages).and_then(|(flow, start)| {
                    Comparison::of(flow, slot, manifest.frame_len, start, period)
                }),
                telling: Telling::of(&flow, manifest),
                exceptions: flow.exceptions(),
                gaps: flow.gaps(),
                flow,
            }
        };
        Self { manifest, rows: flows.into_iter().map(row).collect() }
    }

    pub(crate) fn print(&self) {
        self.print_links();
        self.print_grid();
        self.print_comparison();
        self.print_telling();
        self.print_streams();
        say("What this shows:");
        for verdict in self.verdicts() {
            say(&format!("  {:<4} {}", if verdict.holds { "yes" } else { "NO" }, verdict.text));
        }
    }

    fn print_links(&self) {
        say(&format!(
            "Links (suite {}, frames of {} bytes, slots of {} ms); gaps between departures in ms:",
            self.manifest.suite, self.manifest.frame_len, self.manifest.slot_ms
        ));
        say(
            "  from         to           carries   datagrams        bytes  gap p1  median      p99     mean   stddev  \
             not 1200 bytes",
        );
        for row in &self.rows {
            let (ends, carries, gaps) = (row.ends(), row.flow.kind.as_str(), &row.gaps);
            let (datagrams, bytes) = (row.flow.datagrams.len(), row.flow.bytes());
            let (p1, median, p99) = (gaps.quantile(0.01), gaps.median(), gaps.quantile(0.99));
            let (mean, stddev) = (gaps.mean(), gaps.deviation());
            let exceptions = in_words(&row.exceptions);
            say(&format!(
                "{ends} {carries:<9} {datagrams:>9} {bytes:>12} {p1:>7.3} {median:>7.3} \
                 {p99:>8.2} {mean:>8.2} {stddev:>8.2}  {exceptions}"
            ));
        }
        say("");
    }

    fn print_grid(&self) {
        say(
            "Cells of client links: ms from the grid, and datagrams per slot (acknowledgements too):",
        );
        say(
            "  from         to             slots  cells     p50     p99     max  >5 ms  per slot: slots",
        );
        for (row, grid) in self.grids() {
            let (ends, slots, cells) = (row.ends(), grid.slots, grid.offsets.len());
            let off = grid.offsets.magnitudes();
            let ([p50, p99, max], beyond) = (off.spread(), off.beyond(NOISE_MS));
            let per_slot = counts(&grid.datagrams);
            say(&format!(
                "{ends} {slots:>7} {cells:>6} {p50:>7.2} {p99:>7.2} {max:>7.2} {beyond:>6}  {per_slot}"
            ));
        }
        say("");
    }

    fn print_comparison(&self) {
        if self.rows.iter().all(|row| row.comparison.is_none()) {
            return;
        }
        say(
            "Cover alone and messages from one client to another, in turn; distance of the two (Kolmogorov-Smirnov):",
        );
        say(
            "  from         to             cover messages distance  1 % value  per slot: cover | messages",
        );
        for row in &self.rows {
            let Some(Comparison { cover, messages }) = &row.comparison else { continue };
            let (distance, critical) = cover.offsets.distance(&messages.offsets);
            say(&format!(
                "{} {:>5} {:>8} {distance:>8.3} {critical:>10.3}  {} | {}",
                row.ends(),
                cover.offsets.len(),
                messages.offsets.len(),
                counts(&cover.datagrams),
                counts(&messages.datagrams),
            ));
        }
        say("");
    }

    fn print_telling(&self) {
        say(
            "Kinds of cells told apart by when they leave, area under the curve and its interval (1/2: not at all):",
        );
        say(
            "  client       as        pulls    odd  area                        ms  letters   rest  area                        ms",
        );
        for (row, telling) in self.tellings() {
            let (client, name) = (&row.flow.from, telling.name.as_deref().unwrap_or("mix"));
            let letters = telling.letters.as_ref().map(Told::columns).unwrap_or_default();
            say(&format!("  {client:<12} {name:<8} {} {letters}", telling.pulls.columns()));
        }
        say("");
    }

    /// The nodes' own counts, for the wire shows ciphertext only.
    fn print_streams(&self) {
        if self.manifest.links.is_empty() {
            return;
        }
        say("Bytes in the streams of packet links, as the nodes' QUIC took and delivered them:");
        say(
            "  from         to                    sent   frames  rest      received   frames  rest",
        );
        let frame = self.manifest.frame_len.max(1);
        for link in &self.manifest.links {
            let (sent, received) = (link.sent_bytes, link.received_bytes);
            say(&format!(
                "  {:<12} {:<12} {sent:>13} {:>8} {:>5} {received:>13} {:>8} {:>5}",
                link.from,
                link.to,
                sent / frame,
                sent % frame,
                received / frame,
                received % frame,
            ));
        }
        say("");
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = vec![self.lengths()];
        verdicts.extend(self.on_grid());
        verdicts.push(self.apart("pulls from odd cells", |telling| Some(&telling.pulls)));
        verdicts.push(self.apart("letters from cover", |telling| telling.letters.as_ref()));
        verdicts.extend(self.whole_frames());
        if self.manifest.missed > 0 {
            let text = format!("the capture has missed {} datagrams", self.manifest.missed);
            verdicts.push(Verdict { holds: false, of_host: false, text });
        }
        verdicts
    }

    /// Tells whether all statements hold but those on the host's noise.
    pub(crate) fn holds(&self) -> bool {
        self.verdicts().iter().all(|verdict| verdict.holds || verdict.of_host)
    }

    /// Two kinds of cells are not told apart, for any client with enough of both.
    fn apart(&self, what: &str, told: impl Fn(&Telling) -> Option<&Told>) -> Verdict {
        let all = || self.tellings().filter_map(|(_, telling)| told(telling));
        let judged: Vec<_> = all().filter_map(Told::suffices).collect();
        let (clients, few) = (judged.len(), all().count() - judged.len());
        let most = judged.iter().max_by(|one, other| one.value.total_cmp(&other.value));
        let found = match most {
            None => "not judged".to_owned(),
            Some(Estimate { value, low, high }) => {
                format!("at most {value:.3} ({low:.3} to {high:.3})")
            }
        };
        let text = format!(
            "departures do not tell {what}: area {found} over {clients} clients (limit {LIMIT}); \
             {few} have too few cells to judge"
        );
        Verdict { holds: most.is_none_or(|area| area.value <= LIMIT), of_host: false, text }
    }

    /// Exceptions of the handshake are listed; after it there is none.
    fn lengths(&self) -> Verdict {
        let clients = || self.rows.iter().filter(|row| row.flow.is_client());
        let total: usize = clients().map(|row| row.flow.datagrams.len()).sum();
        let mut kinds: BTreeMap<(u16, QuicHeader), usize> = BTreeMap::new();
        for exception in clients().flat_map(|row| &row.exceptions) {
            *kinds.entry((exception.len, exception.header)).or_default() += exception.count;
        }
        let holds = kinds.keys().all(|(_, header)| *header != QuicHeader::Short);
        let listed: Vec<_> = kinds
            .iter()
            .map(|((len, header), count)| format!("{count} of {len} bytes ({})", header.as_str()))
            .collect();
        let but = match listed.is_empty() {
            true => "without exception".to_owned(),
            false => format!("but for {}", listed.join(", ")),
        };
        let text = format!("all {total} datagrams of client links have {USUAL_LEN} bytes, {but}");
        Verdict { holds, of_host: false, text }
    }

    fn on_grid(&self) -> Option<Verdict> {
        let all = self.grids().flat_map(|(_, grid)| grid.offsets.values()).copied();
        let off = Sample::new(all).magnitudes();
        let (slots, cells) = self.grids().fold((0, 0), |(slots, cells), (_, grid)| {
            (slots + grid.slots, cells + grid.offsets.len())
        });
        let beyond = off.beyond(NOISE_MS);
        (cells > 0).then(|| Verdict {
            holds: beyond == 0 && cells == slots,
            of_host: true,
            text: format!(
                "each of {slots} slots has its cell ({cells} found) within {NOISE_MS} ms of the grid: \
                 {beyond} are farther off, p99 {:.2} ms, the farthest {:.2} ms",
                off.quantile(0.99),
                off.max()
            ),
        })
    }

    fn whole_frames(&self) -> Option<Verdict> {
        let (links, frame) = (&self.manifest.links, self.manifest.frame_len.max(1));
        let whole = links.iter().filter(|link| {
            link.sent_bytes.is_multiple_of(frame) && link.received_bytes.is_multiple_of(frame)
        });
        let (whole, frames) =
            (whole.count(), links.iter().map(|link| link.sent_bytes / frame).sum::<u64>());
        (!links.is_empty()).then(|| Verdict {
            holds: whole == links.len(),
            of_host: false,
            text: format!(
                "{whole} of {} packet links carried whole frames only, {frames} of {frame} bytes",
                links.len()
            ),
        })
    }

    fn grids(&self) -> impl Iterator<Item = (&Row, &Grid)> {
        self.rows.iter().filter_map(|row| Some((row, row.grid.as_ref()?)))
    }

    fn tellings(&self) -> impl Iterator<Item = (&Row, &Telling)> {
        self.rows.iter().filter_map(|row| Some((row, row.telling.as_ref()?)))
    }

    pub(crate) fn json(&self) -> Value {
        let verdict =
            |it: &Verdict| json!({ "holds": it.holds, "of_host": it.of_host, "text": it.text });
        json!({
            "suite": self.manifest.suite,
            "frame_len": self.manifest.frame_len,
            "slot_ms": self.manifest.slot_ms,
            "missed": self.manifest.missed,
            "links": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "streams": self.manifest.links,
            "verdicts": self.verdicts().iter().map(verdict).collect::<Vec<_>>(),
        })
    }
}

impl Row {
    /// The first two columns of the tables.
    fn ends(&self) -> String {
        format!("  {:<12} {:<12}", self.flow.from, self.flow.to)
    }

    fn json(&self) -> Value {
        let exception = |it: &Exception| {
            json!({
                "len": it.len,
                "header": it.header.as_str(),
                "count": it.count,
                "last_seconds": it.last.as_secs_f64(),
            })
        };
        let comparison = self.comparison.as_ref().map(|Comparison { cover, messages }| {
            let (distance, critical) = cover.offsets.distance(&messages.offsets);
            json!({
                "cover": grid_json(cover),
                "messages": grid_json(messages),
                "distance": distance,
                "distance_at_1_percent": critical,
            })
        });
        json!({
            "from": self.flow.from,
            "to": self.flow.to,
            "carries": self.flow.kind.as_str(),
            "datagrams": self.flow.datagrams.len(),
            "bytes": self.flow.bytes(),
            "headers": self.flow.headers(),
            "exceptions": self.exceptions.iter().map(exception).collect::<Vec<_>>(),
            "gaps_ms": self.gaps.json(),
            "grid": self.grid.as_ref().map(grid_json),
            "comparison": comparison,
            "telling": self.telling.as_ref().map(Telling::json),
        })
    }
}

fn grid_json(grid: &Grid) -> Value {
    let per_slot: BTreeMap<_, _> =
        grid.datagrams.iter().map(|(datagrams, slots)| (datagrams.to_string(), slots)).collect();
    json!({
        "slots": grid.slots,
        "cells": grid.offsets.len(),
        "from_grid_ms": grid.offsets.magnitudes().json(),
        "beyond_5_ms": grid.offsets.magnitudes().beyond(NOISE_MS),
        "slots_by_datagrams": per_slot,
    })
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "cells up",
            Self::Down => "cells down",
            Self::Packets => "packets",
            Self::Rest => "the rest",
        }
    }
}

fn in_words(exceptions: &[Exception]) -> String {
    if exceptions.is_empty() {
        return "none".to_owned();
    }
    let one = |it: &Exception| {
        let (header, last) = (it.header.as_str(), it.last.as_secs_f64());
        format!("{} x {} ({header}, until {last:.1} s)", it.count, it.len)
    };
    exceptions.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn counts(slots: &BTreeMap<usize, usize>) -> String {
    let one = |(datagrams, slots): (&usize, &usize)| format!("{datagrams}: {slots}");
    slots.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// More than the noise of a scheduler that is not overloaded.
const NOISE_MS: f64 = 5.0;
