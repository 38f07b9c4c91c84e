//! Marks of the letters that were opened, for as long as the prekeys are there that opened them
//! (`docs/delivery.md`, Acknowledging).
//!
//! The marks of a prekey lie on 256 pages, by their first byte, so that one more mark costs one
//! small record. No record of them needs to be erased: without its prekey a mark says nothing.

use std::collections::BTreeMap;

use rohrpost_packet::envelope::{EnvelopeMark, MARK_LEN, PrekeyId};
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::error::StoreError;

/// Adds marks; one that is there already changes nothing.
pub(super) fn remember(
    tx: &mut WriteTx<'_>,
    marks: impl IntoIterator<Item = EnvelopeMark>,
) -> Result<(), StoreError> {
    let mut new: BTreeMap<[u8; PAGE_KEY], Vec<EnvelopeMark>> = BTreeMap::new();
    for mark in marks {
        new.entry(page(mark.prekey(), mark.as_bytes()[0])).or_default().push(mark);
    }
    for (key, marks) in new {
        let mut page = tx.get(OPENED, &key)?.map(|page| page.to_vec()).unwrap_or_default();
        let before = page.len();
        for mark in marks {
            let known = page.as_chunks().0.contains(mark.as_bytes());
            if !known && page.len() < PAGE {
                page.extend_from_slice(mark.as_bytes());
            }
        }
        if page.len() > before {
            tx.put(OPENED, &key, &page)?;
        }
    }
    Ok(())
}

/// All marks.
pub(super) fn all(tx: &ReadTx<'_>) -> Result<Vec<EnvelopeMark>, StoreError> {
    let mut marks = Vec::new();
    for record in tx.iter(OPENED)? {
        let (key, page) = record?;
        let prekey = PrekeyId::new(*key.first_chunk().ok_or(StoreError::Record)?);
        let (page, rest) = page.as_chunks();
        if !rest.is_empty() {
            return Err(StoreError::Record);
        }
        marks.extend(page.iter().map(|bytes| EnvelopeMark::new(prekey, *bytes)));
    }
    Ok(marks)
}

/// Forgets the letters of a prekey that is erased.
pub(super) fn forget(tx: &mut WriteTx<'_>, prekey: PrekeyId) -> Result<(), StoreError> {
    for first in 0..=u8::MAX {
        tx.remove(OPENED, &page(prekey, first))?;
    }
    Ok(())
}

fn page(prekey: PrekeyId, first: u8) -> [u8; PAGE_KEY] {
    let mut key = [first; PAGE_KEY];
    key[..PAGE_KEY - 1].copy_from_slice(prekey.as_bytes());
    key
}

pub(super) const TABLES: [KeyedTable; 1] = [OPENED];
/// Marks, one after another, by prekey id and first byte.
const OPENED: KeyedTable = KeyedTable::new("opened letters");
const PAGE_KEY: usize = 17;
/// Bytes of a page at most: twice the even share of all marks that a courier remembers of a prekey.
const PAGE: usize = 2 * 1024 * MARK_LEN;
