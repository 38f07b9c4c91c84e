//! Bodies of outgoing messages, in pieces: whoever needs a part of a long one reads no more than that.

use rand::Rng;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use zeroize::Zeroizing;

use super::super::error::StoreError;
use super::super::record::Hex;
use crate::randomness;

/// A body that is being put into the store, piece by piece.
pub(super) struct BodyWriter {
    id: Hex<16>,
    /// Pieces that are in the store.
    pieces: u32,
    /// Bytes behind them, fewer than a piece has.
    rest: Zeroizing<Vec<u8>>,
    len: usize,
    hasher: blake3::Hasher,
}

/// A body that is in the store.
pub(super) struct StoredBody {
    pub(super) id: Hex<16>,
    pub(super) len: usize,
    /// Hash of all bytes.
    pub(super) digest: Hex<32>,
}

impl BodyWriter {
    /// A body without a byte, under an id that no other has.
    pub(super) fn new() -> Self {
        let mut id = [0; 16];
        randomness::rng().fill_bytes(&mut id);
        Self {
            id: Hex(id),
            pieces: 0,
            rest: Zeroizing::new(Vec::with_capacity(PIECE)),
            len: 0,
            hasher: blake3::Hasher::new(),
        }
    }

    /// Puts bytes at the end of the body.
    pub(super) fn push(
        &mut self,
        tx: &mut WriteTx<'_>,
        mut bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        self.len += bytes.len();
        while self.rest.len() + bytes.len() >= PIECE {
            let (fitting, behind) = bytes.split_at(PIECE - self.rest.len());
            self.rest.extend_from_slice(fitting);
            bytes = behind;
            self.put_rest(tx)?;
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the body.
    pub(super) fn end(mut self, tx: &mut WriteTx<'_>) -> Result<StoredBody, StoreError> {
        if !self.rest.is_empty() || self.pieces == 0 {
            self.put_rest(tx)?;
        }
        let digest = Hex(*self.hasher.finalize().as_bytes());
        Ok(StoredBody { id: self.id, len: self.len, digest })
    }

    fn put_rest(&mut self, tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
        tx.put(BODIES, &key(&self.id, self.pieces), &self.rest)?;
        self.pieces += 1;
        // Its memory is used again: nothing of it is left behind when it grows.
        self.rest.clear();
        Ok(())
    }
}

/// So many bytes of a body from an offset on.
///
/// # Errors
/// The body is not there, or has fewer.
pub(super) fn read(
    tx: &ReadTx<'_>,
    id: &Hex<16>,
    offset: usize,
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(len));
    while bytes.len() < len {
        let at = offset + bytes.len();
        let number = u32::try_from(at / PIECE).map_err(|_| StoreError::Record)?;
        let piece = tx.get(BODIES, &key(id, number))?.ok_or(StoreError::Record)?;
        let part = piece.get(at % PIECE..).filter(|part| !part.is_empty());
        let part = part.ok_or(StoreError::Record)?;
        let room = len - bytes.len();
        bytes.extend_from_slice(&part[..part.len().min(room)]);
    }
    Ok(bytes)
}

/// Removes a body.
pub(super) fn remove(tx: &mut WriteTx<'_>, id: &Hex<16>) -> Result<(), StoreError> {
    let mut number = 0;
    while tx.remove(BODIES, &key(id, number))? {
        number += 1;
    }
    Ok(())
}

/// `Id of the body 16 ‖ number of the piece u32`.
fn key(id: &Hex<16>, number: u32) -> Vec<u8> {
    [&id.0[..], &number.to_be_bytes()].concat()
}

pub(super) const BODIES: KeyedTable = KeyedTable::new("outbox bodies");
/// Bytes of a piece but the last: with its nonce, tag and key it fills 16 pages of the file.
const PIECE: usize = 60 << 10;
