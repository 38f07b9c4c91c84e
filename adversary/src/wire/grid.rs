//! Cells on the grid: how far each stands from its slot, and how many datagrams a slot holds.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_localnet::capture::QuicHeader;
use rohrpost_measure::statistics::{Sample, whole};

use super::flow::{Flow, Seen, USUAL_LEN, tally};

/// A client link's flow in slots.
pub(crate) struct Grid {
    /// Milliseconds from the grid of each cell's first datagram, negative if it left early. The
    /// grid's phase is their median, for the client draws it and tells nobody.
    pub(crate) offsets: Sample,
    /// Slots from the first cell to the last.
    pub(crate) slots: usize,
    /// Slots by how many datagrams they hold, acknowledgements included.
    pub(crate) datagrams: BTreeMap<usize, usize>,
}

/// A flow while its client sends cover alone, and while messages are sent.
pub(crate) struct Comparison {
    pub(crate) cover: Grid,
    pub(crate) messages: Grid,
}

impl Grid {
    /// Nothing if the flow has no cells after its first second, which belongs to the handshake, and
    /// before its last slot, in which an acknowledgement and the end of the link look like a cell.
    pub(crate) fn of(flow: &Flow, slot: Duration, frame_len: u64) -> Option<Self> {
        let times = settled(flow, slot);
        let cells = cells(&times, frame_len);
        let (first, last) = (*cells.first()?, *cells.last()?);
        let slot_ms = slot.as_secs_f64() * 1e3;
        let counts = per_slot(&times, slot_ms).into_iter().map(|(_, count)| count);
        Some(Self {
            offsets: Sample::new(offsets(&cells, slot_ms).map(|(_, offset)| offset)),
            slots: place((millis(first, last) / slot_ms).round()) + 1,
            datagrams: tally(counts),
        })
    }
}

/// Time of each cell's first datagram, and its milliseconds from the grid, but for the flow's first
/// second and last slot.
pub(crate) fn departures(flow: &Flow, slot: Duration, frame_len: u64) -> Vec<(Duration, f64)> {
    let cells = cells(&settled(flow, slot), frame_len);
    offsets(&cells, slot.as_secs_f64() * 1e3).collect()
}

impl Comparison {
    /// Both parts of a flow: from `start` on messages are sent for a period, then none for one, and
    /// so on; the rest of what the machine does falls on both alike.
    pub(crate) fn of(
        flow: &Flow,
        slot: Duration,
        frame_len: u64,
        start: Duration,
        period: Duration,
    ) -> Option<Self> {
        let times = times(flow).filter(|at| *at >= start).collect::<Vec<_>>();
        let (cells, slot_ms) = (cells(&times, frame_len), slot.as_secs_f64() * 1e3);
        let with_messages = |at: Duration| {
            let periods = (at - start).as_nanos() / period.as_nanos().max(1);
            periods.is_multiple_of(2)
        };
        let (offsets, counts): (Vec<_>, _) =
            (offsets(&cells, slot_ms).collect(), per_slot(&times, slot_ms));
        let part = |messages: bool| {
            let offsets = offsets.iter().filter(|(at, _)| with_messages(*at) == messages);
            let counts = counts.iter().filter(|(at, _)| with_messages(*at) == messages);
            let offsets = Sample::new(offsets.map(|(_, offset)| *offset));
            let datagrams = tally(counts.map(|(_, count)| *count));
            let slots = datagrams.values().sum();
            (!offsets.is_empty()).then_some(Grid { offsets, slots, datagrams })
        };
        Some(Self { cover: part(false)?, messages: part(true)? })
    }
}

/// Times of all datagrams between the flow's first second and its last slot.
fn settled(flow: &Flow, slot: Duration) -> Vec<Duration> {
    let start = flow.datagrams.first().map_or(Duration::MAX, |seen| seen.at + SETTLING);
    let end = flow.datagrams.last().map_or(Duration::ZERO, |seen| seen.at.saturating_sub(slot));
    times(flow).filter(|at| (start..end).contains(at)).collect()
}

/// Times at which the datagrams after the handshake left.
fn times(flow: &Flow) -> impl Iterator<Item = Duration> {
    let after = |seen: &&Seen| seen.header == QuicHeader::Short;
    flow.datagrams.iter().filter(after).map(|seen| seen.at)
}

/// Each cell's distance from the grid, whose phase is the median.
fn offsets(cells: &[Duration], slot_ms: f64) -> impl Iterator<Item = (Duration, f64)> {
    let first = cells.first().copied().unwrap_or_default();
    let offset = move |cell: Duration| wrapped(millis(first, cell), slot_ms);
    let median = Sample::new(cells.iter().map(|cell| offset(*cell))).median();
    cells.iter().map(move |cell| (*cell, wrapped(offset(*cell) - median, slot_ms)))
}

/// Beginnings of cells: as many datagrams as a cell takes, closer together than [`BURST`]. Among
/// more of them, an acknowledgement just before a cell say, the densest ones are the cell.
fn cells(times: &[Duration], frame_len: u64) -> Vec<Duration> {
    let need = usize::try_from(frame_len.div_ceil(USUAL_LEN.into())).unwrap_or(usize::MAX).max(1);
    let span = |window: &&[Duration]| window[need - 1] - window[0];
    times
        .chunk_by(|one, next| *next - *one < BURST)
        .filter_map(|burst| burst.windows(need).min_by_key(span).map(|window| window[0]))
        .collect()
}

/// Start and datagrams of each slot, leaving out the first and the last. Slots are cut where the
/// fewest datagrams are, for all that belongs to a cell shall be in its slot.
fn per_slot(times: &[Duration], slot_ms: f64) -> Vec<(Duration, usize)> {
    let Some(&first) = times.first() else { return Vec::new() };
    let cut = emptiest(times, first, slot_ms);
    let mut counts = Vec::new();
    for time in times {
        let at = millis(first, *time) - cut;
        if at >= 0.0 {
            let slot = place(at / slot_ms);
            counts.resize(counts.len().max(slot + 1), 0);
            counts[slot] += 1;
        }
    }
    counts.pop();
    let start =
        |slot: u32| first + Duration::from_secs_f64((cut + f64::from(slot) * slot_ms) / 1e3);
    (0..).map(start).zip(counts).collect()
}

/// Middle of the longest stretch of the slot with the fewest datagrams, in milliseconds after
/// `first`.
fn emptiest(times: &[Duration], first: Duration, slot_ms: f64) -> f64 {
    let mut bins = [0_usize; BINS];
    for time in times {
        let part = millis(first, *time).rem_euclid(slot_ms) / slot_ms;
        bins[place(part * BINS_F64).min(BINS - 1)] += 1;
    }
    let fewest = bins.iter().min().copied().unwrap_or(0);
    let stretch =
        |start: &usize| (0..BINS).take_while(|step| bins[(start + step) % BINS] == fewest).count();
    let start = (0..BINS).max_by_key(stretch).unwrap_or(0);
    let middle = (start + stretch(&start) / 2) % BINS;
    f64::from(u32::try_from(middle).unwrap_or(0)) / BINS_F64 * slot_ms
}

fn millis(from: Duration, to: Duration) -> f64 {
    to.saturating_sub(from).as_secs_f64() * 1e3
}

/// Wraps an offset into half a slot on either side of zero.
fn wrapped(offset: f64, slot_ms: f64) -> f64 {
    let half = slot_ms / 2.0;
    (offset + half).rem_euclid(slot_ms) - half
}

/// The whole part of a place in a capture.
fn place(value: f64) -> usize {
    usize::try_from(whole(value.max(0.0))).unwrap_or(usize::MAX)
}

/// Handshake and the first cells.
const SETTLING: Duration = Duration::from_secs(1);
/// Datagrams of one cell follow each other more closely.
const BURST: Duration = Duration::from_millis(5);
const BINS: usize = 100;
const BINS_F64: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::super::flow::Kind;
    use super::*;

    const T: Duration = Duration::from_millis(250);
    const CELL: u64 = 2568;

    /// Cells of three datagrams in each of `slots`, moved by `late` milliseconds, and an
    /// acknowledgement 100 ms after each; a handshake before.
    fn flow(slots: &[u32], late: impl Fn(u32) -> f64) -> Flow {
        let seen = |millis: f64, header| Seen {
            at: Duration::from_secs(1_000) + Duration::from_secs_f64(millis / 1e3),
            len: 1200,
            header,
        };
        let mut datagrams = vec![seen(0.0, QuicHeader::Initial)];
        for slot in slots {
            let start = 1_250.0 + 250.0 * f64::from(*slot) + late(*slot);
            for later in [0.0, 0.1, 0.3, 100.0] {
                datagrams.push(seen(start + later, QuicHeader::Short));
            }
        }
        let (from, to) = ("client-1".to_owned(), "relay".to_owned());
        let ends = (([127, 0, 0, 1], 8).into(), ([127, 0, 0, 1], 1).into());
        Flow { from, to, ends, kind: Kind::Up, datagrams }
    }

    #[test]
    fn cells_on_the_grid_have_no_offset() {
        let grid = Grid::of(&flow(&(0..40).collect::<Vec<_>>(), |_| 0.0), T, CELL).unwrap();
        // The last slot is left out.
        assert_eq!((grid.slots, grid.offsets.len()), (39, 39));
        assert!(grid.offsets.magnitudes().max() < 1e-6);
        assert_eq!(grid.datagrams.keys().collect::<Vec<_>>(), [&4]);
    }

    #[test]
    fn the_end_of_a_link_is_no_cell() {
        let mut flow = flow(&(0..40).collect::<Vec<_>>(), |_| 0.0);
        let last = flow.datagrams.last().unwrap().at;
        for later in [91.0, 95.4, 95.5] {
            let at = last + Duration::from_secs_f64(later / 1e3);
            flow.datagrams.push(Seen { at, len: 1200, header: QuicHeader::Short });
        }
        let grid = Grid::of(&flow, T, CELL).unwrap();
        assert_eq!((grid.slots, grid.offsets.len()), (39, 39));
        assert!(grid.offsets.magnitudes().max() < 1e-6);
    }

    #[test]
    fn late_cells_and_empty_slots_show() {
        let slots: Vec<_> = (0..40).filter(|slot| ![10, 11, 30].contains(slot)).collect();
        let late = |slot| if slot == 20 { 30.0 } else { 0.0 };
        let grid = Grid::of(&flow(&slots, late), T, CELL).unwrap();
        assert_eq!((grid.slots, grid.offsets.len()), (39, 36));
        assert!((grid.offsets.max() - 30.0).abs() < 1e-6);
        assert_eq!(grid.offsets.magnitudes().beyond(5.0), 1);
        assert_eq!(grid.datagrams.get(&0), Some(&3));
    }

    #[test]
    fn an_acknowledgement_just_before_a_cell_does_not_move_it() {
        let at = [0.0, 2.0, 2.1, 2.2, 9.0].map(|ms| Duration::from_secs_f64(ms / 1e3));
        assert_eq!(cells(&at, CELL), [at[1]]);
        assert!(cells(&at[..2], CELL).is_empty(), "two datagrams are no cell");
        assert!(cells(&at[2..], CELL).is_empty(), "nor two and a late one");
    }

    #[test]
    fn cover_and_messages_are_told_apart_by_their_periods() {
        let period = Duration::from_secs(2);
        // Eight slots with messages, eight without; the former are 7 ms late.
        let late = |slot| if slot / 8 % 2 == 0 { 7.0 } else { 0.0 };
        let flow = flow(&(0..48).collect::<Vec<_>>(), late);
        let start = flow.datagrams[0].at + Duration::from_millis(1_250);
        let it = Comparison::of(&flow, T, CELL, start, period).unwrap();
        assert_eq!((it.cover.offsets.len(), it.messages.offsets.len()), (24, 24));
        let apart = it.messages.offsets.median() - it.cover.offsets.median();
        assert!((apart - 7.0).abs() < 1e-6, "{apart}");
        let (distance, critical) = it.cover.offsets.distance(&it.messages.offsets);
        assert!(distance > critical);
    }
}
