//! Answers on the wire.

use rohrpost_packet::Classic;

use super::*;

/// Lifetime of 1.5 s between a pull's arrival and the tick that spends its SURB.
const WAIT: SurbWait = SurbWait {
    spent: Time::from_micros(0x0102_0304_0506_0708),
    waited: Duration::from_micros(0x0016_e360),
};

fn envelope() -> Envelope<Classic> {
    Envelope::from_bytes(&[7; Classic::ENVELOPE_LEN]).unwrap()
}

/// The answer's body as the owner gets it: padded with zeros.
fn body(answer: &Answer<Classic>) -> Vec<u8> {
    let mut body = answer.encode();
    assert!(body.len() <= Classic::BODY_LEN);
    body.resize(Classic::BODY_LEN, 0);
    body
}

#[test]
fn answers_stand_on_the_wire_as_documented() {
    let dummy = Answer::<Classic> { wait: WAIT, envelope: None }.encode();
    assert_eq!(dummy, [0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0x16, 0xe3, 0x60]);
    let id = EnvelopeId::of(&envelope());
    let full = Answer { wait: WAIT, envelope: Some((id, envelope())) }.encode();
    assert_eq!((full[0], &full[1..16]), (1, &dummy[1..]));
    assert_eq!(&full[16..32], &id.0);
    assert_eq!(&full[32..], envelope().as_bytes());
}

#[test]
fn answers_are_read_as_they_were_written() {
    for with_envelope in [false, true] {
        let envelope = with_envelope.then(|| (EnvelopeId::of(&envelope()), envelope()));
        let read = Answer::<Classic>::decode(&body(&Answer { wait: WAIT, envelope })).unwrap();
        assert_eq!(read.wait, WAIT);
        let id = read.envelope.map(|(id, envelope)| id == EnvelopeId::of(&envelope));
        assert_eq!(id, with_envelope.then_some(true));
    }
}

#[test]
fn an_answer_of_another_kind_or_version_or_cut_short_is_refused() {
    let good = body(&Answer { wait: WAIT, envelope: None });
    for (place, value) in [(0, 2), (1, 2), (2, 1), (3, 1)] {
        let mut bad = good.clone();
        bad[place] = value;
        assert!(Answer::<Classic>::decode(&bad).is_err(), "byte {place} = {value}");
    }
    assert!(Answer::<Classic>::decode(&good[..15]).is_err());
}

#[test]
fn a_wait_longer_than_the_field_is_the_longest_there_is() {
    let hours = Duration::from_secs(7200);
    let wait = SurbWait { waited: hours, ..WAIT };
    let read = Answer::<Classic>::decode(&body(&Answer { wait, envelope: None })).unwrap();
    assert_eq!(read.wait.waited, Duration::from_micros(u32::MAX.into()));
}
