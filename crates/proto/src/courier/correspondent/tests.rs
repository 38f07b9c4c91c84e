use std::collections::BTreeSet;

use chacha20::rand_core::SeedableRng;
use rohrpost_packet::envelope::REPEATED;

use super::super::reassembly::Complete;
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

/// A client that goes on from an older copy gives numbers again that its contact knows, and further ones
/// behind them. Checks that a letter which repeats that messages of all these numbers were told of has
/// none of them count as delivered.
#[test]
fn what_is_repeated_of_a_number_that_was_given_twice_delivers_nothing() {
    let rng = &mut ChaCha20Rng::from_seed([4; 32]);
    let contact = Account::generate([1, 2].map(NodeNumber::new), rng).contact();
    let timer = RetransmitTimer::new(&Traffic::default());
    let repeats = |lower: [u8; 2]| {
        let mut other = Correspondent::new(contact.clone(), 100);
        for sequence in [4, 5] {
            let id = MessageId::new([u8::try_from(sequence).unwrap(); 16]);
            let body = Body::With(Zeroizing::new(vec![1]));
            other.post(Message { id, sequence, body, ..Message::address(0, &[]) }, 400);
        }
        let mut told = [0; REPEATED];
        told[..2].copy_from_slice(&[0x0505, u16::from_be_bytes(lower)]);
        let standing = Standing { last: 5, told, incarnation: 1, ..Standing::default() };
        let heard = other.hear_again(Steady::BEGIN, &standing, timer).ok();
        heard.map(|events| {
            let delivered = |event: &Event| matches!(event, Event::Delivered { .. });
            events.into_iter().filter(delivered).count()
        })
    };
    assert_eq!(repeats([4, 4]), Some(2));
    assert_eq!(repeats([0, 0]), Some(1), "that one was not told of");
    assert_eq!(repeats([9, 9]), None, "another message has that number");
}

/// Checks that letters repeat in turn each of the messages that have come, wherever they begin: the first of
/// them may be the one of which the contact does not know, and more may have come since than a letter
/// has names for. Every other letter names the last.
#[test]
fn letters_repeat_every_message_in_turn() {
    let numbers = (0..20).chain(60..63);
    let complete = |sequence| Complete {
        sequence,
        message: MessageId::new([9; 16]),
        kind: Kind::Content,
        fragments: 1,
    };
    let memory = Memory { told: numbers.clone().map(complete).collect(), ..Memory::default() };
    for seed in 0..20 {
        let rng = &mut ChaCha20Rng::from_seed([seed; 32]);
        let contact = Account::generate([1, 2].map(NodeNumber::new), rng).contact();
        let mut other = Correspondent::new(contact, 100);
        let (reassembly, _) = Reassembly::resume(100, &memory);
        other.resume(reassembly, 0, 0, &memory);
        other.repeat_from(rng);
        let mut named = BTreeSet::new();
        for letter in 0..12 {
            let Standing { last, told, .. } = other.standing();
            assert!(letter % 2 == 1 || last == 62);
            let all = (0..).zip(told).filter(|(_, name)| *name != 0);
            named.extend(all.map(|(before, _)| last - before));
            other.repeat_others();
        }
        assert!(named.into_iter().eq(numbers.clone()), "{seed}");
    }
}
