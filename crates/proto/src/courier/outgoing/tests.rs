use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;

const NOW: Steady = Steady::of_clock(Time::from_micros(1_795_000_000_000_000));

fn outgoing(len: usize) -> OutgoingMessage {
    let message = Message {
        id: MessageId::new([7; 16]),
        kind: Kind::Content,
        sequence: 3,
        minutes: 5,
        expires: NOW.reading() + Duration::from_secs(1000),
        left: None,
        body: Zeroizing::new((0..len).map(|n| u8::try_from(n % 251).unwrap()).collect()),
    };
    OutgoingMessage::new(message, 100, RetransmitTimer::new(&Traffic::default()))
}

/// Lets a fragment leave without a view, over a path that no view will miss.
fn leave(outgoing: &mut OutgoingMessage, index: u32, sent: Steady) {
    let due = sent + Duration::from_secs(60);
    outgoing.flights.insert(index, Flight { sent, due, times: 1, unanswered: 1, way: Vec::new() });
    outgoing.fresh = outgoing.fresh.max(index + 1);
}

fn acknowledgement(ranges: &[(u32, u32)]) -> Acknowledgement {
    Acknowledgement { below: 3, runs: Vec::new(), partial: vec![(3, ranges.to_vec())] }
}

#[test]
fn fragments_together_are_the_message() {
    for (len, count) in [(0, 1), (1, 1), (100, 1), (101, 2), (950, 10)] {
        let outgoing = outgoing(len);
        let fragments: Vec<_> = (0..count).map(|index| outgoing.fragment(index)).collect();
        assert!(fragments.iter().all(|fragment| fragment.position.count == count));
        let body: Vec<_> = fragments.iter().flat_map(|fragment| fragment.body.to_vec()).collect();
        assert_eq!(body, *outgoing.message.body);
    }
}

#[test]
fn what_is_overdue_leaves_before_what_is_new() {
    let mut outgoing = outgoing(500);
    assert_eq!(outgoing.next(NOW, Choice::Overdue), None);
    assert_eq!(outgoing.next(NOW, Choice::OverdueOrFresh), Some(0));
    (0..3).for_each(|index| leave(&mut outgoing, index, NOW));
    assert_eq!(outgoing.next(NOW, Choice::OverdueOrFresh), Some(3));
    let later = NOW + Duration::from_secs(60);
    assert_eq!(outgoing.next(later, Choice::OverdueOrFresh), Some(0));
    assert_eq!(outgoing.next(later, Choice::Overdue), Some(0));
}

/// A clock that was ahead in a former run does not hold up what left by it.
#[test]
fn what_left_in_the_future_is_overdue() {
    let mut outgoing = outgoing(100);
    leave(&mut outgoing, 0, NOW + LONGEST * 700);
    assert_eq!(outgoing.next(NOW, Choice::Overdue), Some(0));
}

#[test]
fn an_acknowledged_fragment_does_not_leave_again() {
    let mut outgoing = outgoing(500);
    for index in 0..5 {
        leave(&mut outgoing, index, NOW + Duration::from_secs(index.into()));
    }
    let newest = outgoing.acknowledge(&acknowledgement(&[(0, 1), (2, 2)]));
    assert_eq!(newest, Some(NOW + Duration::from_secs(3)));
    assert_eq!(outgoing.in_flight(), 2);
    outgoing.mark_lost(NOW + Duration::from_secs(10), |flight| {
        flight.sent < NOW + Duration::from_secs(2)
    });
    assert_eq!(outgoing.next(NOW + Duration::from_secs(10), Choice::OverdueOrFresh), Some(1));
    assert!(!outgoing.has_arrived());
    outgoing.acknowledge(&Acknowledgement { below: 4, ..Acknowledgement::default() });
    assert!(outgoing.has_arrived());
    assert_eq!(outgoing.in_flight(), 0);
}

#[test]
fn a_tombstone_goes_in_place_of_what_has_expired() {
    let mut outgoing = outgoing(500);
    leave(&mut outgoing, 0, NOW);
    let end = NOW + Duration::from_secs(1000);
    let before = end - Duration::from_micros(1);
    // Neither the own clock nor document time makes it expire alone.
    for (own, document) in [(before, end + LONGEST), (end + LONGEST, before)] {
        assert!(!outgoing.expire(own, document.reading()));
    }
    assert!(outgoing.expire(end, end.reading()));
    assert!(!outgoing.expire(end, end.reading()));
    let fragment = outgoing.fragment(0);
    assert_eq!((fragment.kind, fragment.position), (Kind::Tombstone, FragmentPosition::WHOLE));
    assert_eq!(outgoing.next(end, Choice::OverdueOrFresh), Some(0));
    assert!(fragment.body.is_empty());
}

#[test]
fn time_outs_grow_and_have_a_limit() {
    let timer = RetransmitTimer::new(&Traffic::default());
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    for times in 0..40_i32 {
        // The fourth is as long as the first, the fifth half as long again.
        let growth = 1.5_f64.powi((times - 3).max(0));
        let expected = (timer.first.as_secs_f64() * growth).min(LONGEST.as_secs_f64());
        for _ in 0..50 {
            let after = timer.after(times.unsigned_abs(), &mut rng).as_secs_f64();
            assert!((0.75..1.25).contains(&(after / expected)), "{times}: {after} s");
        }
    }
}

#[test]
fn a_sign_of_life_ends_long_time_outs() {
    let timer = RetransmitTimer::new(&Traffic::default());
    let mut outgoing = outgoing(500);
    for (index, due) in [(0, NOW + timer.first / 2), (1, NOW + LONGEST)] {
        let flight = Flight { sent: NOW, due, times: 9, unanswered: 9, way: Vec::new() };
        outgoing.flights.insert(index, flight);
    }
    outgoing.expedite(NOW, timer);
    let left: Vec<_> =
        outgoing.flights.values().map(|f| (f.due.since(NOW), f.unanswered)).collect();
    assert_eq!(left, [(timer.first / 2, 0), (timer.first, 0)]);
}
