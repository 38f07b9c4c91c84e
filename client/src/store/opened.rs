//! Marks of the letters that were opened, for as long as the prekeys are there that opened them
//! (`docs/delivery.md`, Acknowledging).
//!
//! The marks of a prekey lie one after another on pages, and more of them are written on the last:
//! however many come together, one small record changes, or two. No record of them needs to be
//! erased: without its prekey a mark says nothing.

use std::collections::{BTreeMap, BTreeSet};

use rohrpost_packet::envelope::{EnvelopeMark, MARK_LEN, PrekeyId};
use rohrpost_proto::courier::MARKS_PER_PREKEY;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::error::StoreError;

/// Adds marks.
pub(super) fn remember(
    tx: &mut WriteTx<'_>,
    marks: impl IntoIterator<Item = EnvelopeMark>,
) -> Result<(), StoreError> {
    let mut new: BTreeMap<PrekeyId, BTreeSet<[u8; MARK_LEN]>> = BTreeMap::new();
    for mark in marks {
        new.entry(mark.prekey()).or_default().insert(*mark.as_bytes());
    }
    for (prekey, marks) in new {
        let (mut full, mut last) = pages(tx, prekey)?;
        let before = last.len();
        let known: BTreeSet<[u8; MARK_LEN]> = last.as_chunks().0.iter().copied().collect();
        for mark in marks.difference(&known) {
            if full == PAGES {
                break;
            }
            last.extend_from_slice(mark);
            if last.len() == PAGE {
                tx.put(OPENED, &page(prekey, full), &last)?;
                last.clear();
                full += 1;
            }
        }
        if last.len() != before {
            tx.put(LAST, prekey.as_bytes(), &[&full.to_be_bytes()[..], &last].concat())?;
        }
    }
    Ok(())
}

/// All marks, each once.
pub(super) fn all(tx: &ReadTx<'_>) -> Result<Vec<EnvelopeMark>, StoreError> {
    let mut marks = BTreeSet::new();
    for record in tx.iter(OPENED)? {
        let (key, page) = record?;
        note(&mut marks, &key, &page)?;
    }
    for record in tx.iter(LAST)? {
        let (key, record) = record?;
        note(&mut marks, &key, split(&record)?.1)?;
    }
    Ok(marks.into_iter().collect())
}

/// Forgets the letters of a prekey that is erased.
pub(super) fn forget(tx: &mut WriteTx<'_>, prekey: PrekeyId) -> Result<(), StoreError> {
    for number in 0..pages(tx, prekey)?.0 {
        tx.remove(OPENED, &page(prekey, number))?;
    }
    tx.remove(LAST, prekey.as_bytes())?;
    Ok(())
}

fn note(marks: &mut BTreeSet<EnvelopeMark>, key: &[u8], page: &[u8]) -> Result<(), StoreError> {
    let prekey = PrekeyId::new(*key.first_chunk().ok_or(StoreError::Record)?);
    let (page, rest) = page.as_chunks();
    marks.extend(page.iter().map(|bytes| EnvelopeMark::new(prekey, *bytes)));
    if rest.is_empty() { Ok(()) } else { Err(StoreError::Record) }
}

/// Count of a prekey's full pages, and the marks on its last.
fn pages(tx: &ReadTx<'_>, prekey: PrekeyId) -> Result<(u32, Vec<u8>), StoreError> {
    let Some(record) = tx.get(LAST, prekey.as_bytes())? else {
        return Ok((0, Vec::new()));
    };
    let (full, last) = split(&record)?;
    Ok((full, last.to_vec()))
}

fn split(record: &[u8]) -> Result<(u32, &[u8]), StoreError> {
    let (full, last) = record.split_first_chunk().ok_or(StoreError::Record)?;
    Ok((u32::from_be_bytes(*full), last))
}

fn page(prekey: PrekeyId, number: u32) -> [u8; PAGE_KEY] {
    let mut key = [0; PAGE_KEY];
    key[..PAGE_KEY - 4].copy_from_slice(prekey.as_bytes());
    key[PAGE_KEY - 4..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(super) const TABLES: [KeyedTable; 2] = [OPENED, LAST];
/// Marks on full pages, one after another, by prekey id and number of the page.
const OPENED: KeyedTable = KeyedTable::new("opened letters");
/// `count of full pages u32 ‖ marks`, by prekey id.
const LAST: KeyedTable = KeyedTable::new("opened letters, last page");
const PAGE_KEY: usize = 20;
/// Bytes of a full page: a record of it has the shortest length.
const PAGE: usize = 27 * MARK_LEN;
/// Full pages of a prekey at most: as many marks as a courier remembers of it.
const PAGES: u32 = MARKS_PER_PREKEY / 27;
