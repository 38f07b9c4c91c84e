//! Erasure: what was removed from an erasable table cannot be read in the file, and no sudden death
//! in the middle of it costs a record.

use std::fs;
use std::ops::Range;
use std::path::Path;

use rohrpost_vault::{KeyedTable, Vault, VaultError};

use super::{Folder, unlock};

const PREKEYS: KeyedTable = KeyedTable::erasable("prekeys");
const ORDINARY: KeyedTable = KeyedTable::new("ordinary");

/// A number's value in a table, found again by its text alone.
fn value(number: u64) -> Vec<u8> {
    format!("the secret of generation {number:04}").into_bytes()
}

fn put(vault: &Vault, table: KeyedTable, number: u64) {
    vault.write(|tx| tx.put(table, &number.to_be_bytes(), &value(number))).unwrap();
}

fn remove(vault: &Vault, table: KeyedTable, number: u64) {
    assert!(vault.write(|tx| tx.remove(table, &number.to_be_bytes())).unwrap());
}

fn numbers(vault: &Vault, table: KeyedTable) -> Vec<u64> {
    let read = vault.read(|tx| {
        let mut numbers = Vec::new();
        for record in tx.iter(table)? {
            let (key, found) = record?;
            let number = u64::from_be_bytes(key[..].try_into().unwrap());
            assert!(found[..] == value(number));
            assert!(tx.get(table, &key)?.unwrap()[..] == value(number));
            numbers.push(number);
        }
        numbers.sort_unstable();
        Ok::<_, VaultError>(numbers)
    });
    read.unwrap()
}

/// Numbers of a table whose values can be read by whoever has these bytes and the passphrase.
fn remnants(folder: &Folder, image: &[u8], table: KeyedTable) -> Vec<u64> {
    let path = folder.path("seized");
    fs::write(&path, image).unwrap();
    let found = Vault::danger_remnants(&path, &unlock("right"), &[table.into()]).unwrap();
    assert!(fs::read(&path).unwrap() == image, "looking changed the file");
    (0..20).filter(|number| found.iter().any(|one| one[..] == value(*number))).collect()
}

fn open(path: &Path) -> Vault {
    Vault::open(path, &unlock("right")).unwrap()
}

#[test]
fn what_is_removed_is_gone_and_the_search_would_have_found_it() {
    let folder = Folder::in_memory("gone");
    let vault = folder.vault();
    for table in [PREKEYS, ORDINARY] {
        (0..6).for_each(|number| put(&vault, table, number));
        (0..4).for_each(|number| remove(&vault, table, number));
        assert_eq!(numbers(&vault, table), [4, 5]);
    }
    for image in [fs::read(folder.path("vault")).unwrap(), {
        drop(vault);
        fs::read(folder.path("vault")).unwrap()
    }] {
        assert_eq!(remnants(&folder, &image, PREKEYS), [4, 5]);
        let ordinary = remnants(&folder, &image, ORDINARY);
        assert!(ordinary.iter().any(|number| *number < 4), "{ordinary:?}");
    }
    assert_eq!(numbers(&open(&folder.path("vault")), PREKEYS), [4, 5]);
}

#[test]
fn what_is_replaced_is_gone() {
    let folder = Folder::in_memory("replaced");
    let vault = folder.vault();
    vault.write(|tx| tx.put(PREKEYS, b"one", &value(1))).unwrap();
    vault.write(|tx| tx.put(PREKEYS, b"one", &value(2))).unwrap();
    let image = fs::read(folder.path("vault")).unwrap();
    assert_eq!(remnants(&folder, &image, PREKEYS), [2]);
}

#[test]
fn only_the_overwritten_key_hides_what_was_removed() {
    let folder = Folder::in_memory("hidden");
    let vault = folder.vault();
    (0..3).for_each(|number| put(&vault, PREKEYS, number));
    let before = fs::read(folder.path("vault")).unwrap();
    remove(&vault, PREKEYS, 1);
    let mut after = fs::read(folder.path("vault")).unwrap();
    assert_eq!(remnants(&folder, &after, PREKEYS), [0, 2]);
    // Had one slot not been overwritten, the free pages would still tell.
    after[SLOTS[0].clone()].copy_from_slice(&before[SLOTS[0].clone()]);
    assert_eq!(remnants(&folder, &after, PREKEYS), [0, 1, 2]);
}

#[test]
fn an_erasure_that_failed_is_none() {
    let folder = Folder::in_memory("failed");
    let vault = folder.vault();
    (0..3).for_each(|number| put(&vault, PREKEYS, number));
    let refused: Result<(), VaultError> = vault.write(|tx| {
        tx.remove(PREKEYS, &1_u64.to_be_bytes())?;
        tx.put(PREKEYS, &[0; 2000], b"a key that is too long")
    });
    assert!(matches!(refused, Err(VaultError::TooLong { .. })));
    assert_eq!(numbers(&vault, PREKEYS), [0, 1, 2]);
    remove(&vault, PREKEYS, 1);
    drop(vault);
    assert_eq!(numbers(&open(&folder.path("vault")), PREKEYS), [0, 2]);
}

#[test]
fn who_reads_meanwhile_reads_the_state_before() {
    let folder = Folder::in_memory("meanwhile");
    let vault = folder.vault();
    (0..3).for_each(|number| put(&vault, PREKEYS, number));
    let read = vault.read(|tx| {
        remove(&vault, PREKEYS, 0);
        remove(&vault, PREKEYS, 1);
        Ok::<_, VaultError>(tx.get(PREKEYS, &1_u64.to_be_bytes())?.map(|found| found.to_vec()))
    });
    assert_eq!(read.unwrap(), Some(value(1)));
    assert_eq!(numbers(&vault, PREKEYS), [2]);
}

/// Removes a record, and gives the file before and after that, with the numbers of the two slots in
/// the order in which the erasure writes them.
fn erase_once(folder: &Folder, earlier: u64) -> ([Vec<u8>; 2], [usize; 2]) {
    let vault = folder.vault();
    (0..9).for_each(|number| put(&vault, PREKEYS, number));
    (0..earlier).for_each(|number| remove(&vault, PREKEYS, number));
    let before = fs::read(folder.path("vault")).unwrap();
    remove(&vault, PREKEYS, 5);
    let after = fs::read(folder.path("vault")).unwrap();
    // The vault begins with key 1, and even numbers go to the first slot first.
    let number = 1 + earlier + 1;
    let first = usize::from(!number.is_multiple_of(2));
    ([before, after], [first, 1 - first])
}

#[test]
fn an_erasure_cut_off_at_any_point_leaves_one_of_two_states_and_is_ended() {
    for earlier in [0, 1] {
        let folder = Folder::in_memory(&format!("cut-off-{earlier}"));
        let ([before, after], [first, second]) = erase_once(&folder, earlier);
        let kept: Vec<_> = (earlier..9).collect();
        let left: Vec<_> = kept.iter().copied().filter(|number| *number != 5).collect();
        let copy = |mut to: Vec<u8>, from: &[u8], slot: usize| {
            to[SLOTS[slot].clone()].copy_from_slice(&from[SLOTS[slot].clone()]);
            to
        };
        let announced = copy(before.clone(), &after, first);
        let mut torn = announced.clone();
        torn[SLOTS[first].clone()][40..].fill(0x5a);
        let committed = copy(after.clone(), &before, second);
        let cases = [
            (announced, &kept, "announced"),
            (torn, &kept, "torn"),
            (committed, &left, "committed"),
        ];
        for (image, expected, point) in cases {
            let path = folder.path(point);
            fs::write(&path, &image).unwrap();
            assert_eq!(&numbers(&open(&path), PREKEYS), expected, "{point}");
            let ended = fs::read(&path).unwrap();
            let slots = SLOTS.map(|slot| ended[slot].to_vec());
            let settled = slots.iter().all(|slot| slot[..8] == slots[0][..8]);
            assert!(settled, "{point}: the slots hold different keys");
            assert_eq!(&remnants(&folder, &ended, PREKEYS), expected, "{point}");
            assert_eq!(&numbers(&open(&path), PREKEYS), expected, "{point}: opened again");
        }
        let mut lost = after;
        SLOTS.iter().for_each(|slot| lost[slot.clone()].fill(0));
        fs::write(folder.path("lost"), &lost).unwrap();
        let error = Vault::open(&folder.path("lost"), &unlock("right")).err().unwrap();
        assert!(error.to_string().contains("its erasure key"), "{error}");
    }
}

#[test]
fn a_backup_keeps_what_it_had_and_tells_nothing_of_the_vault() {
    let folder = Folder::in_memory("backup");
    let vault = folder.vault();
    (0..4).for_each(|number| put(&vault, PREKEYS, number));
    remove(&vault, PREKEYS, 0);
    vault.back_up(&folder.path("backup")).unwrap();
    remove(&vault, PREKEYS, 1);
    drop(vault);
    let [mut vault, backup] = ["vault", "backup"].map(|name| fs::read(folder.path(name)).unwrap());
    assert_eq!(remnants(&folder, &vault, PREKEYS), [2, 3]);
    assert_eq!(remnants(&folder, &backup, PREKEYS), [1, 2, 3]);
    // The copy's erasure key does not open what lies in the vault's free pages.
    SLOTS.iter().for_each(|slot| vault[slot.clone()].copy_from_slice(&backup[slot.clone()]));
    assert!(remnants(&folder, &vault, PREKEYS).is_empty());

    let backup = open(&folder.path("backup"));
    assert_eq!(numbers(&backup, PREKEYS), [1, 2, 3]);
    remove(&backup, PREKEYS, 2);
    drop(backup);
    assert_eq!(numbers(&open(&folder.path("backup")), PREKEYS), [1, 3]);
}

/// docs/store.md, "The file".
const SLOTS: [Range<usize>; 2] = [1024..1104, 5120..5200];
