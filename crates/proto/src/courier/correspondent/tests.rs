use chacha20::rand_core::SeedableRng;

use super::*;
use crate::courier::account::Account;
use crate::courier::message::PastFlights;
use crate::directory::roster::Traffic;

const SECOND: Duration = Duration::from_secs(1);

/// Checks that what is new is acknowledged after its own delay, though an acknowledgement for letters
/// that brought nothing new was put off: else a sender of a file stands still until its time-outs.
#[test]
fn what_is_new_waits_for_no_acknowledgement_that_was_put_off() {
    let rng = &mut ChaCha20Rng::from_seed([4; 32]);
    let contact = Account::generate([1, 2].map(NodeNumber::new), rng).contact();
    let mut other = Correspondent::new(contact, 100);
    let timer = RetransmitTimer::new(&Traffic::default());
    let now = Steady::BEGIN + SECOND;
    other.acknowledge_again(now, SECOND, timer);
    assert_eq!(other.take_acknowledgement(), Some(now + SECOND));
    other.acknowledge_again(now, SECOND, timer);
    assert_eq!(other.acknowledgement_due(), Some(now + timer.first + SECOND), "one in this time");
    other.acknowledge_later(now, SECOND * 7);
    assert_eq!(other.acknowledgement_due(), Some(now + SECOND * 7));
    other.acknowledge_later(now, SECOND);
    assert_eq!(other.take_acknowledgement(), Some(now + SECOND * 7), "drawn once");
    assert_eq!(other.acknowledgement_due(), None, "it has said all");
}

/// Checks that an address that is on its way to the contact goes on where it is though the contact is
/// told it once more, as with every message; only a newer one begins.
#[test]
fn an_address_that_is_told_again_does_not_begin_anew() {
    let rng = &mut ChaCha20Rng::from_seed([4; 32]);
    let contact = Account::generate([1, 2].map(NodeNumber::new), rng).contact();
    let mut other = Correspondent::new(contact, 100);
    let left = Some(PastFlights { last: Time::from_micros(1), times: 1 });
    let [older, newer] = [(5, [1; 900]), (6, [2; 900])];
    let under_way = |other: &Correspondent| other.address.as_ref().unwrap().flights().count();
    other.announce(Message { left, ..Message::address(older.0, &older.1) }, 400);
    assert_eq!(under_way(&other), 3);
    other.announce(Message::address(older.0, &older.1), 400);
    assert_eq!(under_way(&other), 3);
    other.announce(Message::address(newer.0, &newer.1), 400);
    assert_eq!(under_way(&other), 0);
}
