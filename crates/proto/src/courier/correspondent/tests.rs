use chacha20::rand_core::SeedableRng;

use super::*;
use crate::courier::account::Account;
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
