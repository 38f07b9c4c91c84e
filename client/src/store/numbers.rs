//! Sets of numbers as tables: which messages of the inbox are unread, for one. A record holds the
//! numbers of a page of 2048 as bits, so that a million are some hundred records, and a change is
//! one.

use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::error::StoreError;

/// Adds a number.
pub(super) fn insert(
    tx: &mut WriteTx<'_>,
    table: KeyedTable,
    number: u64,
) -> Result<(), StoreError> {
    let mut bits = bits(tx, table, number / PAGE)?;
    let (byte, bit) = place(number);
    bits[byte] |= bit;
    Ok(tx.put(table, &(number / PAGE).to_be_bytes(), &bits)?)
}

/// Takes a number out.
pub(super) fn remove(
    tx: &mut WriteTx<'_>,
    table: KeyedTable,
    number: u64,
) -> Result<(), StoreError> {
    let mut bits = bits(tx, table, number / PAGE)?;
    let (byte, bit) = place(number);
    if bits[byte] & bit == 0 {
        return Ok(());
    }
    bits[byte] &= !bit;
    let key = (number / PAGE).to_be_bytes();
    if bits == [0; BYTES] {
        tx.remove(table, &key)?;
        return Ok(());
    }
    Ok(tx.put(table, &key, &bits)?)
}

/// The numbers from this one on, in their order, at most so many.
pub(super) fn list(
    tx: &ReadTx<'_>,
    table: KeyedTable,
    from: u64,
    limit: usize,
) -> Result<Vec<u64>, StoreError> {
    let mut pages = pages(tx, table)?;
    pages.retain(|(page, _)| *page >= from / PAGE);
    pages.sort_unstable_by_key(|(page, _)| *page);
    let numbers = pages.iter().flat_map(|(page, bits)| {
        let is_in = move |at: &u64| {
            let (byte, bit) = place(*at);
            bits[byte] & bit != 0
        };
        (0..PAGE).filter(is_in).map(move |at| page * PAGE + at)
    });
    Ok(numbers.filter(|number| *number >= from).take(limit).collect())
}

/// Count of the numbers.
pub(super) fn count(tx: &ReadTx<'_>, table: KeyedTable) -> Result<u64, StoreError> {
    let ones = |bits: &Bits| bits.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
    Ok(pages(tx, table)?.iter().map(|(_, bits)| ones(bits)).sum())
}

type Bits = [u8; BYTES];

fn pages(tx: &ReadTx<'_>, table: KeyedTable) -> Result<Vec<(u64, Bits)>, StoreError> {
    let mut pages = Vec::new();
    for record in tx.iter(table)? {
        let (key, bits) = record?;
        let key = key.as_slice().try_into().map_err(|_| StoreError::Record)?;
        let bits = bits.as_slice().try_into().map_err(|_| StoreError::Record)?;
        pages.push((u64::from_be_bytes(key), bits));
    }
    Ok(pages)
}

fn bits(tx: &ReadTx<'_>, table: KeyedTable, page: u64) -> Result<Bits, StoreError> {
    match tx.get(table, &page.to_be_bytes())? {
        Some(bits) => bits.as_slice().try_into().map_err(|_| StoreError::Record),
        None => Ok([0; BYTES]),
    }
}

/// Byte and bit of a number within its page.
fn place(number: u64) -> (usize, u8) {
    let at = usize::try_from(number % PAGE).unwrap_or(0);
    (at / 8, 1 << (at % 8))
}

/// Numbers of a page; a record of it takes the shortest length but one.
const PAGE: u64 = 2048;
const BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chacha20::ChaCha8Rng;
    use chacha20::rand_core::SeedableRng;
    use rand::RngExt;

    use super::super::fresh_vault::in_fresh_vault;
    use super::*;

    const TABLE: KeyedTable = KeyedTable::new("numbers");

    /// Whatever is added and taken out, the table says what a set in memory says.
    #[test]
    fn a_table_holds_the_numbers_that_a_set_holds() {
        let rng = &mut ChaCha8Rng::seed_from_u64(5);
        let mut set = BTreeSet::new();
        in_fresh_vault("numbers", |tx| {
            for _ in 0..3000 {
                let number = rng.random_range(0..5000) * rng.random_range(1..4);
                if rng.random() {
                    insert(tx, TABLE, number)?;
                    set.insert(number);
                } else {
                    remove(tx, TABLE, number)?;
                    set.remove(&number);
                }
                let from = rng.random_range(0..15_000);
                let listed = list(tx, TABLE, from, 7)?;
                assert!(listed.into_iter().eq(set.range(from..).take(7).copied()));
                assert_eq!(count(tx, TABLE)?, u64::try_from(set.len()).unwrap());
            }
            for number in std::mem::take(&mut set) {
                remove(tx, TABLE, number)?;
            }
            assert_eq!(tx.count(TABLE), 0, "an empty page is no record");
            Ok(())
        });
    }
}
