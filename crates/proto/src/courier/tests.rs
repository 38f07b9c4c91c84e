//! What stories cannot reach from outside; the stories are in `tests/courier`.

use super::*;

#[test]
fn loops_are_given_up_after_their_time_oldest_first() {
    let start = Time::from_micros(1_795_000_000_000_000);
    let mut inbox = Inbox::new(1);
    let mut events = VecDeque::new();
    for second in 0..10 {
        let message = MessageId::new([second; 16]);
        inbox.loop_sent(message, start + Duration::from_secs(second.into()));
    }
    inbox.expire_loops(start + Duration::from_secs(60), &mut events);
    assert!(events.is_empty());
    inbox.expire_loops(start + Duration::from_secs(63), &mut events);
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| matches!(event, Event::LoopLost)));
    inbox.expire_loops(start + Duration::from_secs(100), &mut events);
    assert_eq!(events.len(), 10);
}
