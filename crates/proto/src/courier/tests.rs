//! Tests of what stories cannot reach from outside; the stories are in `tests/courier`.

use rohrpost_packet::envelope::MessageId;

use super::*;
use crate::directory::roster::Traffic;

fn run() -> Run {
    Run::begin(&[1; 32], 0, Time::from_micros(0))
}

#[test]
fn loops_are_given_up_after_their_time_oldest_first() {
    let start = Time::from_micros(1_795_000_000_000_000);
    let mut loops = Loops::new(run(), &Traffic::default(), 2);
    for second in 0..10 {
        let sent = start + Duration::from_secs(second.into());
        let message = MessageId::new([second; 16]);
        let lost = loops.sent(message, usize::from(second % 2), Steady::of_clock(sent), sent);
        assert!(lost.is_none());
    }
    assert!(loops.returned(MessageId::new([1; 16])).is_some());
    assert!(loops.returned(MessageId::new([1; 16])).is_none());
    // A loop may take 59 s by the default rates.
    let mut expire =
        |after: f64| loops.expire(Steady::of_clock(start + Duration::from_secs_f64(after)));
    assert_eq!(expire(59.0), []);
    assert_eq!(expire(62.5), [0, 0, 1], "the loops 0, 2 and 3, for mailboxes in turns");
    assert_eq!(expire(100.0).len(), 6);
}

#[test]
fn a_crowd_of_loops_gives_up_the_oldest() {
    let start = Time::from_micros(1_795_000_000_000_000);
    let mut loops = Loops::new(run(), &Traffic::default(), 2);
    let given_up = (0..300_u32)
        .map(|number| MessageId::new([number.to_be_bytes(); 4].concat().try_into().unwrap()))
        .filter_map(|message| loops.sent(message, 1, Steady::of_clock(start), start));
    assert_eq!(given_up.count(), 300 - 256);
}
