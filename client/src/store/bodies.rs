//! Bodies of messages that have come: in pieces, as they came.
//!
//! A piece holds those fragments of a message that came together, and stays where it was first
//! written: what is complete is not put together for the disk, only for its reader. So of a file
//! every byte is written once, and no more of it is in memory than it has.

use std::collections::BTreeMap;

use rand::RngExt;
use rohrpost_packet::envelope::Fragment;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use zeroize::Zeroizing;

use super::error::StoreError;
use crate::randomness::rng;

/// Place of a body.
#[derive(Clone, Copy)]
pub(super) struct Body {
    pub(super) id: [u8; 16],
    /// Pieces of the body, from the first on.
    pub(super) pieces: u32,
}

impl Body {
    /// A body of which nothing has come.
    pub(super) fn new() -> Self {
        Self { id: rng().random(), pieces: 0 }
    }

    /// Adds fragments, of each index one.
    pub(super) fn add(
        &mut self,
        tx: &mut WriteTx<'_>,
        fragments: &[&Fragment],
    ) -> Result<(), StoreError> {
        let len = |fragment: &Fragment| ENTRY + fragment.body.len();
        let mut rest = fragments;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|fragment| {
                bytes += len(fragment);
                bytes <= PIECE
            });
            let (piece, after) = rest.split_at(fits.count().max(1));
            rest = after;
            let mut record =
                Zeroizing::new(Vec::with_capacity(piece.iter().map(|it| len(it)).sum()));
            for fragment in piece {
                let len = u32::try_from(fragment.body.len()).map_err(|_| StoreError::Record)?;
                record.extend_from_slice(&fragment.position.index.to_be_bytes());
                record.extend_from_slice(&len.to_be_bytes());
                record.extend_from_slice(&fragment.body);
            }
            tx.put(PIECES, &self.key(self.pieces), &record)?;
            self.pieces += 1;
        }
        Ok(())
    }

    /// The whole body, its fragments in their order. Reads each piece twice, and holds one of them
    /// at a time.
    pub(super) fn read(&self, tx: &ReadTx<'_>) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let mut places = BTreeMap::new();
        self.each(tx, |index, bytes| {
            places.insert(index, (0, bytes.len()));
        })?;
        let mut end = 0;
        for (begin, len) in places.values_mut() {
            *begin = end;
            end += *len;
        }
        // At its full length from the begin, so that growth leaves no part of it in memory.
        let mut body = Zeroizing::new(vec![0; end]);
        self.each(tx, |index, bytes| {
            if let Some((begin, len)) = places.get(&index).filter(|(_, len)| *len == bytes.len()) {
                body[*begin..begin + len].copy_from_slice(bytes);
            }
        })?;
        Ok(body)
    }

    pub(super) fn forget(&self, tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
        for piece in 0..self.pieces {
            tx.remove(PIECES, &self.key(piece))?;
        }
        Ok(())
    }

    /// Goes through all fragments, in the order in which they came.
    fn each(&self, tx: &ReadTx<'_>, mut work: impl FnMut(u32, &[u8])) -> Result<(), StoreError> {
        for piece in 0..self.pieces {
            let record = tx.get(PIECES, &self.key(piece))?.ok_or(StoreError::Record)?;
            let mut rest = record.as_slice();
            while let Some((index, after)) = rest.split_first_chunk() {
                let (len, after) = after.split_first_chunk().ok_or(StoreError::Record)?;
                let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
                let (bytes, after) = after.split_at_checked(len).ok_or(StoreError::Record)?;
                work(u32::from_be_bytes(*index), bytes);
                rest = after;
            }
        }
        Ok(())
    }

    fn key(&self, piece: u32) -> [u8; 20] {
        let mut key = [0; 20];
        key[..16].copy_from_slice(&self.id);
        key[16..].copy_from_slice(&piece.to_be_bytes());
        key
    }
}

pub(super) const TABLES: [KeyedTable; 1] = [PIECES];
/// `(index u32 ‖ length u32 ‖ bytes)…`, by the body's id and the number of the piece.
const PIECES: KeyedTable = KeyedTable::new("pieces");
/// Bytes before those of a fragment.
const ENTRY: usize = 8;
/// Bytes of a piece at most. The database gives a record pages whose number is a power of two: five
/// letters of the hybrid suite fill eight of them, with what sealing adds.
const PIECE: usize = 31_600;
