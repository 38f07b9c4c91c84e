use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use rohrpost_packet::{Classic, NodeNumber, Packet, ShortGeneration};

use super::*;
use crate::directory::carousel::object::{Object, RosterFiles};
use crate::directory::carousel::receiver::Receiver;
use crate::directory::consensus::documents::Documents;
use crate::directory::descriptors::Descriptors;
use crate::directory::roster::Directory;

const SLOT: Duration = Duration::from_millis(400);

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([5; 32])
}

fn cell(first_hop: u32) -> UpCell<Classic> {
    UpCell::Packet {
        first_hop: NodeNumber::new(first_hop),
        generation: ShortGeneration::new(1),
        packet: Packet::random(&mut rng()),
    }
}

fn payload() -> Box<[u8]> {
    vec![1; Classic::PAYLOAD_LEN].into()
}

/// Runs the four ticks of the slot that begins at `slot` slots.
fn slot(entry: &mut Entry<Classic>, slot: u64, rng: &mut ChaCha20Rng) -> Vec<EntryTick<Classic>> {
    let quarter = u64::try_from(SLOT.as_micros() / 4).unwrap();
    let at = |phase: u64| Time::from_micros((slot * 4 + phase) * quarter);
    (0..4).map(|phase| entry.tick(at(phase), rng)).collect()
}

#[test]
fn each_session_gets_one_cell_and_gives_one_per_slot() {
    let (mut entry, mut rng) = (Entry::<Classic>::new(SLOT, 100), rng());
    let handles: Vec<_> = (0..40).map(|_| entry.join(&mut rng).unwrap()).collect();
    for (number, handle) in (0..).zip(&handles) {
        entry.handle_cell(*handle, cell(number)).unwrap();
        entry.handle_cell(*handle, cell(number)).unwrap();
    }
    let ticks = slot(&mut entry, 7, &mut rng);
    let mut down: Vec<_> = ticks.iter().flat_map(|tick| &tick.down).map(|(to, _)| *to).collect();
    down.sort_unstable();
    assert!(down == handles);
    let left: Vec<_> = ticks.iter().map(|tick| tick.up.len()).collect();
    assert_eq!(left, [40, 0, 0, 0], "all leave together");
    let order: Vec<_> = ticks.iter().flat_map(|tick| &tick.up).map(|packet| packet.to).collect();
    assert!(!order.is_sorted(), "cells of a tick leave in random order");
}

/// Cells leave when the next slot begins, whenever they came in theirs, and whatever the phase of
/// their session is.
#[test]
fn cells_leave_when_the_next_slot_begins() {
    let (mut entry, mut rng) = (Entry::<Classic>::new(SLOT, 40), rng());
    let handles: Vec<_> = (0..40).map(|_| entry.join(&mut rng).unwrap()).collect();
    let quarter = u64::try_from(SLOT.as_micros() / 4).unwrap();
    for number in 1..=8_u64 {
        for tick in 0..4 {
            let at = Time::from_micros((number * 4 + tick) * quarter);
            let expected = if tick == 0 && number > 1 { 40 } else { 0 };
            assert_eq!(entry.tick(at, &mut rng).up.len(), expected);
            let came = |place: usize| place % 4 == usize::try_from(tick).unwrap();
            let coming = handles.iter().enumerate().filter(|(place, _)| came(*place));
            coming.for_each(|(_, handle)| entry.handle_cell(*handle, cell(1)).unwrap());
        }
    }
}

/// Counts the packets that leave in a slot before which `cells` cells have come.
fn leave(entry: &mut Entry<Classic>, from: SessionHandle, number: u64, cells: u32) -> usize {
    (0..cells).for_each(|to| entry.handle_cell(from, cell(to)).unwrap());
    slot(entry, number, &mut rng()).iter().map(|tick| tick.up.len()).sum()
}

#[test]
fn a_cell_after_its_tick_leaves_with_the_next_and_delays_none() {
    let mut entry = Entry::<Classic>::new(SLOT, 10);
    let handle = entry.join(&mut rng()).unwrap();
    let mut came = [1, 0, 2, 1, 1].into_iter().zip(1..);
    assert!(came.all(|(cells, number)| {
        leave(&mut entry, handle, number, cells) == usize::try_from(cells).unwrap()
    }));
}

#[test]
fn a_session_that_sends_more_than_a_cell_per_slot_passes_on_no_more() {
    let mut entry = Entry::<Classic>::new(SLOT, 10);
    let handle = entry.join(&mut rng()).unwrap();
    assert_eq!(leave(&mut entry, handle, 1, 3), 1);
    assert_eq!(leave(&mut entry, handle, 2, 2), 1);
    // Ten silent slots are worth no more than what leaves of a session at once.
    assert!((3..13).all(|number| leave(&mut entry, handle, number, 0) == 0));
    assert_eq!(leave(&mut entry, handle, 13, 6), UP_BOUND);
    assert_eq!(leave(&mut entry, handle, 14, 6), 1);
}

/// Hops that the cells are for which leave in a slot.
fn hops(entry: &mut Entry<Classic>, number: u64) -> Vec<u32> {
    let ticks = slot(entry, number, &mut rng());
    ticks.iter().flat_map(|tick| &tick.up).map(|outgoing| outgoing.to.get()).collect()
}

/// Checks that a session whose cells were held up for two and a half seconds, and came over two
/// slots, is as punctual from then on as before: a lag of its own would mark its pulls as long as it
/// lasts.
#[test]
fn a_session_that_was_held_up_is_not_late_afterwards() {
    let mut entry = Entry::<Classic>::new(SLOT, 10);
    let handle = entry.join(&mut rng()).unwrap();
    for number in 1..=6 {
        assert!(hops(&mut entry, number).is_empty());
    }
    for (number, came, newest) in [(7, 1..=5, vec![2, 3, 4, 5]), (8, 6..=9, vec![9])] {
        came.for_each(|cell_number| entry.handle_cell(handle, cell(cell_number)).unwrap());
        let mut left = hops(&mut entry, number);
        left.sort_unstable();
        assert_eq!(left, newest);
    }
    for number in 9..20 {
        entry.handle_cell(handle, cell(number + 1)).unwrap();
        assert_eq!(hops(&mut entry, number.into()), [number + 1]);
    }
}

/// Checks that what came while the relay itself was held up leaves in its first slot after that.
#[test]
fn slots_that_a_relay_missed_are_made_up_for() {
    let mut entry = Entry::<Classic>::new(SLOT, 10);
    let handle = entry.join(&mut rng()).unwrap();
    assert_eq!(leave(&mut entry, handle, 1, 1), 1);
    assert_eq!(leave(&mut entry, handle, 5, 4), 4);
    assert!((6..20).all(|number| leave(&mut entry, handle, number, 1) == 1));
    assert_eq!(leave(&mut entry, handle, 30, 6), UP_BOUND);
    let shed: usize = slot(&mut entry, 31, &mut rng()).iter().map(|tick| tick.shed).sum();
    assert_eq!(shed, 0, "nothing stays");
}

#[test]
fn a_reply_waits_for_its_sessions_tick_and_else_there_is_a_dummy() {
    let (mut entry, mut rng) = (Entry::<Classic>::new(SLOT, 10), rng());
    let (handle, name) = (entry.join(&mut rng).unwrap(), SessionId::new([3; 16]));
    entry.handle_cell(handle, UpCell::Hello(name)).unwrap();
    entry.handle_reply(name, ReplyId::new([9; 16]), payload()).unwrap();
    let replies = |ticks: Vec<EntryTick<Classic>>| {
        let cells = ticks.into_iter().flat_map(|tick| tick.down);
        cells.map(|(_, cell)| cell.reply.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(replies(slot(&mut entry, 1, &mut rng)), [true]);
    assert_eq!(replies(slot(&mut entry, 2, &mut rng)), [false]);
}

#[test]
fn names_are_taken_once_and_go_with_their_session() {
    let (mut entry, mut rng) = (Entry::<Classic>::new(SLOT, 10), rng());
    let (one, other) = (entry.join(&mut rng).unwrap(), entry.join(&mut rng).unwrap());
    let name = SessionId::new([3; 16]);
    entry.handle_cell(one, UpCell::Hello(name)).unwrap();
    assert_eq!(entry.handle_cell(other, UpCell::Hello(name)), Err(Refusal::Session));
    let renamed = entry.handle_cell(one, UpCell::Hello(SessionId::new([4; 16])));
    assert_eq!(renamed, Err(Refusal::Session));
    entry.leave(one);
    let id = ReplyId::new([9; 16]);
    assert_eq!(entry.handle_reply(name, id, payload()), Err(Refusal::Session));
    assert_eq!(entry.handle_cell(one, cell(1)), Err(Refusal::Session));
    entry.handle_cell(other, UpCell::Hello(name)).unwrap();
}

#[test]
fn every_queue_is_bounded() {
    let (mut entry, mut rng) = (Entry::<Classic>::new(SLOT, 1), rng());
    let (handle, name) = (entry.join(&mut rng).unwrap(), SessionId::new([3; 16]));
    assert!(entry.join(&mut rng).is_err_and(|refusal| refusal == Refusal::Overload));
    entry.handle_cell(handle, UpCell::Hello(name)).unwrap();
    (0..6).for_each(|number| entry.handle_cell(handle, cell(number)).unwrap());
    assert_eq!(entry.sessions[&handle].up.len(), UP_BOUND);
    let mut reply = || entry.handle_reply(name, ReplyId::new([9; 16]), payload());
    assert!((0..DOWN_BOUND).all(|_| reply().is_ok()));
    assert_eq!(reply(), Err(Refusal::Overload));
    let first = &slot(&mut entry, 1, &mut rng)[0];
    assert_eq!((first.up.len(), first.shed), (1, 5));
}

#[test]
fn all_sessions_get_the_same_piece_of_the_directory_in_a_slot() {
    let (mut entry, mut rng) = (Entry::<Classic>::new(SLOT, 10), rng());
    for _ in 0..8 {
        entry.join(&mut rng).unwrap();
    }
    let roster = "text of a roster ".repeat(60);
    let files = RosterFiles { roster, signatures: "and its signatures".into() };
    let contents = Contents {
        documents: Documents::new(Directory::default().timing),
        descriptors: Descriptors::default(),
        proofs: Vec::new(),
        roster: (files.clone(), 1),
    };
    entry.set_directory(Arc::new(contents));
    let (mut receiver, mut complete) = (Receiver::default(), None);
    for number in 10..14 {
        let chunks: Vec<_> = slot(&mut entry, number, &mut rng)
            .into_iter()
            .flat_map(|tick| tick.down)
            .map(|(_, cell)| cell.chunk.unwrap())
            .collect();
        assert!(chunks.iter().all(|chunk| *chunk == chunks[0]));
        complete = complete.or_else(|| receiver.take(chunks[0].clone()).unwrap());
    }
    assert!(complete.is_some_and(|object| object == Object::Roster(files)));
}

#[cfg(feature = "danger-weaken")]
#[test]
fn tests_of_laws_fail_without_them() {
    let law = Weakness::CellsWaitAtTheEntry;
    assert!(crate::weakness::danger_breaks(law, a_session_that_was_held_up_is_not_late_afterwards));
    let law = Weakness::CellsLeaveAtOnePhase;
    assert!(crate::weakness::danger_breaks(law, cells_leave_when_the_next_slot_begins));
}
