use rohrpost_packet::envelope::Kind;

use super::*;
use crate::time::Time;

const NOW: Steady = Steady::of_clock(Time::from_micros(1_795_000_000_000_000));
/// Bytes of a fragment, of which a piece has ten.
const ROOM: usize = 6214;
const SLOT: Duration = Duration::from_millis(250);

fn message(mark: u8, body: Body) -> Message {
    Message {
        id: MessageId::new([mark; 16]),
        kind: Kind::Content,
        sequence: 3,
        minutes: 5,
        expires: NOW.reading(),
        left: None,
        body,
    }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

/// Supplies what was asked for out of a body.
fn supply(pieces: &mut Pieces, wanted: Wanted, body: &[u8]) {
    let Wanted { message, offset, len } = wanted;
    pieces.supply(message, offset, body[offset..offset + len].to_vec().into());
}

#[test]
fn fragments_together_are_the_body_whether_it_is_stored_or_not() {
    for len in [0, 1, ROOM, ROOM + 1, 10 * ROOM, 25 * ROOM + 7] {
        let body = bytes(len);
        let count = u32::try_from(len.div_ceil(ROOM).max(1)).unwrap();
        let mut pieces = Pieces::new(ROOM, SLOT);
        let stored = message(1, Body::Stored(len));
        for index in 0..count {
            let piece = pieces.piece(index);
            if let Some(wanted) = pieces.need(NOW, (stored.id, len), piece) {
                assert!(wanted.len <= PIECE && !pieces.has(&stored, index));
                supply(&mut pieces, wanted, &body);
            }
            assert!(pieces.has(&stored, index));
        }
        for message in [stored, message(2, Body::With(body.clone().into()))] {
            let cut = (0..count).flat_map(|at| pieces.fragment(&message, at).unwrap().to_vec());
            assert!(cut.eq(body.iter().copied()), "{len}");
        }
    }
}

#[test]
fn what_was_not_asked_for_is_not_taken() {
    let mut pieces = Pieces::new(ROOM, SLOT);
    let (one, len) = (message(1, Body::Stored(5 * ROOM)), 5 * ROOM);
    pieces.supply(one.id, 0, bytes(len).into());
    assert!(!pieces.has(&one, 0));
    let wanted = pieces.need(NOW, (one.id, len), 0).unwrap();
    assert!(wanted == Wanted { message: one.id, offset: 0, len });
    assert!(pieces.need(NOW, (one.id, len), 0).is_none(), "it was asked for");
    assert!(pieces.need(NOW, (one.id, len), 1).is_none(), "there is no such piece");
    pieces.supply(one.id, 0, bytes(len - 1).into());
    assert!(!pieces.has(&one, 0));
    assert!(pieces.need(NOW + SLOT * AGAIN, (one.id, len), 0) == Some(wanted), "asked for again");
    supply(&mut pieces, wanted, &bytes(len));
    assert!(pieces.need(NOW + SLOT * (2 * AGAIN), (one.id, len), 0).is_none());
    assert!(pieces.has(&one, 4));
}

#[test]
fn pieces_are_few_and_those_that_are_needed_stay() {
    let mut pieces = Pieces::new(ROOM, SLOT);
    let len = 100 * 10 * ROOM;
    let file = message(1, Body::Stored(len));
    let later = |seconds| NOW + Duration::from_secs(seconds);
    let most = u32::try_from(MOST).unwrap();
    for piece in 0..most {
        assert!(pieces.need(later(piece.into()), (file.id, len), piece).is_some());
    }
    let now = later(u64::from(most));
    assert!(pieces.need(now, (file.id, len), most).is_some());
    assert!(pieces.held.len() == MOST && !pieces.held.contains_key(&(file.id, 0)));
    for piece in 1..most {
        assert!(pieces.need(now, (file.id, len), piece).is_none(), "it is there");
    }
    assert!(pieces.need(now, (file.id, len), most + 1).is_none(), "all are needed now");
    pieces.forget(now + SLOT * (KEPT / 2));
    assert_eq!(pieces.held.len(), MOST);
    pieces.forget(now + SLOT * KEPT);
    assert!(pieces.held.is_empty());
}
