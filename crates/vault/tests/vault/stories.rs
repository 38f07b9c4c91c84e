//! Stories of a vault: it keeps what it took, and refuses what it must not take.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use rohrpost_vault::{
    KEY_LIMIT, KeyedTable, OrderedTable, ReadTx, Unlock, VALUE_LIMIT, Vault, VaultError,
};
use zeroize::Zeroizing;

use super::{Folder, set_mode, unlock};

const PEOPLE: KeyedTable = KeyedTable::new("people");
const EVENTS: OrderedTable = OrderedTable::new("events");

fn people(tx: &ReadTx<'_>) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, VaultError> {
    tx.iter(PEOPLE)?.map(|it| it.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

fn only(key: &[u8], value: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    BTreeMap::from([(key.to_vec(), value.to_vec())])
}

fn events(tx: &ReadTx<'_>, from: u64) -> Result<Vec<(u64, Vec<u8>)>, VaultError> {
    tx.entries(EVENTS, from)?.map(|it| it.map(|(number, value)| (number, value.to_vec()))).collect()
}

fn open(folder: &Folder, unlock: &Unlock) -> Result<Vault, VaultError> {
    Vault::open(&folder.path("vault"), unlock)
}

#[test]
fn records_come_back() {
    let folder = Folder::new("records");
    let vault = folder.vault();
    let numbers: Result<Vec<u64>, VaultError> = vault.write(|tx| {
        tx.put(PEOPLE, b"alice", b"1")?;
        tx.put(PEOPLE, b"bob", b"2")?;
        tx.put(PEOPLE, b"bob", &[7; 5000])?;
        tx.put(PEOPLE, b"carol", b"")?;
        assert!(tx.remove(PEOPLE, b"alice")? && !tx.remove(PEOPLE, b"alice")?);
        (0..300_u16).map(|event| tx.append(EVENTS, &event.to_be_bytes())).collect()
    });
    assert_eq!(numbers.unwrap(), (0..300).collect::<Vec<_>>());
    drop(vault);

    let vault = open(&folder, &unlock("right")).unwrap();
    let read = vault.read(|tx| {
        assert_eq!((tx.count(PEOPLE), tx.count(EVENTS)), (2, 300));
        let mut expected = only(b"bob", &[7; 5000]);
        expected.insert(b"carol".to_vec(), Vec::new());
        assert_eq!(people(tx)?, expected);
        assert_eq!(tx.get(PEOPLE, b"bob")?.unwrap()[..], [7; 5000]);
        assert!(tx.get(PEOPLE, b"alice")?.is_none() && tx.entry(EVENTS, 300)?.is_none());
        let late: Vec<_> =
            (298..300).map(|at| (u64::from(at), u16::to_be_bytes(at).to_vec())).collect();
        assert_eq!(events(tx, 298)?, late);
        assert_eq!(events(tx, 0)?.len(), 300);
        Ok::<_, VaultError>(())
    });
    read.unwrap();
}

#[test]
fn a_spare_key_opens_a_vault_again_and_no_other() {
    let folder = Folder::new("spare");
    let vault = folder.vault();
    vault.write(|tx| tx.put(PEOPLE, b"alice", b"1")).unwrap();
    let spare = vault.spare_key();
    assert!(matches!(spare.open(), Err(VaultError::InUse(_))));
    drop(vault);
    for number in [b"2", b"3"] {
        let vault = spare.open().unwrap();
        vault.write(|tx| tx.put(PEOPLE, b"alice", number)).unwrap();
    }
    let path = folder.path("vault");
    fs::rename(&path, folder.path("other")).unwrap();
    assert!(matches!(spare.open(), Err(VaultError::Missing(_))));
    drop(folder.vault());
    assert!(matches!(spare.open(), Err(VaultError::Damaged { .. })));
    fs::rename(folder.path("other"), &path).unwrap();
    let vault = open(&folder, &unlock("right")).unwrap();
    assert_eq!(vault.read(people).unwrap(), only(b"alice", b"3"));
}

#[test]
fn numbers_are_not_given_twice() {
    let folder = Folder::new("numbers");
    let vault = folder.vault();
    vault.write(|tx| (0..3).try_for_each(|_| tx.append(EVENTS, b"old").map(|_| ()))).unwrap();
    vault
        .write(|tx| {
            assert!(tx.replace(EVENTS, 1, b"new")? && !tx.replace(EVENTS, 3, b"new")?);
            assert!(tx.remove_entry(EVENTS, 2)? && !tx.remove_entry(EVENTS, 2)?);
            Ok::<_, VaultError>(())
        })
        .unwrap();
    drop(vault);
    let vault = open(&folder, &unlock("right")).unwrap();
    assert_eq!(vault.write(|tx| tx.append(EVENTS, b"next")).unwrap(), 3);
    let expected = [(0, b"old".to_vec()), (1, b"new".to_vec()), (3, b"next".to_vec())];
    assert_eq!(vault.read(|tx| events(tx, 0)).unwrap(), expected);
}

#[test]
fn work_that_fails_leaves_nothing() {
    #[derive(Debug)]
    enum Refusal {
        Mine,
        Vault,
    }
    impl From<VaultError> for Refusal {
        fn from(_: VaultError) -> Self {
            Self::Vault
        }
    }
    let folder = Folder::new("fails");
    let vault = folder.vault();
    vault.write(|tx| tx.put(PEOPLE, b"alice", b"1")).unwrap();
    let failed = vault.write(|tx| {
        tx.put(PEOPLE, b"alice", b"2")?;
        tx.append(EVENTS, b"lost")?;
        assert_eq!(people(tx)?, only(b"alice", b"2"));
        assert_eq!(events(tx, 0)?.len(), 1);
        Err::<(), _>(Refusal::Mine)
    });
    assert!(matches!(failed, Err(Refusal::Mine)));
    let failed = vault.write(|tx| {
        tx.append(EVENTS, b"lost")?;
        Ok::<_, Refusal>(tx.put(PEOPLE, b"bob", &vec![0; VALUE_LIMIT + 1])?)
    });
    assert!(matches!(failed, Err(Refusal::Vault)));
    let check = |vault: &Vault| {
        assert_eq!(vault.read(people).unwrap(), only(b"alice", b"1"));
        assert_eq!(vault.read(|tx| events(tx, 0)).unwrap(), []);
    };
    check(&vault);
    drop(vault);
    let vault = open(&folder, &unlock("right")).unwrap();
    check(&vault);
    assert_eq!(vault.write(|tx| tx.append(EVENTS, b"kept")).unwrap(), 0);
}

#[test]
fn work_that_panics_leaves_nothing_and_hinders_nobody() {
    let folder = Folder::new("panics");
    let vault = folder.vault();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        vault.write(|tx| -> Result<(), VaultError> {
            tx.put(PEOPLE, b"alice", b"1")?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    vault.write(|tx| tx.put(PEOPLE, b"bob", b"2")).unwrap();
    drop(vault);
    let vault = open(&folder, &unlock("right")).unwrap();
    assert_eq!(vault.read(people).unwrap(), only(b"bob", b"2"));
}

#[test]
fn a_reader_keeps_its_state() {
    let folder = Folder::new("reader");
    let vault = folder.vault();
    vault.write(|tx| tx.put(PEOPLE, b"alice", b"1")).unwrap();
    let read = vault.read(|tx| {
        vault.write(|tx| tx.put(PEOPLE, b"alice", b"2"))?;
        tx.get(PEOPLE, b"alice")
    });
    assert_eq!(read.unwrap().unwrap()[..], *b"1");
    assert_eq!(vault.read(|tx| tx.get(PEOPLE, b"alice")).unwrap().unwrap()[..], *b"2");
}

#[test]
fn long_keys_and_values_are_refused() {
    let folder = Folder::new("long");
    let vault = folder.vault();
    let put = |key: usize, value| vault.write(|tx| tx.put(PEOPLE, &vec![1; key], &vec![2; value]));
    put(KEY_LIMIT, 1 << 20).unwrap();
    assert!(matches!(put(KEY_LIMIT + 1, 1), Err(VaultError::TooLong { what: "key", .. })));
    assert!(matches!(put(1, VALUE_LIMIT + 1), Err(VaultError::TooLong { what: "value", .. })));
}

#[test]
fn what_does_not_open_says_why() {
    let folder = Folder::new("why");
    let path = folder.path("vault");
    assert!(matches!(open(&folder, &unlock("right")).err(), Some(VaultError::Missing(_))));
    let vault = folder.vault();
    let second = open(&folder, &unlock("right")).err().unwrap();
    assert!(matches!(second, VaultError::InUse(_)) && second.to_string().contains("the daemon"));
    drop(vault);
    assert!(matches!(open(&folder, &unlock("wrong")).err(), Some(VaultError::WrongKey(_))));
    let key = Unlock::make_key_file(&folder.path("key")).unwrap();
    assert!(matches!(open(&folder, &key).err(), Some(VaultError::PassphraseNeeded(_))));
    let again = Vault::create(&path, &unlock("right")).err();
    assert!(matches!(again, Some(VaultError::Exists(_))));
    open(&folder, &unlock("right")).unwrap();
    fs::write(folder.path("text"), vec![b'x'; 20_000]).unwrap();
    let text = Vault::open(&folder.path("text"), &unlock("right")).err();
    assert!(matches!(text, Some(VaultError::Damaged { .. })));
}

#[test]
fn the_passphrase_changes_and_the_records_stay() {
    let folder = Folder::new("change");
    let key = Unlock::make_key_file(&folder.path("key")).unwrap();
    let mut vault = folder.vault();
    vault.write(|tx| tx.put(PEOPLE, b"alice", b"1")).unwrap();
    vault.change_unlock(&unlock("next")).unwrap();
    vault.write(|tx| tx.put(PEOPLE, b"bob", b"2")).unwrap();
    drop(vault);
    assert!(matches!(open(&folder, &unlock("right")).err(), Some(VaultError::WrongKey(_))));
    let mut vault = open(&folder, &unlock("next")).unwrap();
    assert_eq!(vault.read(|tx| Ok::<_, VaultError>(tx.count(PEOPLE))).unwrap(), 2);
    vault.change_unlock(&key).unwrap();
    drop(vault);
    assert!(matches!(open(&folder, &unlock("next")).err(), Some(VaultError::KeyFileNeeded(_))));
    let other = Unlock::make_key_file(&folder.path("other")).unwrap();
    assert!(matches!(open(&folder, &other).err(), Some(VaultError::WrongKey(_))));
    let read = Unlock::key_file(&folder.path("key")).unwrap();
    let vault = open(&folder, &read).unwrap();
    assert_eq!(vault.read(people).unwrap().len(), 2);
}

#[test]
fn a_passphrase_at_the_default_cost_opens() {
    let folder = Folder::new("cost");
    let secret = || Unlock::passphrase(Zeroizing::new("correct horse".into()));
    drop(Vault::create(&folder.path("vault"), &secret()).unwrap());
    assert!(matches!(open(&folder, &unlock("wrong")).err(), Some(VaultError::WrongKey(_))));
    open(&folder, &secret()).unwrap();
}

#[test]
fn a_backup_opens_as_it_was_made() {
    let folder = Folder::new("backup");
    let vault = folder.vault();
    vault
        .write(|tx| {
            tx.put(PEOPLE, b"alice", b"1")?;
            tx.append(EVENTS, b"x")
        })
        .unwrap();
    let backup = folder.path("backup");
    vault.back_up(&backup).unwrap();
    vault.write(|tx| tx.put(PEOPLE, b"bob", b"2")).unwrap();
    assert!(matches!(vault.back_up(&backup), Err(VaultError::Exists(path)) if path == backup));
    let original = folder.path("vault");
    assert!(matches!(vault.back_up(&original), Err(VaultError::Exists(path)) if path == original));

    let copy = Vault::open(&backup, &unlock("right")).unwrap();
    assert_eq!(copy.read(people).unwrap(), only(b"alice", b"1"));
    assert_eq!(copy.write(|tx| tx.append(EVENTS, b"y")).unwrap(), 1);
    let mut names: Vec<_> =
        fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["backup", "vault"]);
}

#[test]
fn a_wiped_vault_is_overwritten_and_gone() {
    let folder = Folder::new("wipe");
    let (path, seen) = (folder.path("vault"), folder.path("seen"));
    let vault = folder.vault();
    vault.write(|tx| tx.put(PEOPLE, b"alice", &[1; 10_000])).unwrap();
    assert!(matches!(Vault::wipe(&path), Err(VaultError::InUse(_))));
    drop(vault);
    fs::hard_link(&path, &seen).unwrap();
    Vault::wipe(&path).unwrap();
    assert!(!path.exists());
    assert!(fs::read(&seen).unwrap().iter().all(|&byte| byte == 0));
    Vault::wipe(&seen).unwrap();
    assert!(matches!(Vault::wipe(&seen), Err(VaultError::Missing(_))));

    let other = folder.path("other");
    fs::write(&other, vec![b'x'; 20_000]).unwrap();
    assert!(matches!(Vault::wipe(&other), Err(VaultError::Damaged { .. })));
    assert_eq!(fs::read(&other).unwrap(), vec![b'x'; 20_000]);
}

#[test]
fn nothing_is_in_clear() {
    let folder = Folder::new("clear");
    let vault = folder.vault();
    let secrets: [&[u8]; 4] =
        [b"key-of-a-person", b"value-of-a-person", b"people", b"value-of-an-event"];
    vault
        .write(|tx| {
            tx.put(PEOPLE, secrets[0], secrets[1])?;
            tx.append(EVENTS, secrets[3])
        })
        .unwrap();
    vault.back_up(&folder.path("backup")).unwrap();
    drop(vault);
    for name in ["vault", "backup"] {
        let bytes = fs::read(folder.path(name)).unwrap();
        assert!(bytes.starts_with(b"rohrpost vault"));
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!found, "{} in {name}", String::from_utf8_lossy(secret));
        }
    }
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("owner");
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let vault = folder.vault();
    vault.back_up(&folder.path("backup")).unwrap();
    Unlock::make_key_file(&folder.path("key")).unwrap();
    for name in ["vault", "backup", "key"] {
        assert_eq!(mode(folder.path(name)), 0o600, "{name}");
    }

    for open in [0o644, 0o604, 0o620] {
        set_mode(&folder.path("key"), open);
        let refused = Unlock::key_file(&folder.path("key")).err().unwrap().to_string();
        assert!(refused.contains("chmod 600 "), "{refused}");
    }
    set_mode(&folder.0, 0o750);
    let refused = Vault::create(&folder.path("other"), &unlock("right")).err().unwrap().to_string();
    assert!(refused.contains("chmod 700 "), "{refused}");
    assert!(!folder.path("other").exists());
}

/// A copy of a vault that was not closed stands for a backup that a person made with other tools:
/// to open it takes a repair.
#[test]
fn a_backup_is_only_read() {
    let folder = Folder::new("read-only");
    let vault = folder.vault();
    vault.write(|tx| tx.put(PEOPLE, b"alice", b"1")).unwrap();
    vault.back_up(&folder.path("backup")).unwrap();
    fs::copy(folder.path("vault"), folder.path("copied")).unwrap();
    drop(vault);
    for name in ["backup", "copied"] {
        let backup = folder.path(name);
        let before = fs::read(&backup).unwrap();
        set_mode(&backup, 0o400);
        let to = folder.path(&format!("{name}-restored"));
        let restored = Vault::restore(&backup, &to, &unlock("right"), |_| Ok::<_, VaultError>(()));
        drop(restored.unwrap());
        assert!(fs::read(&backup).unwrap() == before, "{name} was changed");
        assert!(!folder.path(&format!("{name}.seals")).exists(), "{name} has something beside it");
        let restored = Vault::open(&to, &unlock("right")).unwrap();
        assert!(restored.read(people).unwrap() == only(b"alice", b"1"), "{name}");
    }
}
