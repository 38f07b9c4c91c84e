//! Changes from beneath, with right checksums, which the outside of a vault cannot make.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use redb::WriteTransaction;
use zeroize::Zeroizing;

use super::*;
use crate::file::HEAD_LEN;
use crate::header::HEADER_LEN;
use crate::keys::TableKeys;
use crate::table::{KeyedTable, OrderedTable, Table};
use crate::unlock::Cost;

const PEOPLE: KeyedTable = KeyedTable::new("people");
const PLACES: KeyedTable = KeyedTable::new("places");
const EVENTS: OrderedTable = OrderedTable::new("events");

/// A vault in a directory that goes with it.
struct Scene(PathBuf);

impl Scene {
    /// Two people, two places and three events.
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("rohrpost-vault-{}-{number}", std::process::id());
        let scene = Self(std::env::temp_dir().join(name));
        fs::create_dir(&scene.0).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&scene.0, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let vault = Vault::create(&scene.path(), &unlock("right")).unwrap();
        vault
            .write(|tx| {
                for table in [PEOPLE, PLACES] {
                    tx.put(table, b"a", b"first")?;
                    tx.put(table, b"b", b"other")?;
                }
                for event in [b"x", b"y", b"z"] {
                    tx.append(EVENTS, event)?;
                }
                Ok::<_, VaultError>(())
            })
            .unwrap();
        scene
    }

    fn path(&self) -> PathBuf {
        self.0.join("vault")
    }

    fn open(&self) -> Result<Vault, VaultError> {
        Vault::open(&self.path(), &unlock("right"))
    }

    /// Commits what someone with the disk, and here even the keys, does to redb's tables.
    fn tamper(&self, work: impl FnOnce(&WriteTransaction, &Keys)) {
        let vault = self.open().unwrap();
        let transaction = vault.open.database.begin_write().unwrap();
        work(&transaction, &vault.open.keys);
        transaction.commit().unwrap();
    }

    /// Words of the check of the whole, which are the same for a vault that goes on under its seals
    /// and for one that is opened without.
    fn refused(&self) -> &'static str {
        let damaged = |refused: Option<VaultError>| match refused {
            Some(VaultError::Damaged { what, .. }) => what,
            other => panic!("opened, or failed in another way: {other:?}"),
        };
        let running = self.open().and_then(|vault| check(&vault, 1));
        let what = damaged(running.err());
        fs::remove_file(self.0.join("vault.seals")).unwrap();
        assert_eq!(damaged(self.open().err()), what);
        what
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Checks a vault in steps of so many records.
fn check(vault: &Vault, records: usize) -> Result<(), VaultError> {
    let mut check = vault.begin_check()?;
    while !vault.go_on(&mut check, records)? {}
    Ok(())
}

fn unlock(text: &str) -> Unlock {
    Unlock::passphrase_at(Zeroizing::new(text.into()), Cost::danger_cheap())
}

fn keys_of(keys: &Keys, table: impl Into<Table>) -> TableKeys {
    keys.table(&table.into().label(), &ErasureKey::generate(1))
}

fn sealed(transaction: &WriteTransaction, table: &TableKeys, stored: &[u8]) -> Vec<u8> {
    let store = transaction.open_table(definition(&table.name)).unwrap();
    store.get(stored).unwrap().unwrap().value().to_vec()
}

fn insert(transaction: &WriteTransaction, table: &TableKeys, stored: &[u8], sealed: &[u8]) {
    transaction.open_table(definition(&table.name)).unwrap().insert(stored, sealed).unwrap();
}

const DO_NOT_ADD_UP: &str = "records are missing or were exchanged";

#[test]
fn a_vault_that_nobody_touched_opens() {
    let scene = Scene::new();
    scene.tamper(|_, _| {});
    let vault = scene.open().unwrap();
    check(&vault, 1).unwrap();
    assert_eq!(vault.read(|tx| Ok::<_, VaultError>(tx.count(EVENTS))).unwrap(), 3);
}

#[test]
fn exchanged_records_are_noticed() {
    let scene = Scene::new();
    scene.tamper(|transaction, keys| {
        let people = keys_of(keys, PEOPLE);
        let (a, b) = (people.blind(b"a"), people.blind(b"b"));
        let (first, other) = (sealed(transaction, &people, &a), sealed(transaction, &people, &b));
        insert(transaction, &people, &a, &other);
        insert(transaction, &people, &b, &first);
    });
    assert_eq!(scene.refused(), DO_NOT_ADD_UP);
}

#[test]
fn a_record_opens_in_its_place_alone() {
    let keys = Keys::of(Key::generate());
    let (people, places) = (keys_of(&keys, PEOPLE), keys_of(&keys, PLACES));
    let (a, b) = (people.blind(b"a"), people.blind(b"b"));
    let record = people.seal(&a, b"a", b"first");
    assert_eq!(*people.open(&a, &record).unwrap().value, b"first");
    assert!(people.open(&b, &record).is_none());
    assert!(places.open(&a, &record).is_none());
    for at in 0..record.len() {
        let mut changed = record.clone();
        changed[at] ^= 1;
        assert!(people.open(&a, &changed).is_none(), "byte {at}");
    }
}

#[test]
fn lost_and_added_records_are_noticed() {
    let scene = Scene::new();
    scene.tamper(|transaction, keys| {
        let events = keys_of(keys, EVENTS);
        let mut store = transaction.open_table(definition(&events.name)).unwrap();
        store.remove(1_u64.to_be_bytes().as_slice()).unwrap();
    });
    assert_eq!(scene.refused(), DO_NOT_ADD_UP);

    let scene = Scene::new();
    scene.tamper(|transaction, keys| {
        let events = keys_of(keys, EVENTS);
        let record = events.seal(&9_u64.to_be_bytes(), &9_u64.to_be_bytes(), b"new");
        insert(transaction, &events, &9_u64.to_be_bytes(), &record);
    });
    assert_eq!(scene.refused(), DO_NOT_ADD_UP);
}

#[test]
fn an_older_version_of_a_record_is_noticed() {
    let scene = Scene::new();
    let mut old = Vec::new();
    scene.tamper(|transaction, keys| {
        let people = keys_of(keys, PEOPLE);
        old = sealed(transaction, &people, &people.blind(b"a"));
    });
    scene.open().unwrap().write(|tx| tx.put(PEOPLE, b"a", b"newer")).unwrap();
    scene.tamper(|transaction, keys| {
        let people = keys_of(keys, PEOPLE);
        insert(transaction, &people, &people.blind(b"a"), &old);
    });
    assert_eq!(scene.refused(), DO_NOT_ADD_UP);
}

#[test]
fn lost_and_added_tables_are_noticed() {
    let scene = Scene::new();
    scene.tamper(|transaction, keys| {
        let name = keys_of(keys, PLACES).name;
        assert!(transaction.delete_table(definition(&name)).unwrap());
    });
    assert_eq!(scene.refused(), DO_NOT_ADD_UP);

    let scene = Scene::new();
    scene.tamper(|transaction, _| drop(transaction.open_table(definition("more")).unwrap()));
    assert_eq!(scene.refused(), "it holds a table that no rohrpost made");
}

#[test]
fn an_older_database_behind_a_newer_head_is_noticed() {
    let scene = Scene::new();
    let head = usize::try_from(HEAD_LEN).unwrap();
    let old = fs::read(scene.path()).unwrap();
    scene.open().unwrap().write(|tx| tx.put(PEOPLE, b"c", b"third")).unwrap();
    let new = fs::read(scene.path()).unwrap();
    fs::write(scene.path(), [&new[..head], &old[head..]].concat()).unwrap();
    let refused = scene.open().err();
    let what = "its newest changes are missing";
    assert!(matches!(refused, Some(VaultError::Damaged { what: it, .. }) if it == what));
    fs::write(scene.path(), &new).unwrap();
    assert_eq!(
        scene.open().unwrap().read(|tx| tx.get(PEOPLE, b"c")).unwrap().unwrap()[..],
        *b"third"
    );
}

#[test]
fn a_change_of_passphrase_that_was_cut_off_is_ended() {
    let scene = Scene::new();
    let before = fs::read(scene.path()).unwrap();
    scene.open().unwrap().change_unlock(&unlock("next")).unwrap();
    let after = fs::read(scene.path()).unwrap();
    let second = 4096..4096 + HEADER_LEN;
    assert!(before[second.clone()] != after[second.clone()]);

    let mut cut = after.clone();
    cut[second.clone()].copy_from_slice(&before[second.clone()]);
    fs::write(scene.path(), &cut).unwrap();
    assert!(matches!(scene.open().err(), Some(VaultError::WrongKey(_))));
    drop(Vault::open(&scene.path(), &unlock("next")).unwrap());
    assert!(fs::read(scene.path()).unwrap()[second] == after[..HEADER_LEN], "the old is gone");
}

#[test]
fn lengths_come_in_classes() {
    let keys = Keys::of(Key::generate());
    let people = keys_of(&keys, PEOPLE);
    let len = |value: usize| people.seal(&people.blind(b"a"), b"a", &vec![1; value]).len();
    assert_eq!([len(0), len(247), len(248), len(1000)], [296, 296, 552, 1064]);
}

#[test]
fn a_vault_can_go_to_a_thread() {
    const fn crosses<T: Send + Sync>() {}
    const { crosses::<Vault>() }
}

/// Changes that are made while a check goes on do not disturb it: it is of one commit.
#[test]
fn a_check_goes_on_while_the_vault_is_written() {
    let scene = Scene::new();
    let vault = scene.open().unwrap();
    for records in 1..8 {
        let mut running = vault.begin_check().unwrap();
        loop {
            let done = vault.go_on(&mut running, records).unwrap();
            vault.write(|tx| tx.put(PEOPLE, b"a", &[7; 900])).unwrap();
            vault.write(|tx| tx.append(EVENTS, b"more")).unwrap();
            if done {
                break;
            }
        }
    }
    check(&vault, 1000).unwrap();
}
