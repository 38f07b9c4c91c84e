//! A vault that grew and was emptied gives the disk back.

use rohrpost_vault::{KeyedTable, Vault};

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
