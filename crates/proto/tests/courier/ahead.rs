//! Stories of cells that are ready before their slots: nothing is computed when they leave, nothing
//! is lost with one that stays.

use rohrpost_packet::{Classic, SessionId};
use rohrpost_proto::courier::{Courier, Departure, Event, Work};
use rohrpost_proto::time::Steady;

use crate::world::{Load, START, T, World};
use crate::{SECOND, alice_and_bob, arrivals, count, loads};

/// The work for one packet of cover, letter or loop, and that for a pull.
const SEALED: Work = Work { seals: 1, surbs: 0, packets: 1 };
const PULL: Work = Work { seals: 0, surbs: 1, packets: 1 };

/// Lets the next cell of a client leave at `now`, apart from the world; gives its bytes.
fn leave(courier: &mut Courier<Classic>, now: Steady) -> Vec<u8> {
    let cell = match courier.handle_timeout(now) {
        Some(Departure::Cell(cell)) => Some(cell.to_vec()),
        Some(Departure::Packet { .. }) | None => None,
    };
    cell.unwrap()
}

/// Checks for 400 slots that a cell is built between slots, never at one. Each odd slot takes one
/// seal and one packet, also while letters leave; two relays hold no mailbox of the client.
#[test]
fn nothing_is_built_at_a_slot_and_all_slots_of_a_kind_take_the_same_work() {
    let (mut world, alice, bob) = alice_and_bob();
    for number in 0..16 {
        world.post(alice, bob, &format!("message {number}"));
    }
    let courier = &mut world.couriers[alice];
    courier.take_work();
    leave(courier, courier.poll_timeout());
    let mut letters = 0;
    for _ in 0..400 {
        let due = courier.poll_timeout();
        courier.prepare(due);
        let expected = if due.reading().slot(T).pulls() { PULL } else { SEALED };
        assert_eq!(courier.take_work(), expected, "slot {}", due.reading().slot(T).number());
        leave(courier, due);
        assert_eq!(
            courier.take_work(),
            Work::default(),
            "at slot {}",
            due.reading().slot(T).number()
        );
        while let Some(event) = courier.poll_event() {
            letters += usize::from(matches!(event, Event::Sent { .. }));
        }
    }
    assert!(letters >= 16, "{letters} letters");
}

#[test]
fn a_letter_that_is_posted_once_the_cell_is_ready_takes_a_later_slot() {
    let cell = |posts: bool| {
        let (mut world, alice, bob) = alice_and_bob();
        world.run(START + SECOND * 2);
        let mut cells = Vec::new();
        for number in 0..20 {
            if posts {
                world.post(alice, bob, &format!("message {number}"));
            }
            let courier = &mut world.couriers[alice];
            let now = courier.poll_timeout();
            cells.push(leave(courier, now));
            courier.prepare(now);
        }
        cells
    };
    let (silent, busy) = (cell(false), cell(true));
    assert!(silent[0] == busy[0], "the cell was ready before");
    assert!(silent != busy, "letters are in later cells");
}

/// A cell that was ready leaves in the newest slot, as it is; the next one is built for the slot
/// after that.
#[test]
fn a_driver_that_comes_late_sends_what_was_ready() {
    let (mut world, alice, _) = alice_and_bob();
    world.run(START + SECOND * 2);
    let (mut twin, twins, _) = alice_and_bob();
    twin.run(START + SECOND * 2);
    let due = twin.couriers[twins].poll_timeout();
    let in_time = leave(&mut twin.couriers[twins], due);
    let courier = &mut world.couriers[alice];
    courier.take_work();
    let late = courier.poll_timeout() + T * 3;
    assert!(leave(courier, late) == in_time);
    assert_eq!(courier.take_work(), Work::default());
    assert_eq!(courier.poll_timeout(), late + T);
}

#[test]
fn a_slot_for_which_nothing_is_ready_stays_empty_and_is_reported() {
    let (mut world, alice, _) = alice_and_bob();
    world.run(START + SECOND * 2);
    let courier = &mut world.couriers[alice];
    leave(courier, courier.poll_timeout());
    while courier.poll_event().is_some() {}
    courier.take_work();
    assert!(courier.handle_timeout(courier.poll_timeout()).is_none());
    assert_eq!(courier.take_work(), Work::default());
    assert!(matches!(courier.poll_event(), Some(Event::Skipped { slots: 1 })));
}

/// The link is lost after each of the next 24 slots in turn. In some of these runs the letter was
/// ready and has not left; it leaves soon all the same, not after a time-out of minutes.
#[test]
fn a_letter_in_a_cell_that_is_thrown_away_leaves_in_a_later_slot() {
    for slots in 0..24 {
        let (mut world, alice, bob) = alice_and_bob();
        world.run(START + SECOND * 10);
        world.post(alice, bob, "once");
        world.run(START + SECOND * 10 + T * slots);
        world.rejoin(alice, SessionId::new([200; 16]), SECOND / 20);
        world.run(START + SECOND * 40);
        let sent = count(&world, alice, |event| matches!(event, Event::Sent { again: 0, .. }));
        let again = count(&world, alice, |event| matches!(event, Event::Sent { .. })) - sent;
        assert_eq!((sent, again, arrivals(&world, bob).len()), (1, 0, 1), "after {slots} slots");
    }
}

/// The same for an acknowledgement, whose slot a first run finds out: alice's own mailboxes are
/// elsewhere than at relay 4, so what she stores there is for bob.
#[test]
fn an_acknowledgement_in_a_cell_that_is_thrown_away_leaves_in_a_later_slot() {
    let begin = |posted: u32| {
        let (mut world, alice, bob) = alice_and_bob();
        world.run(START + SECOND * posted);
        world.post(bob, alice, "heard");
        (world, alice, bob)
    };
    let acknowledged = |posted: u32| {
        let (mut world, alice, _) = begin(posted);
        world.run(START + SECOND * 120);
        let store = |(slot, load, relay)| (load == Load::Store && relay == 4).then_some(slot);
        loads(&world, alice).find_map(store)
    };
    let found = (10..40).find_map(|posted| Some((posted, acknowledged(posted)?)));
    let (posted, slot) = found.unwrap();
    let (mut world, alice, bob) = begin(posted);
    world.run(slot.start(T));
    world.rejoin(alice, SessionId::new([201; 16]), SECOND / 20);
    world.run(slot.start(T) + SECOND * 30);
    let delivered = count(&world, bob, |event| matches!(event, Event::Delivered { .. }));
    let sent = count(&world, bob, |event| matches!(event, Event::Sent { .. }));
    assert_eq!((delivered, sent), (1, 1));
}

#[test]
fn a_new_session_has_a_phase_of_its_own() {
    let (mut world, alice, _) = alice_and_bob();
    let phase = |world: &World| {
        let due = world.couriers[alice].poll_timeout().reading();
        due.since(due.slot(T).start(T))
    };
    world.run(START + SECOND * 5);
    let before = phase(&world);
    let after = SECOND / 5;
    world.rejoin(alice, SessionId::new([200; 16]), after);
    assert!(before != after && phase(&world) == after);
    let from = world.departures[alice].len();
    world.run(START + SECOND * 10);
    assert!(phase(&world) == after);
    let slots: Vec<_> = world.departures[alice][from - 1..].iter().map(|left| left.slot).collect();
    assert!(slots.windows(2).all(|pair| pair[0] < pair[1]), "never two cells in one slot");
}
