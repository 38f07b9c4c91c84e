//! Tests of what stories cannot reach from outside; the stories are in `tests/courier`.

use rohrpost_packet::envelope::MessageId;

use super::*;
use crate::directory::roster::Traffic;

#[test]
fn loops_are_given_up_after_their_time_oldest_first() {
    let start = Time::from_micros(1_795_000_000_000_000);
    let mut loops = Loops::new(&Traffic::default());
    for second in 0..10 {
        let sent = start + Duration::from_secs(second.into());
        assert!(!loops.sent(MessageId::new([second; 16]), Steady::of_clock(sent), sent));
    }
    assert!(loops.returned(MessageId::new([1; 16])).is_some());
    assert!(loops.returned(MessageId::new([1; 16])).is_none());
    // A loop may take 59 s by the default rates.
    assert_eq!(loops.expire(Steady::of_clock(start + Duration::from_secs(59))), 0);
    assert_eq!(loops.expire(Steady::of_clock(start + Duration::from_millis(62_500))), 3);
    assert_eq!(loops.expire(Steady::of_clock(start + Duration::from_secs(100))), 6);
}

#[test]
fn a_crowd_of_loops_gives_up_the_oldest() {
    let start = Time::from_micros(1_795_000_000_000_000);
    let mut loops = Loops::new(&Traffic::default());
    let given_up = (0..300_u32)
        .map(|number| MessageId::new([number.to_be_bytes(); 4].concat().try_into().unwrap()))
        .filter(|message| loops.sent(*message, Steady::of_clock(start), start));
    assert_eq!(given_up.count(), 300 - 256);
}
