//! A process that dies while it writes: what it was told is committed is there.
//!
//! The test runs itself as a child that writes and acknowledges, and kills it at a hundred points.
//! That shows what the death of a process does; that a commit also survives the loss of power rests
//! on its flush, which no test on a live system can take back.

use std::hint;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use chacha20::ChaCha8Rng;
use chacha20::rand_core::SeedableRng;
use rand::RngExt;
use rohrpost_vault::{KeyedTable, OrderedTable, Vault, VaultError};

use super::{Folder, body, unlock};

const LOG: OrderedTable = OrderedTable::new("log");
const STATE: KeyedTable = KeyedTable::new("state");
/// Every other transaction replaces its record, which is an erasure.
const SECRET: KeyedTable = KeyedTable::erasable("secret");
/// Every fourth transaction fills this table, which is emptied then, and the vault compacted.
const BULK: KeyedTable = KeyedTable::new("bulk");
const VAULT: &str = "ROHRPOST_TEST_VAULT";
const ACKNOWLEDGED: &str = "acknowledged ";

#[test]
fn acknowledged_records_survive_death() {
    if let Some(path) = std::env::var_os(VAULT) {
        write_until_killed(Path::new(&path));
    }
    let folder = Folder::new("death");
    drop(folder.vault());
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    let mut there = 0;
    for round in 0..100 {
        let acknowledged = run_and_kill(&folder.path("vault"), rng.random_range(0..12), rng);
        let known = acknowledged.unwrap_or(there).max(there);
        there = check(&folder.path("vault"), round);
        assert!(there >= known, "round {round}: {known} were acknowledged, {there} are there");
        assert!(there <= known + 1, "round {round}: {known} were acknowledged, {there} are there");
    }
    assert!(there > 300, "{there} records are too few to have met every part of a commit");
}

/// Says how many records it was told of.
fn run_and_kill(vault: &Path, after: u32, rng: &mut ChaCha8Rng) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "power_cut::acknowledged_records_survive_death", "--nocapture"])
        .env(VAULT, vault)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut last = None;
    // The first line comes before the vault is opened.
    for _ in 0..=after {
        last = next_line(&mut lines).expect("the child writes until it is killed");
    }
    for _ in 0..rng.random_range(0..100_000) {
        hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    while let Some(more) = next_line(&mut lines) {
        last = more;
    }
    last
}

/// The count in the next acknowledgement, or none in it for the first line; other lines are the
/// test harness's.
fn next_line(lines: &mut impl BufRead) -> Option<Option<u64>> {
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        if !line.ends_with('\n') {
            return None;
        }
        if let Some((_, count)) = line.trim_end().split_once(ACKNOWLEDGED) {
            return Some(count.parse().ok());
        }
    }
}

/// Opens the vault and reads everything; says how many records there are.
fn check(path: &Path, round: u32) -> u64 {
    let vault = Vault::open(path, &unlock("right")).unwrap();
    let checked = vault.read(|tx| {
        let count = tx.count(LOG);
        let mut next = 0;
        for entry in tx.entries(LOG, 0)? {
            let (number, value) = entry?;
            assert_eq!(number, next, "round {round}");
            assert!(value[..] == body(number), "round {round}: record {number} is torn");
            next += 1;
        }
        assert_eq!(next, count, "round {round}");
        let state = tx.get(STATE, b"count")?;
        let state = state.map_or(0, |state| u64::from_be_bytes(state[..].try_into().unwrap()));
        assert_eq!(state, count, "round {round}: a transaction is torn");
        let secret = tx.get(SECRET, b"even")?;
        let even = count - count % 2;
        let expected = (even > 0).then(|| body(even));
        assert!(
            secret.map(|secret| secret.to_vec()) == expected,
            "round {round}: an erasure is torn"
        );
        Ok::<_, VaultError>(count)
    });
    checked.unwrap()
}

fn write_until_killed(path: &Path) -> ! {
    let mut out = io::stdout();
    let mut say = |what: &str| writeln!(out, "{ACKNOWLEDGED}{what}").unwrap();
    say("nothing");
    let mut vault = Vault::open(path, &unlock("right")).unwrap();
    loop {
        let count = vault.write(|tx| {
            let count = tx.append(LOG, &body(tx.count(LOG)))? + 1;
            tx.put(STATE, b"count", &count.to_be_bytes())?;
            if count.is_multiple_of(2) {
                tx.put(SECRET, b"even", &body(count))?;
            }
            Ok::<_, VaultError>(count)
        });
        let count = count.unwrap();
        say(&count.to_string());
        if count.is_multiple_of(4) {
            shrink(&mut vault);
        }
    }
}

/// Has the vault grow and shrink.
fn shrink(vault: &mut Vault) {
    let bulk = vec![7; 1 << 20];
    let filled = vault.write(|tx| (0..6_u8).try_for_each(|key| tx.put(BULK, &[key], &bulk)));
    filled.unwrap();
    let emptied =
        vault.write(|tx| (0..6_u8).try_for_each(|key| tx.remove(BULK, &[key]).map(|_| ())));
    emptied.unwrap();
    vault.compact(u64::MAX).unwrap();
}
