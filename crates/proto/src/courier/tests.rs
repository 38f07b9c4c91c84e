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

/// Checks that the loss counts what the network lost: not what a client that was off did not fetch,
/// nor what one mailbox does not answer, nor what may wait in a full one.
#[test]
fn the_loss_is_that_of_the_network() {
    let start = Time::from_micros(1_795_000_000_000_000);
    let mut loops = Loops::new(run(), &Traffic::default(), 2);
    let mut number = 0_u32;
    let mut send = |loops: &mut Loops, mailbox: usize, lost: bool| {
        number += 1;
        let message = MessageId::new([number.to_be_bytes(); 4].concat().try_into().unwrap());
        loops.sent(message, mailbox, Steady::of_clock(start), start);
        if !lost {
            loops.returned(message);
        }
    };
    let late = Steady::of_clock(start + Duration::from_secs(1000));
    assert!(loops.loss() < 1e-9, "nothing is known yet");
    (0..20).for_each(|_| send(&mut loops, 0, true));
    loops.expire(late);
    assert!(loops.loss() < 1e-9, "the mailbox was full all the time");
    (0..2).for_each(|mailbox| loops.found_empty(mailbox, start));
    (0..200).for_each(|round| send(&mut loops, 0, round % 5 == 0));
    loops.expire(late);
    assert!((0.1..0.5).contains(&loops.loss()), "{}", loops.loss());
    (0..100).for_each(|_| send(&mut loops, 1, true));
    let before = loops.loss();
    loops.excuse();
    loops.expire(late);
    assert!((loops.loss() - before).abs() < 1e-9, "the client was off");
    (0..100).for_each(|_| send(&mut loops, 1, true));
    loops.expire(late);
    assert!((loops.loss() - before).abs() < 1e-9, "one mailbox is silent");
}
