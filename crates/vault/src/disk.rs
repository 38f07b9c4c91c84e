//! The bytes under a vault: those of its file; or, for a file that is only to be read, those of the
//! file with what the vault writes beside it, in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

/// The storage of an open vault, which counts what is done to it.
#[derive(Debug)]
pub(crate) struct Disk {
    storage: Storage,
    /// The disk of the machine, if that is simulated.
    simulated: Option<SimulatedDisk>,
    bytes: AtomicU64,
    flushes: AtomicU64,
}

/// The disk of a simulated machine, which a simulation can fill. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<AtomicBool>);

impl SimulatedDisk {
    /// Makes the disk full, or gives it room again. Nothing at all can be written to one that is full,
    /// as where a system writes each change to a new place.
    pub fn set_full(&self, full: bool) {
        self.0.store(full, Ordering::Relaxed);
    }

    fn room(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

/// What was written since a vault was opened: the cost of its transactions, whatever the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// Bytes that were given to the system. Of those that it got for one place between two flushes,
    /// the last alone may reach the disk.
    pub bytes: u64,
    /// Flushes of the file to the disk.
    pub flushes: u64,
}

#[derive(Debug)]
enum Storage {
    /// Changes go to the file.
    File(FileBackend),
    /// Changes stay in memory: a backup is opened like any vault, and stays as it is. They are few:
    /// an opening ends what a crash has left, and the backup's records go elsewhere.
    Kept(Kept),
}

/// A file that is not written, and what was written over it.
#[derive(Debug)]
pub(crate) struct Kept {
    file: FileBackend,
    over: Mutex<Over>,
}

/// Pages that were written, by their number.
#[derive(Debug)]
struct Over {
    len: u64,
    /// Bytes of the file that count; `file_len <= len` after the file was made shorter.
    file_len: u64,
    pages: BTreeMap<u64, Page>,
}

type Page = Box<[u8; PAGE]>;

impl Disk {
    pub(crate) const fn file(file: FileBackend) -> Self {
        Self::of(Storage::File(file))
    }

    pub(crate) fn kept(file: FileBackend) -> io::Result<Self> {
        let len = file.len()?;
        let over = Mutex::new(Over { len, file_len: len, pages: BTreeMap::new() });
        Ok(Self::of(Storage::Kept(Kept { file, over })))
    }

    const fn of(storage: Storage) -> Self {
        let (bytes, flushes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { storage, simulated: None, bytes, flushes }
    }

    /// Goes by the disk of a simulated machine from now on.
    pub(crate) fn simulate(&mut self, disk: Option<SimulatedDisk>) {
        self.simulated = disk;
    }

    pub(crate) const fn simulated(&self) -> Option<&SimulatedDisk> {
        self.simulated.as_ref()
    }

    /// Tells whether the disk has room; if not, the error that a write fails with.
    pub(crate) fn room(&self) -> io::Result<()> {
        self.simulated.as_ref().map_or(Ok(()), SimulatedDisk::room)
    }

    pub(crate) fn written(&self) -> Written {
        Written {
            bytes: self.bytes.load(Ordering::Relaxed),
            flushes: self.flushes.load(Ordering::Relaxed),
        }
    }

    /// True if changes stay in memory.
    pub(crate) const fn is_kept(&self) -> bool {
        matches!(self.storage, Storage::Kept(_))
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        match &self.storage {
            Storage::File(file) => file.len(),
            Storage::Kept(kept) => Ok(kept.with(|over| over.len)),
        }
    }

    pub(crate) fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        match &self.storage {
            Storage::File(file) => file.read(at, out),
            Storage::Kept(kept) => kept.with(|over| over.read(&kept.file, at, out)),
        }
    }

    pub(crate) fn write(&self, at: u64, data: &[u8]) -> io::Result<()> {
        self.room()?;
        self.bytes.fetch_add(bytes(data.len()), Ordering::Relaxed);
        match &self.storage {
            Storage::File(file) => file.write(at, data),
            Storage::Kept(kept) => kept.with(|over| over.write(&kept.file, at, data)),
        }
    }

    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        self.room()?;
        match &self.storage {
            Storage::File(file) => file.set_len(len),
            Storage::Kept(kept) => kept.with(|over| over.set_len(&kept.file, len)),
        }
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        match &self.storage {
            Storage::File(file) => file.sync_data(),
            Storage::Kept(_) => Ok(()),
        }
    }
}

impl Kept {
    fn with<T>(&self, work: impl FnOnce(&mut Over) -> T) -> T {
        work(&mut self.over.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Over {
    fn read(&self, file: &FileBackend, at: u64, out: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(bytes(out.len()));
        if !out.is_empty() && end.is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (page, within, part) in parts(at, out.len()) {
            let page = self.page(file, page)?;
            out[part.clone()].copy_from_slice(&page[within..within + part.len()]);
        }
        Ok(())
    }

    fn write(&mut self, file: &FileBackend, at: u64, data: &[u8]) -> io::Result<()> {
        let end = at.checked_add(bytes(data.len())).ok_or(io::ErrorKind::InvalidInput)?;
        if !data.is_empty() {
            self.len = self.len.max(end);
        }
        for (number, within, part) in parts(at, data.len()) {
            let mut page = self.page(file, number)?;
            page[within..within + part.len()].copy_from_slice(&data[part]);
            self.pages.insert(number, page);
        }
        Ok(())
    }

    /// Sets the length; what is beyond is zeros if it grows again.
    fn set_len(&mut self, file: &FileBackend, len: u64) -> io::Result<()> {
        if len < self.len {
            let cut = usize::try_from(len % SIZE).unwrap_or(0);
            let mut last = self.page(file, len / SIZE)?;
            last[cut..].fill(0);
            self.pages.retain(|number, _| *number < len / SIZE);
            self.pages.insert(len / SIZE, last);
            self.file_len = self.file_len.min(len);
        }
        self.len = len;
        Ok(())
    }

    /// A page as it is now.
    fn page(&self, file: &FileBackend, number: u64) -> io::Result<Page> {
        if let Some(page) = self.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = Box::new([0; PAGE]);
        let there = self.file_len.saturating_sub(number.saturating_mul(SIZE)).min(SIZE);
        let there = usize::try_from(there).unwrap_or(PAGE);
        if there > 0 {
            file.read(number * SIZE, &mut page[..there])?;
        }
        Ok(page)
    }
}

/// The pages that a range of bytes lies in: for each its number, the begin within it, and the part
/// of the range.
fn parts(at: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let from = at + bytes(done);
        let within = usize::try_from(from % SIZE).unwrap_or(0);
        let end = len.min(done + PAGE - within);
        let part = done..end;
        done = end;
        (!part.is_empty()).then_some((from / SIZE, within, part))
    })
}

fn bytes(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

const PAGE: usize = 4096;
const SIZE: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;

    use chacha20::ChaCha20Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// The same writes, reads and lengths over a file that is written and over one that is kept.
    #[test]
    fn a_kept_file_reads_as_one_that_was_written() {
        let folder = tempfile::tempdir().unwrap();
        (0..200).for_each(|seed| compare(folder.path(), seed));
    }

    /// An empty write beyond the end leaves a file as long as it was.
    #[test]
    fn nothing_written_beyond_the_end_adds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, file, _) = both(folder.path());
        kept.write(30_000, &[]).unwrap();
        file.write(30_000, &[]).unwrap();
        assert_eq!(kept.len().unwrap(), 20_000);
        assert_eq!(file.len().unwrap(), 20_000);
    }

    fn compare(folder: &Path, seed: u64) {
        let (kept, file, begin) = both(folder);
        let rng = &mut ChaCha20Rng::seed_from_u64(seed);
        for _ in 0..100 {
            let (at, len) = (rng.random_range(0..40_000), rng.random_range(0..10_000));
            let len = if rng.random_range(0..10) == 0 { 0 } else { len };
            if rng.random_range(0..10) == 0 {
                kept.set_len(at).unwrap();
                file.set_len(at).unwrap();
            } else if rng.random() {
                let data = vec![rng.random(); len];
                kept.write(at, &data).unwrap();
                file.write(at, &data).unwrap();
            }
            assert_eq!(kept.len().unwrap(), file.len().unwrap(), "seed {seed}");
            let (mut one, mut other) = (vec![1; len], vec![2; len]);
            let read = (kept.read(at, &mut one).is_ok(), file.read(at, &mut other).is_ok());
            assert_eq!(read.0, read.1, "seed {seed}");
            assert!(!read.0 || one == other, "seed {seed}");
        }
        drop(kept);
        assert!(fs::read(folder.join("kept")).unwrap() == begin, "seed {seed}");
    }

    /// A kept file, one that is written, and what both hold.
    fn both(folder: &Path) -> (Disk, Disk, Vec<u8>) {
        let (kept, written) = (folder.join("kept"), folder.join("written"));
        let begin: Vec<u8> = (0..20_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        fs::write(&kept, &begin).unwrap();
        fs::write(&written, &begin).unwrap();
        let kept = Disk::kept(FileBackend::new(File::open(kept).unwrap()).unwrap()).unwrap();
        let written = File::options().read(true).write(true).open(written).unwrap();
        (kept, Disk::file(FileBackend::new(written).unwrap()), begin)
    }
}
