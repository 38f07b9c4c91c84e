//! A vault that grew and was emptied gives the disk back.

use std::io::Write as _;
use std::time::Instant;

use rohrpost_vault::{KeyedTable, Vault, WriteTx};

use super::{Folder, unlock};

const FILES: KeyedTable = KeyedTable::new("files");
const MIB: u64 = 1 << 20;

/// Fills a vault with so many files of a MiB, and removes all but the first.
fn grown(folder: &Folder, files: u8) -> Vault {
    let vault = folder.vault();
    let bytes = vec![7; 1 << 20];
    for key in 0..files {
        vault.write(|tx| tx.put(FILES, &[key], &bytes)).unwrap();
    }
    for key in 1..files {
        vault.write(|tx| tx.remove(FILES, &[key])).unwrap();
    }
    vault
}

fn len(folder: &Folder) -> u64 {
    std::fs::metadata(folder.path("vault")).unwrap().len()
}

#[test]
fn a_vault_that_was_emptied_becomes_short_and_keeps_what_is_left() {
    let folder = Folder::in_memory("compaction");
    let mut vault = grown(&folder, 32);
    assert!(len(&folder) > 32 * MIB);
    assert!(!vault.compact(MIB / 2).unwrap(), "more is in use than may be moved");
    assert!(vault.compact(2 * MIB).unwrap());
    assert!(len(&folder) < 8 * MIB, "{} bytes", len(&folder));
    assert!(!vault.compact(u64::MAX).unwrap(), "nothing is left to do");
    for reopened in 0..2 {
        let left = vault.read(|tx| tx.get(FILES, &[0])).unwrap();
        assert!(left.is_some_and(|left| left.len() == 1 << 20), "{reopened}");
        drop(vault);
        vault = Vault::open(&folder.path("vault"), &unlock("right")).unwrap();
    }
}

/// Checks that a compaction waits for a check, whose pages it would take away.
#[test]
fn nothing_is_moved_under_a_check() {
    let folder = Folder::in_memory("compaction-check");
    let mut vault = grown(&folder, 16);
    let mut check = vault.begin_check().unwrap();
    assert!(!vault.compact(u64::MAX).unwrap());
    while !vault.go_on(&mut check, 1).unwrap() {}
    drop(check);
    assert!(vault.compact(u64::MAX).unwrap());
    assert!(len(&folder) < 8 * MIB);
}

/// A vault in which so many bytes of records of this length are in use, and four times as many were
/// removed from between them.
fn sparse(folder: &Folder, used: u64, len: usize) -> Vault {
    let vault = folder.vault();
    let value = vec![7; len];
    // As they are stored: up to the next multiple of 256, and sealed.
    let sealed = u64::try_from((len + 16).next_multiple_of(256) + 72).unwrap();
    let numbers: Vec<u64> = (0..used / sealed * 5).collect();
    for part in numbers.chunks(2000) {
        let mut put = part.iter();
        vault.write(|tx| put.try_for_each(|at| tx.put(FILES, &at.to_be_bytes(), &value))).unwrap();
    }
    for part in numbers.chunks(2000) {
        let mut removed = part.iter().filter(|at| **at % 5 != 0);
        let remove = |tx: &mut WriteTx<'_>, at: &u64| tx.remove(FILES, &at.to_be_bytes()).map(drop);
        vault.write(|tx| removed.try_for_each(|at| remove(tx, at))).unwrap();
    }
    vault
}

/// Prints how long a compaction takes, by what is in use and by the length of records. The file lies
/// in memory: the disk's own time is not in it.
#[test]
#[ignore = "a measurement, of a minute"]
fn costs() {
    for len in [300, 30_000] {
        for used in [1, 2, 4, 8, 16, 64] {
            let tries = (0..3).map(|_| {
                let folder = Folder::in_memory("compaction-costs");
                let mut vault = sparse(&folder, used * MIB, len);
                let begin = Instant::now();
                assert!(vault.compact(u64::MAX).unwrap());
                begin.elapsed()
            });
            let cost = tries.min().unwrap();
            let line = format!("{used} MiB in records of {len} bytes: {cost:.1?}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    }
}
