use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use proptest::prelude::*;
use rohrpost_packet::{Classic, Hybrid};

use super::*;

const TIME: Time = Time::from_micros(1_795_000_000_123_456);

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([2; 32])
}

#[test]
fn frames_have_one_layout_and_come_back() {
    let packet = Packet::<Classic>::random(&mut rng());
    let bytes = packet.as_bytes().to_vec();
    let encoded = Frame { generation: ShortGeneration::new(0x1234), packet }.encode();
    assert_eq!(encoded.len(), frame_len::<Classic>());
    assert_eq!(&encoded[..8], [1, 0, 0x12, 0x34, 0, 0, 0, 0]);
    let frame = Frame::<Classic>::decode(&encoded[..]).unwrap();
    assert_eq!(frame.generation.get(), 0x1234);
    assert_eq!(frame.packet.as_bytes(), bytes);
    assert!(Frame::<Hybrid>::decode(&encoded[..]).is_err());
    assert!(Frame::<Classic>::decode(&encoded[1..]).is_err());
}

#[test]
fn every_up_cell_has_the_same_length() {
    let session = SessionId::new([9; 16]);
    let packet = Packet::<Classic>::random(&mut rng());
    let (first_hop, generation) = (NodeNumber::new(7), ShortGeneration::new(3));
    let cells =
        [UpCell::Hello(session), UpCell::Idle, UpCell::Packet { first_hop, generation, packet }];
    let encoded = cells.map(|cell| cell.encode(&mut rng()));
    assert!(encoded.iter().all(|cell| cell.len() == frame_len::<Classic>()));
    assert_eq!(encoded[2][..8], [2, 0, 0, 3, 0, 0, 0, 7]);
    let [hello, idle, packet] = encoded.map(|cell| UpCell::<Classic>::decode(cell).unwrap());
    assert!(matches!(hello, UpCell::Hello(got) if got == session));
    assert!(matches!(idle, UpCell::Idle));
    assert!(matches!(packet, UpCell::Packet { first_hop: got, .. } if got == first_hop));
}

#[test]
fn a_reply_and_a_chunk_share_a_down_cell() {
    let payload: Box<[u8]> = vec![5; Classic::PAYLOAD_LEN].into();
    let chunk = Chunk { document: 4, index: 1, count: 3, data: vec![8; 286].into() };
    let reply = Some((ReplyId::new([6; 16]), payload.clone()));
    let cell = DownCell::<Classic>::new(TIME, reply, Some(chunk.clone())).encode();
    assert_eq!(cell.len(), frame_len::<Classic>());
    let got = DownCell::<Classic>::decode(&cell).unwrap();
    assert_eq!(got.time, TIME);
    let (id, got_payload) = got.reply.unwrap();
    assert!(id == ReplyId::new([6; 16]) && got_payload == payload);
    assert_eq!(got.chunk, Some(chunk));
    let dummy = DownCell::<Classic>::new(TIME, None, None).encode();
    assert_eq!(dummy.len(), cell.len());
    assert!(DownCell::<Classic>::decode(&dummy).unwrap().reply.is_none());
}

/// Checks that a time which cannot be reckoned with is refused: a client's next slot began before
/// the present, and it sent without pause.
#[test]
fn a_time_that_cannot_be_reckoned_with_is_refused() {
    let cell = |time| DownCell::<Classic>::new(time, None, None).encode();
    for micros in [u64::MAX, Time::LATEST.micros() + 1] {
        assert!(DownCell::<Classic>::decode(&cell(Time::from_micros(micros))).is_err());
    }
    let latest = DownCell::<Classic>::decode(&cell(Time::LATEST)).unwrap().time;
    let minute = std::time::Duration::from_secs(60);
    assert!(latest.slot(minute).next().start(minute) > latest);
}

#[test]
fn a_document_survives_any_order_and_repetition() {
    let document: Vec<u8> = (0..2_000_u16).map(|i| i.to_be_bytes()[1]).collect();
    let pieces = chunks(9, &document, chunk_len::<Classic>());
    assert_eq!(pieces.len(), 7);
    let mut assembler = ChunkAssembler::default();
    let order = [3, 3, 0, 6, 1, 5, 0, 2];
    assert!(order.iter().all(|&i| assembler.take(pieces[i].clone()).is_none()));
    assert_eq!(assembler.take(pieces[4].clone()).unwrap(), document);
    assert!(assembler.take(pieces[4].clone()).is_none(), "given once");
    assert!(chunks(1, &vec![0; MAX_DOCUMENT_LEN + 1], 4_646).is_empty());
}

#[test]
fn an_assembler_holds_no_more_than_the_longest_document() {
    let mut assembler = ChunkAssembler::default();
    for index in 0..u16::MAX {
        let data = vec![0; 60_000].into();
        let chunk = Chunk { document: 1, index, count: u16::MAX, data };
        assert!(assembler.take(chunk).is_none());
        if index > 20 {
            break;
        }
    }
    assert!(assembler.held <= MAX_DOCUMENT_LEN);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), frame_len::<Classic>()),
    ) {
        let _ = Frame::<Classic>::decode(&bytes[..]);
        let _ = UpCell::<Classic>::decode(&bytes[..]);
        let _ = DownCell::<Classic>::decode(&bytes);
    }
}
