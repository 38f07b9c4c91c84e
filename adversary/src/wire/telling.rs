//! Kinds of cells that a client's departures tell apart: pulls from the cells of odd slots, and
//! letters from what odd slots carry else.
//!
//! The score of a cell is the distance of its first datagram from the grid. Which slots pull
//! follows from their public numbers; which cells were letters only the harness knows, and notes in
//! the manifest. The area under the curve is 1/2 where the distance tells nothing. An attacker may
//! count early cells as well as late ones, so an area below 1/2 counts as that above it.

use std::collections::HashSet;
use std::time::Duration;

use rohrpost_localnet::capture::{Manifest, ManifestClient};
use rohrpost_measure::detection::{Estimate, Scores};
use rohrpost_measure::statistics::Sample;
use rohrpost_proto::time::{Slot, Time};
use serde_json::{Value, json};

use super::flow::{Flow, Kind};
use super::grid::departures;

/// Kinds of cells that the departures of one client tell apart.
pub(crate) struct Telling {
    /// Name of the client that the harness ran; none of a mix's own client.
    pub(crate) name: Option<String>,
    /// Pulls against the cells of odd slots.
    pub(crate) pulls: Told,
    /// Letters against all else that odd slots carry, if the client's letters are known.
    pub(crate) letters: Option<Told>,
}

/// Success in telling two kinds of cells apart.
pub(crate) struct Told {
    /// Cells of the kind that is looked for, and of the other kind.
    pub(crate) counts: (usize, usize),
    /// The area under the curve; none if one kind is missing.
    pub(crate) area: Option<Estimate>,
    /// Milliseconds by which the median of the kind that is looked for lies behind that of the
    /// other.
    pub(crate) behind: f64,
}

impl Telling {
    /// Looks at the cells that a client sends; none of another flow, or of one without cells.
    pub(crate) fn of(flow: &Flow, manifest: &Manifest) -> Option<Self> {
        if flow.kind != Kind::Up {
            return None;
        }
        let slot = Duration::from_millis(manifest.slot_ms.max(1));
        let cells = departures(flow, slot, manifest.frame_len);
        let cells: Vec<_> =
            cells.into_iter().map(|(at, offset)| (slot_of(at, slot), offset)).collect();
        let writer = manifest.clients.iter().find(|client| is_of(flow, client));
        let (pulls, odd): (Vec<_>, Vec<_>) = cells.iter().partition(|(slot, _)| slot.pulls());
        if cells.is_empty() {
            return None;
        }
        let letters = writer.map(|writer| {
            let letters: HashSet<_> = writer.letters.iter().copied().map(Slot::new).collect();
            let (letters, cover): (Vec<_>, Vec<_>) =
                odd.iter().partition(|(slot, _)| letters.contains(slot));
            Told::apart(&letters, &cover)
        });
        let name = writer.map(|writer| writer.name.clone());
        Some(Self { name, pulls: Told::apart(&pulls, &odd), letters })
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "client": self.name,
            "pulls": self.pulls.json(),
            "letters": self.letters.as_ref().map(Told::json),
        })
    }
}

impl Told {
    fn apart(sought: &[(Slot, f64)], others: &[(Slot, f64)]) -> Self {
        let sample = |cells: &[(Slot, f64)]| Sample::new(cells.iter().map(|(_, offset)| *offset));
        let (sought, others) = (sample(sought), sample(others));
        let counts = (sought.len(), others.len());
        let behind = sought.median() - others.median();
        let area =
            (counts.0.min(counts.1) > 0).then(|| Scores::new(sought, others).area().either_way());
        Self { counts, area, behind }
    }

    /// Tells whether the area is known well enough to be held against the limit.
    pub(crate) fn suffices(&self) -> Option<Estimate> {
        self.area.filter(|area| area.high - area.value < NARROW)
    }

    /// Counts, area and distance as columns.
    pub(crate) fn columns(&self) -> String {
        let area = self.area.map_or_else(
            || "-".to_owned(),
            |Estimate { value, low, high }| format!("{value:.3} ({low:.3} to {high:.3})"),
        );
        let ((sought, others), behind) = (self.counts, self.behind);
        format!("{sought:>7} {others:>6}  {area:<22} {behind:>7.3}")
    }

    fn json(&self) -> Value {
        let area =
            |Estimate { value, low, high }| json!({ "value": value, "low": low, "high": high });
        json!({
            "sought": self.counts.0,
            "others": self.counts.1,
            "area": self.area.map(area),
            "behind_ms": self.behind,
            "judged": self.suffices().is_some(),
        })
    }
}

/// Tells whether the flow is this client's.
fn is_of(flow: &Flow, client: &ManifestClient) -> bool {
    flow.to == client.entry && client.ports.contains(&flow.ends.0.port())
}

/// Slot of a cell, which leaves in the first half of its slot.
fn slot_of(at: Duration, slot: Duration) -> Slot {
    (Time::from_micros(0) + at).slot(slot)
}

/// Areas up to this are not told from chance by ten minutes of cells.
pub(crate) const LIMIT: f64 = 0.55;
/// Half of the widest interval of an area that is held against the limit.
const NARROW: f64 = 0.05;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use rohrpost_localnet::capture::{Datagram, ManifestNode, QuicHeader};

    use super::super::flow::flows;
    use super::super::report::Report;
    use super::*;

    /// Microseconds that a kind of cells is late.
    #[derive(Clone, Copy, Default)]
    struct Late {
        pulls: u64,
        letters: u64,
    }

    const T: u64 = 250_000;
    const FIRST: u64 = 7_000_000_000;
    const PHASE: u64 = 40_000;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    /// Half of the odd slots without a pull carry letters.
    fn letters(slots: u64) -> Vec<u64> {
        let slots = (FIRST..FIRST + slots).filter(|slot| !Slot::new(*slot).pulls());
        slots.filter(|slot| slot / 2 % 2 == 0).collect()
    }

    /// A capture of one client's cells of three datagrams, each as late as a host's scheduler has it
    /// (exponential, 200 µs in the mean) and as its kind is.
    fn capture(slots: u64, late: Late) -> Vec<(Duration, Datagram)> {
        let letters: HashSet<_> = letters(slots).into_iter().collect();
        let mut rng = StdRng::seed_from_u64(5);
        let mut cell = |slot: u64| {
            let kind = match slot {
                pull if Slot::new(pull).pulls() => late.pulls,
                letter if letters.contains(&letter) => late.letters,
                _ => 0,
            };
            let noise = -200e-6 * (1.0 - rng.random_range(0.0..1.0_f64)).ln();
            let at =
                Duration::from_micros(slot * T + PHASE + kind) + Duration::from_secs_f64(noise);
            let (from, to, header) = (address(8), address(1), QuicHeader::Short);
            let datagram = Datagram { from, to, len: 1200, header };
            (0..3).map(move |later| (at + Duration::from_micros(later * 30), datagram))
        };
        (FIRST..FIRST + slots).flat_map(|slot| cell(slot).collect::<Vec<_>>()).collect()
    }

    fn manifest(slots: u64) -> Manifest {
        let relay = ManifestNode { name: "relay".into(), layer: None, address: address(1) };
        let (name, entry) = ("alice".into(), "relay".into());
        let alice = ManifestClient { name, entry, ports: vec![8], letters: letters(slots) };
        let clients = vec![alice];
        Manifest { nodes: vec![relay], clients, ..Manifest::new("classic", T / 1_000, 2568) }
    }

    /// Areas of pulls and of letters by a capture, and whether its verdicts hold.
    fn judged(slots: u64, late: Late) -> ([f64; 2], bool) {
        let manifest = manifest(slots);
        let flows = flows(capture(slots, late).into_iter(), &manifest);
        let telling = Telling::of(&flows[0], &manifest).unwrap();
        assert_eq!(telling.name.as_deref(), Some("alice"));
        let areas = [&telling.pulls, telling.letters.as_ref().unwrap()];
        let areas = areas.map(|told| told.area.unwrap().value);
        (areas, Report::new(flows, &manifest).holds())
    }

    /// Ten minutes.
    const SLOTS: u64 = 2_400;

    #[test]
    fn cells_of_all_kinds_that_leave_alike_are_not_told_apart() {
        let (areas, holds) = judged(SLOTS, Late::default());
        assert!(holds && areas.iter().all(|area| *area < LIMIT), "{areas:?}");
    }

    #[test]
    fn pulls_that_leave_200_us_later_are_found() {
        let ([pulls, letters], holds) = judged(SLOTS, Late { pulls: 200, letters: 0 });
        assert!(pulls > 0.75 && letters < LIMIT && !holds, "{pulls} {letters}");
    }

    #[test]
    fn letters_that_leave_200_us_later_are_found() {
        let ([_, letters], holds) = judged(SLOTS, Late { pulls: 0, letters: 200 });
        assert!(letters > 0.75 && !holds, "{letters}");
    }

    #[test]
    fn an_area_below_one_half_counts_as_that_above_it() {
        let area = Estimate { value: 0.2, low: 0.1, high: 0.3 };
        let Estimate { value, low, high } = area.either_way();
        assert!(
            (value - 0.8).abs() < 1e-9 && (low - 0.7).abs() < 1e-9 && (high - 0.9).abs() < 1e-9
        );
    }

    #[test]
    fn a_short_capture_is_not_judged() {
        let manifest = manifest(80);
        let flows = flows(capture(80, Late { pulls: 200, letters: 200 }).into_iter(), &manifest);
        let telling = Telling::of(&flows[0], &manifest).unwrap();
        assert!(telling.pulls.area.is_some() && telling.pulls.suffices().is_none());
        assert!(Report::new(flows, &manifest).holds());
    }
}
