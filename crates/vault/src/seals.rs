//! Seals of the pages: each page that redb reads is authenticated as it is read. Implements
//! docs/store.md, "Seals".
//!
//! redb trusts the pages of a file that was closed in order: a damaged one makes it panic, or lose
//! its way to a record that is there. To read the whole file at each opening prevents that, and
//! takes seconds once a store has grown. So a MAC of each page lies in a file beside the vault,
//! written when the vault is closed and bound to redb's header of that moment, which every session
//! changes. Seals that are missing, torn or of another moment are not believed: the whole vault is
//! then checked as it is opened, and has new ones. The file holds nothing that is needed.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rohrpost_secret_file as secret_file;

use crate::keys::Key;

/// Seals of the pages of an open vault, by number.
pub(crate) struct Seals {
    key: Key,
    path: PathBuf,
    table: Mutex<Table>,
    /// True once the vault is known to be whole: only then are the seals worth keeping.
    kept: AtomicBool,
}

#[derive(Default)]
struct Table {
    seals: Vec<Seal>,
    /// Parts of the file of seals that are not as they are here; all of them for a new file.
    changed: BTreeSet<usize>,
    /// True if there is a file of these seals on which to build.
    there: bool,
}

/// First bytes of a page's MAC; zeros for a page of which nothing is known, as nobody has written
/// or read it.
type Seal = [u8; SEAL_LEN];

impl Seals {
    /// Seals of a vault of which nothing is known yet.
    pub(crate) fn unknown(key: Key, vault: &Path) -> Self {
        let (path, table) = (beside(vault), Mutex::default());
        Self { key, path, table, kept: AtomicBool::new(false) }
    }

    /// The seals that were kept when the vault was closed; none if they are not of its pages as they
    /// are now. `header` is redb's, and `len` the length of redb's file.
    pub(crate) fn load(key: Key, vault: &Path, header: &[u8; PAGE], len: u64) -> Option<Self> {
        let path = beside(vault);
        let mut bytes = Vec::new();
        // A file that is longer than the pages need is none of ours.
        let most = len.div_ceil(PAGE_LEN).checked_mul(SEAL_BYTES)?.checked_add(HEAD_BYTES + 1)?;
        File::open(&path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
        let (head, seals) = bytes.split_first_chunk::<HEAD>()?;
        let (seals, rest) = seals.as_chunks::<SEAL_LEN>();
        let root = root(&key, header, len, seals);
        let ours = rest.is_empty() && head.starts_with(MAGIC) && root == head[MAGIC.len()..];
        let table = Table { seals: seals.to_vec(), changed: BTreeSet::new(), there: true };
        let (table, kept) = (Mutex::new(table), AtomicBool::new(false));
        ours.then_some(Self { key, path, table, kept })
    }

    /// Has the seals kept when the vault is closed, for all that was read so far was right.
    pub(crate) fn keep(&self) {
        self.kept.store(true, Ordering::Release);
    }

    /// Holds what was read against its seals. A page of which nothing is known is believed: it was
    /// just checked by redb, or is in nobody's tree.
    pub(crate) fn check(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let found = self.seal(offset, data);
        let mut table = self.lock();
        for (number, seal) in found {
            match table.seals.get(number) {
                Some(known) if *known == seal => {}
                Some(&UNKNOWN) | None => table.set(number, seal),
                Some(_) => {
                    self.kept.store(false, Ordering::Release);
                    let why = "a page is not as it was written";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
        }
        Ok(())
    }

    /// Seals what was written.
    pub(crate) fn note(&self, offset: u64, data: &[u8]) {
        let found = self.seal(offset, data);
        let mut table = self.lock();
        found.into_iter().for_each(|(number, seal)| table.set(number, seal));
    }

    /// Forgets what was known of a range that may have been written in part.
    pub(crate) fn forget(&self, offset: u64, len: usize) {
        let mut table = self.lock();
        let end = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        for number in number(offset)..number(end.saturating_add(PAGE_LEN - 1)) {
            if number < table.seals.len() {
                table.set(number, UNKNOWN);
            }
        }
    }

    /// Forgets the pages beyond a new length.
    pub(crate) fn cut(&self, len: u64) {
        self.lock().seals.truncate(number(len.saturating_add(PAGE_LEN - 1)));
    }

    /// Writes the seals of a vault that is closed. What cannot be written costs the next opening a
    /// check of the whole, and nothing else.
    pub(crate) fn save(&self, header: &[u8; PAGE], len: u64) -> io::Result<()> {
        if !self.kept.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut table = self.lock();
        let mut file = if table.there {
            OpenOptions::new().write(true).open(&self.path)?
        } else {
            remove(&self.path)?;
            let parts = table.seals.len().div_ceil(PART);
            table.changed.extend(0..parts);
            secret_file::create(&self.path)?
        };
        for part in std::mem::take(&mut table.changed) {
            let Some(seals) = table.seals.chunks(PART).nth(part) else { continue };
            let at = HEAD + part * PART * SEAL_LEN;
            file.seek(SeekFrom::Start(u64::try_from(at).unwrap_or(u64::MAX)))?;
            file.write_all(seals.as_flattened())?;
        }
        let bytes = HEAD + table.seals.len() * SEAL_LEN;
        file.set_len(u64::try_from(bytes).unwrap_or(u64::MAX))?;
        file.seek(SeekFrom::Start(0))?;
        let root = root(&self.key, header, len, &table.seals);
        file.write_all(&[&MAGIC[..], &root].concat())?;
        table.there = true;
        Ok(())
    }

    /// Numbers and seals of the pages that lie whole in a range, but for the first, redb's header:
    /// it is written in place and has checksums of its own, and the ledger tells of which commit it
    /// is.
    fn seal(&self, offset: u64, data: &[u8]) -> Vec<(usize, Seal)> {
        let skipped = offset.next_multiple_of(PAGE_LEN) - offset;
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(data.len());
        let first = number(offset.saturating_add(PAGE_LEN - 1));
        let pages = data[skipped..].as_chunks::<PAGE>().0.iter().zip(first..);
        let sealed = pages.filter(|(_, number)| *number > 0).map(|(page, number)| {
            let place = u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes();
            let mac = self.key.hash(&[&place, page]);
            (number, *mac.as_bytes().first_chunk().expect("a MAC has 32 bytes"))
        });
        sealed.collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn set(&mut self, number: usize, seal: Seal) {
        if self.seals.len() <= number {
            self.changed.extend(self.seals.len() / PART..=number / PART);
            self.seals.resize(number + 1, UNKNOWN);
        }
        if self.seals[number] != seal {
            self.seals[number] = seal;
            self.changed.insert(number / PART);
        }
    }
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key: _, path, table: _, kept } = self;
        f.debug_struct("Seals").field("path", path).field("kept", kept).finish_non_exhaustive()
    }
}

/// Removes the seals of a vault that is destroyed.
pub(crate) fn remove_beside(vault: &Path) -> io::Result<()> {
    remove(&beside(vault))
}

/// `keyed_hash(key, redb's header ‖ length of redb's file u64 ‖ seals)`.
fn root(key: &Key, header: &[u8; PAGE], len: u64, seals: &[Seal]) -> [u8; 32] {
    *key.hash(&[header, &len.to_be_bytes(), seals.as_flattened()]).as_bytes()
}

fn beside(vault: &Path) -> PathBuf {
    let mut name = vault.as_os_str().to_owned();
    name.push(".seals");
    PathBuf::from(name)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn number(offset: u64) -> usize {
    usize::try_from(offset / PAGE_LEN).unwrap_or(usize::MAX)
}

const MAGIC: &[u8; 16] = b"rohrpost seals\r\n";
/// Bytes of a page of redb, and of its header.
pub(crate) const PAGE: usize = 4096;
const PAGE_LEN: u64 = 4096;
/// Bytes of a seal: nobody who has the file alone can try whether a forged page fits. A vault of
/// 1 GiB has 4 MiB of seals, in memory while it is open.
const SEAL_LEN: usize = 16;
const SEAL_BYTES: u64 = 16;
const UNKNOWN: Seal = [0; SEAL_LEN];
/// Bytes before the seals: magic, root.
const HEAD: usize = 16 + 32;
const HEAD_BYTES: u64 = 48;
/// Seals that are written together when one of them has changed.
const PART: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: u64 = 100 * PAGE_LEN;
    const HEADER: [u8; PAGE] = [7; PAGE];

    fn key() -> Key {
        let mut key = Key::zero();
        key.expose_mut()[0] = 1;
        key
    }

    fn page(byte: u8) -> [u8; PAGE] {
        [byte; PAGE]
    }

    #[test]
    fn a_page_is_known_again_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let vault = folder.path().join("vault");
        let seals = Seals::unknown(key(), &vault);
        seals.note(PAGE_LEN, &[page(1), page(2)].concat());
        seals.keep();
        seals.save(&HEADER, LEN).unwrap();
        let load = |header: &[u8; PAGE], len| Seals::load(key(), &vault, header, len);
        let again = load(&HEADER, LEN).unwrap();
        assert!(again.check(2 * PAGE_LEN, &page(2)).is_ok());
        assert!(again.check(PAGE_LEN, &page(2)).is_err(), "in another place");
        assert!(load(&page(8), LEN).is_none() && load(&HEADER, LEN + 1).is_none());
        assert!(Seals::load(Key::zero(), &vault, &HEADER, LEN).is_none());
    }

    /// Whatever changes, the file says the same as memory; a byte of it that changes is noticed.
    #[test]
    fn changed_parts_are_written_and_torn_ones_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let vault = folder.path().join("vault");
        let mut seals = Seals::unknown(key(), &vault);
        for round in 1..20_u8 {
            let first = u64::from(round) * 97 % 1500 + 1;
            seals.note(first * PAGE_LEN, &[page(round), page(round + 1)].concat());
            if round.is_multiple_of(5) {
                seals.cut(u64::from(round) * 100 * PAGE_LEN);
            }
            seals.keep();
            seals.save(&HEADER, 2000 * PAGE_LEN).unwrap();
            let again = Seals::load(key(), &vault, &HEADER, 2000 * PAGE_LEN).unwrap();
            assert!(again.lock().seals == seals.lock().seals, "round {round}");
            seals = again;
        }
        let whole = fs::read(beside(&vault)).unwrap();
        for at in (0..whole.len()).step_by(61) {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            fs::write(beside(&vault), &torn).unwrap();
            assert!(Seals::load(key(), &vault, &HEADER, 2000 * PAGE_LEN).is_none(), "byte {at}");
        }
    }

    #[test]
    fn seals_of_a_vault_that_is_not_whole_are_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let vault = folder.path().join("vault");
        let seals = Seals::unknown(key(), &vault);
        seals.note(PAGE_LEN, &page(1));
        seals.save(&HEADER, LEN).unwrap();
        assert!(!beside(&vault).exists(), "nothing was checked");
        seals.keep();
        assert!(seals.check(PAGE_LEN, &page(2)).is_err());
        seals.save(&HEADER, LEN).unwrap();
        assert!(!beside(&vault).exists(), "a page is damaged");
    }
}
