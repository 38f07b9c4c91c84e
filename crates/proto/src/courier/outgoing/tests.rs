use rohrpost_packet::envelope::{Kind, MessageId};

use super::super::acknowledgement::Partial;
use super::super::message::Body;
use super::*;
use crate::directory::roster::Traffic;

const NOW: Steady = Steady::of_clock(Time::from_micros(1_795_000_000_000_000));

fn outgoing(len: usize) -> OutgoingMessage {
    let message = Message {
        id: MessageId::new([7; 16]),
        kind: Kind::Content,
        sequence: 3,
        minutes: 5,
        expires: NOW.reading() + Duration::from_secs(1000),
        left: None,
        body: Body::Stored(len),
    };
    OutgoingMessage::new(message, 100)
}

fn timer() -> RetransmitTimer {
    RetransmitTimer::new(&Traffic::default())
}

/// Lets a fragment leave without a view, over a path that no view will miss.
fn leave(outgoing: &mut OutgoingMessage, index: u32, sent: Steady) {
    let due = Some(sent + Duration::from_secs(60));
    outgoing.flights.insert(index, Flight { due, ..Flight::past(sent, 1) });
    outgoing.fresh = outgoing.fresh.max(index + 1);
}

fn acknowledgement(outgoing: &OutgoingMessage, ranges: &[(u32, u32)]) -> Acknowledgement {
    let partial = Partial { name: outgoing.name(), ranges: ranges.to_vec() };
    Acknowledgement { floor: 3, partial: vec![partial], ..Acknowledgement::default() }
}

fn told(outgoing: &OutgoingMessage) -> Acknowledgement {
    Acknowledgement { told: vec![outgoing.name()], ..Acknowledgement::default() }
}

fn waiting(outgoing: &OutgoingMessage) -> Acknowledgement {
    Acknowledgement { waiting: vec![outgoing.name()], ..Acknowledgement::default() }
}

/// The timer of a network whose mailboxes hand out seldom.
fn slow() -> RetransmitTimer {
    RetransmitTimer::new(&Traffic { slot: Duration::from_secs(60), ..Traffic::default() })
}

/// Takes an acknowledgement, and gives when the newest of what has come had left for each relay.
fn acknowledge(
    outgoing: &mut OutgoingMessage,
    acknowledgement: &Acknowledgement,
) -> BTreeMap<Option<NodeNumber>, Steady> {
    let mut newest = BTreeMap::new();
    outgoing.acknowledge(acknowledgement, &mut newest, slow());
    newest
}

/// Lets a fragment leave for a relay, in the first or another copy.
fn leave_for(outgoing: &mut OutgoingMessage, index: u32, relay: u32, [first, sent]: [Steady; 2]) {
    let way = vec![NodeNumber::new(relay)];
    let first = Some(first);
    outgoing.flights.insert(index, Flight { first, way, ..Flight::past(sent, 1) });
    outgoing.fresh = outgoing.fresh.max(index + 1);
}

/// Checks that a mailbox that has come up to a fragment lets those behind it wait as long as at first
/// from then on, by the copy of each that it got first; and that others do not wait for it.
#[test]
fn what_is_behind_in_a_mailbox_waits_anew() {
    let (timer, minute) = (slow(), Duration::from_secs(60));
    let at = |minutes: u32| NOW + minute * minutes;
    let mut outgoing = outgoing(500);
    leave_for(&mut outgoing, 0, 1, [at(1), at(5)]);
    leave_for(&mut outgoing, 1, 1, [at(2), at(2)]);
    leave_for(&mut outgoing, 2, 1, [at(0), at(6)]);
    leave_for(&mut outgoing, 3, 2, [at(3), at(3)]);
    leave_for(&mut outgoing, 4, 1, [at(4), at(4)]);
    outgoing.mark_lost(at(7), timer, |flight| flight.sent == at(4));
    let before: Vec<_> = outgoing.flights.values().map(|flight| flight.due(timer)).collect();
    let came = acknowledgement(&outgoing, &[(0, 1)]);
    let newest = acknowledge(&mut outgoing, &came);
    assert!(newest.into_iter().eq([(Some(NodeNumber::new(1)), at(1))]), "its first copy has come");
    let newest = [(Some(NodeNumber::new(1)), at(1))].into();
    outgoing.wait_behind(at(8), &newest, timer);
    let due: Vec<_> = outgoing.flights.values().map(|flight| flight.due(timer)).collect();
    assert_eq!(due, [at(8) + timer.first, before[2], before[3], before[4]]);
}

#[test]
fn what_is_overdue_leaves_before_what_is_new() {
    let mut outgoing = outgoing(500);
    assert_eq!(outgoing.next(NOW, timer()), Some(0));
    (0..3).for_each(|index| leave(&mut outgoing, index, NOW));
    assert_eq!(outgoing.next(NOW, timer()), Some(3));
    let later = NOW + Duration::from_secs(60);
    assert_eq!(outgoing.next(later, timer()), Some(0));
}

/// A clock that was ahead in a former run does not hold up what left by it.
#[test]
fn what_left_in_the_future_is_overdue() {
    let mut outgoing = outgoing(100);
    leave(&mut outgoing, 0, NOW + Duration::from_secs(365 * 86_400));
    assert_eq!(outgoing.next(NOW, timer()), Some(0));
}

#[test]
fn an_acknowledged_fragment_does_not_leave_again() {
    let mut outgoing = outgoing(500);
    for index in 0..5 {
        leave(&mut outgoing, index, NOW + Duration::from_secs(index.into()));
    }
    let came = acknowledgement(&outgoing, &[(0, 1), (2, 2)]);
    let newest = acknowledge(&mut outgoing, &came);
    assert_eq!(newest.get(&None), Some(&(NOW + Duration::from_secs(3))));
    assert_eq!(outgoing.flights.len(), 2);
    outgoing.mark_lost(NOW + Duration::from_secs(10), timer(), |flight| {
        flight.sent < NOW + Duration::from_secs(2)
    });
    assert_eq!(outgoing.next(NOW + Duration::from_secs(10), timer()), Some(1));
    assert!(!outgoing.has_arrived());
    let other = Name::of(3, MessageId::new([8; 16]));
    let other = Acknowledgement { told: vec![other], ..Acknowledgement::default() };
    acknowledge(&mut outgoing, &other);
    assert!(!outgoing.has_arrived(), "another message of that number is no answer");
    let came = told(&outgoing);
    acknowledge(&mut outgoing, &came);
    assert!(outgoing.is_delivered());
    assert_eq!(outgoing.flights.len(), 0);
}

/// Checks that a message that waits at the recipient for an earlier one is not delivered, and
/// leaves once more when there is nothing to wait for.
#[test]
fn what_waits_for_others_is_not_delivered() {
    let mut outgoing = outgoing(500);
    (0..5).for_each(|index| leave(&mut outgoing, index, NOW));
    let came = waiting(&outgoing);
    acknowledge(&mut outgoing, &came);
    assert!(outgoing.has_arrived() && !outgoing.is_delivered());
    assert_eq!(outgoing.next(NOW, timer()), None);
    outgoing.remind(NOW);
    assert_eq!(outgoing.next(NOW, timer()), Some(4));
    let came = told(&outgoing);
    acknowledge(&mut outgoing, &came);
    assert!(outgoing.is_delivered());
}

/// Checks that all leaves again when the recipient has lost what it had.
#[test]
fn an_acknowledgement_of_an_older_incarnation_counts_no_more() {
    let mut outgoing = outgoing(500);
    (0..5).for_each(|index| leave(&mut outgoing, index, NOW));
    let came = acknowledgement(&outgoing, &[(0, 4)]);
    acknowledge(&mut outgoing, &came);
    outgoing.count_anew();
    assert_eq!(outgoing.next(NOW, timer()), Some(0));
    assert_eq!(outgoing.flights.len(), 0);
}

#[test]
fn a_message_is_over_once_both_clocks_say_so() {
    let outgoing = outgoing(500);
    let end = NOW + Duration::from_secs(1000);
    let before = end - Duration::from_micros(1);
    for (own, document) in
        [(before, end + Duration::from_secs(43_200)), (end + Duration::from_secs(43_200), before)]
    {
        assert!(!outgoing.is_over(own, document.reading()));
    }
    assert!(outgoing.is_over(end, end.reading()));
}

#[test]
fn a_sign_of_life_ends_long_time_outs() {
    let timer = timer();
    let mut outgoing = outgoing(500);
    for (index, due) in [(0, NOW + timer.first / 2), (1, NOW + Duration::from_secs(43_200))] {
        outgoing.flights.insert(index, Flight { due: Some(due), ..Flight::past(NOW, 9) });
    }
    outgoing.expedite(NOW, timer);
    let left: Vec<_> =
        outgoing.flights.values().map(|f| (f.due(timer).since(NOW), f.unanswered)).collect();
    assert_eq!(left, [(timer.first / 2, 0), (timer.first, 0)]);
}

/// Checks that a message that follows another has the ways of its fragments: else nobody would see that
/// one was lost with the memory of a relay.
#[test]
fn what_follows_another_is_where_that_was() {
    let (mut before, mut newer) = (outgoing(250), outgoing(250));
    for (index, relay) in [(0, 1), (1, 2), (2, 1)] {
        leave_for(&mut before, index, relay, [NOW; 2]);
        before.flights.get_mut(&index).unwrap().unanswered = 3;
    }
    newer.follow(&before);
    let relays: Vec<_> = (0..3).map(|index| newer.last_relay(index).unwrap().get()).collect();
    assert_eq!(relays, [1, 2, 1]);
}
