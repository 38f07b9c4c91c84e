//! A vault's file: locked against other processes, its head, and the database behind it.
//! Implements docs/store.md, "The file".
//!
//! Two pages of head, then redb's file as redb lays it out, shifted by [`HEAD_LEN`]. Each page
//! holds a copy of the header and an *anchor*: the number of a commit with its MAC, in turns. redb
//! falls back to the commit before the newest when the newest does not verify, which is right after
//! a power cut and wrong after a flipped byte; the anchor tells the two apart. It is written once
//! the commit is on the disk, so it never names one that is not. Behind it lies a copy of the
//! erasure key (see `erasure`), which has to be outside redb: there nothing is ever overwritten in
//! place.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::StorageBackend;
use redb::backends::FileBackend;
use rohrpost_secret_file as secret_file;

use crate::disk::{Disk, SimulatedDisk, Written};
use crate::error::VaultError;
use crate::header::{HEADER_LEN, Header, MAGIC, Unreadable};
use crate::keys::{ErasureKey, Key, Keys, PLACE_LEN};
use crate::private::{directory, refuse_existing, sync_directory};
use crate::seals::{self, PAGE, Seals};

/// An open and locked file. The lock goes with the handle, however the process ends.
#[derive(Debug)]
pub(crate) struct VaultFile {
    path: PathBuf,
    disk: Disk,
    /// Another handle to the same open file, to unlock it when this is dropped: the lock would
    /// outlive a close while a process that is just being started still shares the file.
    locked: File,
}

impl VaultFile {
    /// Opens and locks a vault's file.
    pub(crate) fn open(path: &Path) -> Result<Self, VaultError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Self::lock(file.map_err(VaultError::io(path))?, path)
    }

    /// Opens a vault's file that stays as it is, whatever is done with the vault; it may lie where
    /// nothing can be written.
    pub(crate) fn open_kept(path: &Path) -> Result<Self, VaultError> {
        let file = File::open(path).map_err(VaultError::io(path))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
            return Err(VaultError::InUse(path.to_owned()));
        }
        // Where nothing can be locked, no vault is open either.
        let locked = file.try_clone().map_err(VaultError::io(path))?;
        let file = FileBackend::new(file).map_err(VaultError::store(path))?;
        let disk = Disk::kept(file).map_err(VaultError::io(path))?;
        Ok(Self { path: path.to_owned(), disk, locked })
    }

    fn lock(file: File, path: &Path) -> Result<Self, VaultError> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(VaultError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(VaultError::io(path)(source)),
        }
        let locked = file.try_clone().map_err(VaultError::io(path))?;
        let disk = Disk::file(FileBackend::new(file).map_err(VaultError::store(path))?);
        Ok(Self { path: path.to_owned(), disk, locked })
    }

    /// The same file, on the disk of a simulated machine.
    pub(crate) fn on(mut self, disk: Option<SimulatedDisk>) -> Self {
        self.disk.simulate(disk);
        self
    }

    pub(crate) const fn simulated(&self) -> Option<&SimulatedDisk> {
        self.disk.simulated()
    }

    /// The path under which messages name the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The header that counts, with true if both copies are the same.
    pub(crate) fn header(&self) -> Result<(Header, bool), VaultError> {
        let copy = |page: u64| Ok::<_, VaultError>(Header::decode(&self.read(page * PAGE_LEN)?));
        let chosen = Header::choose(copy(0)?, copy(1)?);
        chosen.map_err(|error| match error {
            Unreadable::Newer(version) => VaultError::Newer { path: self.path.clone(), version },
            Unreadable::Damaged => {
                VaultError::damaged(&self.path, "neither copy of its header can be read")
            }
        })
    }

    /// Writes both copies, the second when the first is on the disk: one is whole at any time.
    pub(crate) fn write_header(&self, header: &Header) -> Result<(), VaultError> {
        for page in 0..PAGES {
            self.write(page * PAGE_LEN, &header.encode())?;
            self.sync()?;
        }
        Ok(())
    }

    /// The number of the newest commit that is known to be on the disk.
    pub(crate) fn anchor(&self, key: &Key) -> Result<u64, VaultError> {
        let mut newest = None;
        for page in 0..PAGES {
            let bytes: [u8; ANCHOR_LEN] = self.read(page * PAGE_LEN + ANCHOR)?;
            let (number, mac) = bytes.split_at(8);
            if key.hash(&[number]) == *mac {
                let number = number.try_into().expect("cut to eight bytes");
                newest = newest.max(Some(u64::from_be_bytes(number)));
            }
        }
        newest.ok_or_else(|| VaultError::damaged(&self.path, "neither of its anchors can be read"))
    }

    /// Notes that this commit is on the disk. Not flushed: the next commit flushes it, and a
    /// crash of the process alone loses nothing that was written.
    pub(crate) fn write_anchor(&self, key: &Key, commit: u64) -> Result<(), VaultError> {
        let number = commit.to_be_bytes();
        let anchor = [&number[..], key.hash(&[&number]).as_bytes()].concat();
        self.write((commit % PAGES) * PAGE_LEN + ANCHOR, &anchor)
    }

    /// The erasure keys in the two places; none where a place cannot be read.
    pub(crate) fn erasure_keys(&self, keys: &Keys) -> Result<[Option<ErasureKey>; 2], VaultError> {
        let place = |page: u64| {
            let bytes: [u8; PLACE_LEN] = self.read(page * PAGE_LEN + PLACE)?;
            Ok::<_, VaultError>(ErasureKey::unwrap(&bytes, keys))
        };
        Ok([place(0)?, place(1)?])
    }

    /// Puts an erasure key where the one before it may be overwritten, while the other place still
    /// holds that one; on the disk when this returns.
    pub(crate) fn announce(&self, erasure: &ErasureKey, keys: &Keys) -> Result<(), VaultError> {
        self.write_slot(erasure.number % PAGES, erasure, keys)
    }

    /// Overwrites what is left of the erasure key before this one; on the disk when this returns.
    pub(crate) fn settle(&self, erasure: &ErasureKey, keys: &Keys) -> Result<(), VaultError> {
        self.write_slot((erasure.number + 1) % PAGES, erasure, keys)
    }

    fn write_slot(&self, page: u64, erasure: &ErasureKey, keys: &Keys) -> Result<(), VaultError> {
        self.write(page * PAGE_LEN + PLACE, &erasure.wrap(keys))?;
        self.sync()
    }

    /// True if what is written goes to the file.
    pub(crate) const fn is_written(&self) -> bool {
        !self.disk.is_kept()
    }

    pub(crate) fn written(&self) -> Written {
        self.disk.written()
    }

    /// redb's header, and the length of redb's file.
    pub(crate) fn begin(&self) -> io::Result<([u8; PAGE], u64)> {
        let len = self.disk.len()?.saturating_sub(HEAD_LEN);
        let mut header = [0; PAGE];
        self.disk.read(HEAD_LEN, &mut header)?;
        Ok((header, len))
    }

    /// All bytes of the file, as whoever seizes it has them.
    pub(crate) fn image(&self) -> Result<Vec<u8>, VaultError> {
        let len = self.disk.len().map_err(VaultError::io(&self.path))?;
        let mut image = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.disk.read(0, &mut image).map_err(VaultError::io(&self.path))?;
        Ok(image)
    }

    pub(crate) fn sync(&self) -> Result<(), VaultError> {
        self.disk.sync_data().map_err(VaultError::io(&self.path))
    }

    /// Overwrites the head, without which nothing opens the rest, then the rest, and removes the
    /// file. Refuses what is not a vault; a head of zeros is a vault whose wiping was interrupted.
    pub(crate) fn wipe(self) -> Result<(), VaultError> {
        let head: [u8; HEAD_BYTES] = self.read(0)?;
        let page = HEAD_BYTES / 2;
        if !head.starts_with(MAGIC) && !head[page..].starts_with(MAGIC) && head != [0; HEAD_BYTES] {
            return Err(VaultError::damaged(&self.path, "there is no header to overwrite"));
        }
        let zeros = [0; HEAD_BYTES];
        self.write(0, &zeros)?;
        self.sync()?;
        let len = self.disk.len().map_err(VaultError::io(&self.path))?;
        let mut at = HEAD_LEN;
        while at < len {
            let part = usize::try_from(len - at).unwrap_or(HEAD_BYTES).min(HEAD_BYTES);
            self.write(at, &zeros[..part])?;
            at += HEAD_LEN;
        }
        self.sync()?;
        seals::remove_beside(&self.path).map_err(VaultError::io(&self.path))?;
        fs::remove_file(&self.path).map_err(VaultError::io(&self.path))?;
        sync_directory(&self.path)
    }

    fn read<const N: usize>(&self, at: u64) -> Result<[u8; N], VaultError> {
        let mut bytes = [0; N];
        self.disk.read(at, &mut bytes).map_err(VaultError::io(&self.path))?;
        Ok(bytes)
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), VaultError> {
        self.disk.write(at, bytes).map_err(VaultError::io(&self.path))
    }
}

impl Drop for VaultFile {
    fn drop(&mut self) {
        // What cannot be unlocked is unlocked by the close.
        let _ = self.locked.unlock();
    }
}

/// redb's view of the file: what lies behind the head, page by page under its seals. The file is
/// locked already, so redb's own locks are left out.
#[derive(Debug)]
pub(crate) struct BehindHead {
    pub(crate) file: Arc<VaultFile>,
    pub(crate) seals: Arc<Seals>,
}

impl StorageBackend for BehindHead {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.disk.len()?.saturating_sub(HEAD_LEN))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.disk.read(shifted(offset)?, out)?;
        self.seals.check(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.seals.cut(len);
        self.file.disk.set_len(shifted(len)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.seals.forget(offset, data.len());
        self.file.disk.write(shifted(offset)?, data)?;
        self.seals.note(offset, data);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        // Without seals the next opening checks the whole vault.
        let room = self.file.disk.room();
        let begin = room.and_then(|()| self.file.begin());
        let _ = begin.and_then(|(header, len)| self.seals.save(&header, len));
        Ok(())
    }
}

/// Place in the file of redb's offset, which in a damaged page can be any number.
fn shifted(offset: u64) -> io::Result<u64> {
    offset.checked_add(HEAD_LEN).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A file that gets its name once it is whole; removed if that does not come about.
pub(crate) struct Draft {
    file: Arc<VaultFile>,
    draft: PathBuf,
    path: PathBuf,
    published: bool,
}

impl Draft {
    /// Begins a file that will be called `path`, and is `path.partial` until then.
    pub(crate) fn begin(path: &Path) -> Result<Self, VaultError> {
        refuse_existing(path)?;
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let draft = PathBuf::from(name);
        let file = secret_file::create(&draft).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => VaultError::Missing(directory(path).to_owned()),
            _ => VaultError::io(&draft)(error),
        })?;
        let mut file = VaultFile::lock(file, &draft)?;
        file.path = path.to_owned();
        let file = Arc::new(file);
        Ok(Self { file, draft, path: path.to_owned(), published: false })
    }

    pub(crate) const fn file(&self) -> &Arc<VaultFile> {
        &self.file
    }

    /// Gives the file its name, on the disk. Between the look for an older file and the renaming a
    /// program other than rohrpost could still put one there; rohrpost would refuse the draft.
    pub(crate) fn publish(mut self) -> Result<(), VaultError> {
        self.file.sync()?;
        refuse_existing(&self.path)?;
        fs::rename(&self.draft, &self.path).map_err(VaultError::io(&self.path))?;
        self.published = true;
        sync_directory(&self.path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&self.draft);
        }
    }
}

/// Bytes that precede redb's file: two pages, each with a header at its begin, an anchor behind it,
/// and the place of an erasure key.
pub(crate) const HEAD_LEN: u64 = PAGES * PAGE_LEN;
const HEAD_BYTES: usize = 8192;
const PAGES: u64 = 2;
const PAGE_LEN: u64 = 4096;
/// Place of the anchor: in another sector than the header, which a write to it cannot tear.
const ANCHOR: u64 = 512;
const ANCHOR_LEN: usize = 8 + 32;
/// Place of the erasure key's place: in a sector of its own for the same reason.
const PLACE: u64 = 1024;
const _: () = assert!(HEADER_LEN < 512 && PLACE_LEN < 512 && HEAD_LEN == 8192);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_ends_with_the_handle_though_a_process_shares_it() {
        let path = std::env::temp_dir().join(format!("rohrpost-lock-{}", std::process::id()));
        fs::write(&path, b"x").unwrap();
        let file = VaultFile::open(&path).unwrap();
        let shared = file.locked.try_clone().unwrap();
        assert!(matches!(VaultFile::open(&path), Err(VaultError::InUse(_))));
        drop(file);
        let again = VaultFile::open(&path).map(drop);
        drop(shared);
        fs::remove_file(&path).unwrap();
        again.unwrap();
    }
}
