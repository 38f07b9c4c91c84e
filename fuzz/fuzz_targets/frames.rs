//! Frames and cells off a link, and the pieces of network documents that cells carry.
#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rohrpost_fuzz::{SuiteChoice, rng, sized};
use rohrpost_packet::{Classic, Hybrid, Suite};
use rohrpost_proto::frame::{
    Chunk, ChunkAssembler, DownCell, Frame, HEADER_LEN, MAX_DOCUMENT_LEN, UpCell, chunk_len,
    chunks, frame_len,
};
use rohrpost_proto::time::Time;

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    Frame { suite: SuiteChoice, bytes: Bytes<'a> },
    Up { suite: SuiteChoice, bytes: Bytes<'a> },
    Down { suite: SuiteChoice, bytes: Bytes<'a> },
    Document { number: u32, repeat: u16, piece: u16, order: Vec<u16>, bytes: &'a [u8] },
    Pieces(Vec<Piece<'a>>),
}

/// Bytes of any length, or filled up to a frame's.
#[derive(Arbitrary, Debug)]
struct Bytes<'a> {
    exact: bool,
    bytes: &'a [u8],
}

#[derive(Arbitrary, Debug)]
struct Piece<'a> {
    document: bool,
    index: u8,
    count: u8,
    repeat: u16,
    data: &'a [u8],
}

fuzz_target!(|case: Case<'_>| match case {
    Case::Frame { suite: SuiteChoice::Hybrid, bytes } => frame::<Hybrid>(&bytes.of::<Hybrid>()),
    Case::Frame { suite: SuiteChoice::Classic, bytes } => frame::<Classic>(&bytes.of::<Classic>()),
    Case::Up { suite: SuiteChoice::Hybrid, bytes } => up::<Hybrid>(&bytes.of::<Hybrid>()),
    Case::Up { suite: SuiteChoice::Classic, bytes } => up::<Classic>(&bytes.of::<Classic>()),
    Case::Down { suite: SuiteChoice::Hybrid, bytes } => down::<Hybrid>(&bytes.of::<Hybrid>()),
    Case::Down { suite: SuiteChoice::Classic, bytes } => down::<Classic>(&bytes.of::<Classic>()),
    Case::Document { number, repeat, piece, order, bytes } => {
        document(number, &repeated(bytes, repeat, MAX_DOCUMENT_LEN + 1), piece, &order);
    }
    Case::Pieces(pieces) => assemble(&pieces),
});

impl Bytes<'_> {
    fn of<S: Suite>(&self) -> Vec<u8> {
        sized(self.bytes, if self.exact { frame_len::<S>() } else { self.bytes.len() })
    }
}

/// Makes long data from short input; at most `most` bytes.
fn repeated(bytes: &[u8], times: u16, most: usize) -> Vec<u8> {
    let len = (bytes.len() * usize::from(times)).min(most);
    bytes.iter().copied().cycle().take(len).collect()
}

/// Checks that a frame has one form.
fn frame<S: Suite>(bytes: &[u8]) {
    let lawful =
        bytes.len() == frame_len::<S>() && bytes[..2] == [1, 0] && bytes[4..HEADER_LEN] == [0; 4];
    match Frame::<S>::decode(bytes) {
        Ok(frame) => assert!(lawful && *frame.encode() == *bytes),
        Err(_) => assert!(!lawful),
    }
}

/// Checks that a cell with a packet has one form, and that the others retain what they name.
fn up<S: Suite>(bytes: &[u8]) {
    let Ok(cell) = UpCell::<S>::decode(bytes) else { return };
    let same = match &cell {
        UpCell::Packet { .. } => bytes.len(),
        UpCell::Hello(_) | UpCell::Idle => 1,
    };
    if let UpCell::Hello(session) = &cell {
        assert_eq!(session.as_bytes()[..], bytes[HEADER_LEN..][..16]);
    }
    let again = cell.encode(&mut rng(50));
    assert_eq!(again.len(), bytes.len());
    assert_eq!(again[..same], bytes[..same]);
}

/// Checks that the contents of a cell survive writing and reading, and that its time can be
/// reckoned with.
fn down<S: Suite>(bytes: &[u8]) {
    let Ok(cell) = DownCell::<S>::decode(bytes) else { return };
    assert_eq!(bytes.len(), frame_len::<S>());
    let (time, chunk, reply) = (cell.time, cell.chunk.clone(), cell.reply.clone());
    if let Some(chunk) = &chunk {
        assert!(chunk.index < chunk.count && chunk.data.len() <= chunk_len::<S>());
    }
    reckon(time);
    let again = cell.encode();
    let twin = DownCell::<S>::decode(&again).expect("just written");
    assert!(twin.time == time && twin.chunk == chunk && twin.reply == reply);
    assert_eq!(*twin.encode(), *again);
}

/// Reckons with a relay's time as a client does: the next slot lies ahead, and not far.
fn reckon(time: Time) {
    let slot = Duration::from_millis(250);
    let next = time.slot(slot).next().start(slot);
    assert!(next > time && next.since(time) <= slot);
    assert_eq!(time.next_multiple(slot), next);
}

/// Checks that a network document cut into pieces comes together in any order, once.
fn document(number: u32, bytes: &[u8], piece: u16, order: &[u16]) {
    let len = usize::from(piece).max(1);
    let pieces = chunks(number, bytes, len);
    if pieces.is_empty() {
        let many = bytes.len().div_ceil(len) > usize::from(u16::MAX);
        return assert!(bytes.is_empty() || many || bytes.len() > MAX_DOCUMENT_LEN);
    }
    let mut assembler = ChunkAssembler::default();
    let shuffled = order.iter().map(|place| usize::from(*place) % pieces.len());
    let mut whole = Vec::new();
    for place in shuffled.chain(0..pieces.len()) {
        whole.extend(assembler.take(pieces[place].clone()));
    }
    assert_eq!(whole.len(), 1, "given once");
    assert_eq!(whole[0], bytes);
}

/// Holds pieces that need not belong together against a model that stores what was taken.
fn assemble(pieces: &[Piece<'_>]) {
    let mut assembler = ChunkAssembler::default();
    let mut held: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    let mut current = None;
    for piece in pieces {
        let (document, count) = (u32::from(piece.document), u16::from(piece.count).max(1));
        let index = u16::from(piece.index) % count;
        let data = repeated(piece.data, piece.repeat, chunk_len::<Hybrid>());
        if current != Some((document, count)) {
            held.clear();
            current = Some((document, count));
        }
        let size: usize = held.values().map(Vec::len).sum();
        let taken = !held.contains_key(&index) && size + data.len() <= MAX_DOCUMENT_LEN;
        if taken {
            held.insert(index, data.clone());
        }
        let complete = taken && held.len() == usize::from(count);
        let expected = complete.then(|| held.values().flatten().copied().collect::<Vec<u8>>());
        assert_eq!(assembler.take(Chunk { document, index, count, data: data.into() }), expected);
    }
}
