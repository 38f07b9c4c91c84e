//! Bodies of outgoing messages, in pieces: whoever needs a part of a long one reads no more than that.

use rand::Rng;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};
use zeroize::Zeroizing;

use super::super::error::StoreError;
use super::super::record::Hex;
use crate::randomness;

/// Name of a body in the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BodyId([u8; 16]);

/// A body that is being put into the store, piece by piece.
pub(crate) struct BodyWriter {
    id: BodyId,
    /// Pieces that are in the store.
    pieces: u32,
    /// Bytes behind them, fewer than a piece has.
    rest: Zeroizing<Vec<u8>>,
    len: usize,
    hasher: blake3::Hasher,
}

/// A body that is in the store.
pub(crate) struct StoredBody {
    pub(super) id: BodyId,
    pub(super) len: usize,
    /// Hash of all bytes.
    pub(super) digest: Hex<32>,
}

impl BodyWriter {
    /// A body that begins with this head, shorter than a piece, under an id that no other has.
    pub(crate) fn new(head: &[u8]) -> Self {
        let mut id = [0; 16];
        randomness::rng().fill_bytes(&mut id);
        let mut rest = Zeroizing::new(Vec::with_capacity(PIECE));
        rest.extend_from_slice(head);
        let mut hasher = blake3::Hasher::new();
        hasher.update(head);
        Self { id: BodyId(id), pieces: 0, rest, len: head.len(), hasher }
    }

    pub(crate) const fn id(&self) -> BodyId {
        self.id
    }

    /// Bytes that were put into the body.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Hash of all bytes that were put into the body.
    pub(crate) fn digest(&self) -> Hex<32> {
        Hex(*self.hasher.finalize().as_bytes())
    }

    /// Puts bytes at the end of the body.
    pub(crate) fn push(
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
    pub(crate) fn end(mut self, tx: &mut WriteTx<'_>) -> Result<StoredBody, StoreError> {
        if !self.rest.is_empty() || self.pieces == 0 {
            self.put_rest(tx)?;
        }
        Ok(StoredBody { id: self.id, len: self.len, digest: self.digest() })
    }

    fn put_rest(&mut self, tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
        tx.put(BODIES, &self.id.piece(self.pieces), &self.rest)?;
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
    id: BodyId,
    offset: usize,
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(len));
    while bytes.len() < len {
        let at = offset + bytes.len();
        let number = u32::try_from(at / PIECE).map_err(|_| StoreError::Record)?;
        let piece = tx.get(BODIES, &id.piece(number))?.ok_or(StoreError::Record)?;
        let part = piece.get(at % PIECE..).filter(|part| !part.is_empty());
        let part = part.ok_or(StoreError::Record)?;
        let room = len - bytes.len();
        bytes.extend_from_slice(&part[..part.len().min(room)]);
    }
    Ok(bytes)
}

/// Removes a body.
pub(crate) fn remove(tx: &mut WriteTx<'_>, id: BodyId) -> Result<(), StoreError> {
    let mut number = 0;
    while tx.remove(BODIES, &id.piece(number))? {
        number += 1;
    }
    Ok(())
}

impl BodyId {
    pub(super) const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        Ok(Self(bytes.try_into().map_err(|_| StoreError::Record)?))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Key of a piece: `id of the body 16 ‖ number of the piece u32`.
    fn piece(self, number: u32) -> Vec<u8> {
        [&self.0[..], &number.to_be_bytes()].concat()
    }
}

pub(super) const BODIES: KeyedTable = KeyedTable::new("outbox bodies");
/// Bytes of a piece but the last: with its nonce, tag and key it fills 16 pages of the file.
const PIECE: usize = 60 << 10;
