//! The relay's network document on its way to clients: a piece in every down cell, round and round,
//! so that all clients get it at the same fixed rate and no reply waits for it.

use std::collections::BTreeMap;

use crate::wire::{Malformed, Reader};

/// Bytes before a chunk's data: document number u32, index u16, count u16, length u16.
pub(super) const CHUNK_HEADER_LEN: usize = 10;

/// Longest network document that a client puts together: 512 KiB, about 390 hybrid nodes.
pub const MAX_DOCUMENT_LEN: usize = 512 * 1024;

/// A piece of a network document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// Number of the network document, modulo 2³².
    pub document: u32,
    /// Place of the piece in the document: `0 <= index < count`.
    pub index: u16,
    /// Number of pieces in the document.
    pub count: u16,
    /// The bytes of this piece.
    pub data: Box<[u8]>,
}

impl Chunk {
    pub(super) fn encode(&self, area: &mut [u8]) {
        let len = u16::try_from(self.data.len()).expect("chunks are cut to the cell");
        area[..4].copy_from_slice(&self.document.to_be_bytes());
        area[4..6].copy_from_slice(&self.index.to_be_bytes());
        area[6..8].copy_from_slice(&self.count.to_be_bytes());
        area[8..10].copy_from_slice(&len.to_be_bytes());
        area[CHUNK_HEADER_LEN..][..self.data.len()].copy_from_slice(&self.data);
    }

    pub(super) fn decode(area: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(area);
        let (document, index, count) = (reader.u32()?, reader.u16()?, reader.u16()?);
        let len = usize::from(reader.u16()?);
        if count == 0 {
            return Ok(None);
        }
        if index >= count {
            return Err(Malformed);
        }
        let data = reader.take(len)?.into();
        Ok(Some(Self { document, index, count, data }))
    }
}

/// Cuts a network document into chunks of at most `len` bytes; there are none if it is too long for
/// clients.
#[must_use]
pub fn chunks(document: u32, bytes: &[u8], len: usize) -> Vec<Chunk> {
    let count = bytes.len().div_ceil(len);
    let (Ok(count), true) = (u16::try_from(count), bytes.len() <= MAX_DOCUMENT_LEN) else {
        return Vec::new();
    };
    let cut = |(index, data): (u16, &[u8])| Chunk { document, index, count, data: data.into() };
    (0..count).zip(bytes.chunks(len)).map(cut).collect()
}

/// A buffer that puts the pieces of the newest network document together.
///
/// It holds what has arrived, at most [`MAX_DOCUMENT_LEN`] bytes; nothing is allocated for a count
/// that is only claimed.
#[derive(Default)]
pub struct ChunkAssembler {
    document: Option<u32>,
    count: u16,
    pub(super) held: usize,
    pieces: BTreeMap<u16, Box<[u8]>>,
}

impl ChunkAssembler {
    /// Takes a piece; gives the network document when it is complete, once.
    pub fn take(&mut self, chunk: Chunk) -> Option<Vec<u8>> {
        if self.document != Some(chunk.document) || self.count != chunk.count {
            self.pieces.clear();
            self.document = Some(chunk.document);
            self.count = chunk.count;
            self.held = 0;
        }
        if self.pieces.contains_key(&chunk.index) || self.held + chunk.data.len() > MAX_DOCUMENT_LEN
        {
            return None;
        }
        self.held += chunk.data.len();
        self.pieces.insert(chunk.index, chunk.data);
        (self.pieces.len() == usize::from(self.count))
            .then(|| self.pieces.values().flat_map(|piece| piece.iter().copied()).collect())
    }
}
