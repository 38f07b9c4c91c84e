//! A vault as its caller has it: made, opened, read, written, copied, destroyed.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use redb::{Database, ReadTransaction, ReadableTable, TableHandle};

use crate::disk::{SimulatedDisk, Written};
use crate::erasure;
use crate::error::VaultError;
use crate::file::{Draft, VaultFile};
use crate::header::Header;
use crate::keys::{ErasureKey, Key, Keys};
use crate::ledger::{Ledger, definition};
use crate::open::{Open, Pages, database};
use crate::private::private_directory;
use crate::seals::Seals;
use crate::transaction::{ReadTx, WriteTx};
use crate::unlock::Unlock;

/// What opens a vault again without its passphrase, after it was closed because the disk had failed
/// under it.
pub struct SpareKey {
    path: PathBuf,
    keys: Arc<Keys>,
    disk: Option<SimulatedDisk>,
}

impl SpareKey {
    /// Opens the vault again, and holds what is in it against its checksums as [`Vault::open`] does.
    ///
    /// # Errors
    /// The vault does not open; the error says why. It may be tried again.
    pub fn open(&self) -> Result<Vault, VaultError> {
        let file = VaultFile::open(&self.path)?.on(self.disk.clone());
        let (header, same) = file.header()?;
        if !same {
            file.write_header(&header)?;
        }
        Vault::open_with(file, header, Arc::clone(&self.keys))
    }
}

/// An open vault. No other process can open it while this lives.
pub struct Vault {
    pub(crate) open: Open,
    header: Header,
    /// Lock of the one write at a time, held until its anchor is written: anchors come in order.
    writer: Mutex<()>,
}

impl Vault {
    /// Makes a vault, mode 0600, in a directory of mode 0700 that exists. It appears under its name
    /// when it is whole; until then it is `path.partial`.
    ///
    /// # Errors
    /// There is a file already, the directory is open to others, or the vault cannot be written.
    pub fn create(path: &Path, unlock: &Unlock) -> Result<Self, VaultError> {
        Self::create_with(path, unlock, |_| Ok(()))
    }

    /// Makes a vault as [`Vault::create`] does, with what `work` puts into it: without that the
    /// vault does not appear.
    ///
    /// # Errors
    /// The error that `work` returns, or the reason why no vault can be made.
    pub fn create_with<E: From<VaultError>>(
        path: &Path,
        unlock: &Unlock,
        work: impl FnOnce(&mut WriteTx<'_>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let (draft, vault) = Self::draft(path, unlock)?;
        vault.write(work)?;
        draft.publish()?;
        vault.open.seals.keep();
        Ok(vault)
    }

    fn draft(path: &Path, unlock: &Unlock) -> Result<(Draft, Self), VaultError> {
        private_directory(path)?;
        let draft = Draft::begin(path)?;
        let file = Arc::clone(draft.file());
        let keys = Arc::new(Keys::of(Key::generate()));
        let header = Header::wrap(&keys.master, unlock, 0)?;
        file.write_header(&header)?;
        let seals = Arc::new(Seals::unknown(keys.seals(), path));
        let database = database(&file, &seals, &Pages::Trust)?;
        let erasure = ErasureKey::generate(1);
        file.announce(&erasure, &keys)?;
        file.settle(&erasure, &keys)?;
        let ledger = Ledger { commit: 1, erasure: erasure.number, ..Ledger::default() };
        let transaction = database.begin_write().map_err(VaultError::store(path))?;
        ledger.save(&transaction, &keys, path)?;
        transaction.commit().map_err(VaultError::store(path))?;
        file.write_anchor(&keys.anchor, ledger.commit)?;
        Ok((draft, Self::of(Open::new(database, file, seals, keys, erasure), header)))
    }

    /// Opens a vault and holds its ledger against its anchor. Of one that was closed in order, every
    /// page is held against its seal when it is read; another is read whole, and all that is in it
    /// held against its checksums and its ledger. After a crash it is as the newest commit left it.
    ///
    /// # Errors
    /// The vault does not open; the error says why, and what to do.
    pub fn open(path: &Path, unlock: &Unlock) -> Result<Self, VaultError> {
        Self::open_file(VaultFile::open(path)?, path, unlock)
    }

    /// Opens a vault as [`Vault::open`] does, on the disk of a simulated machine.
    ///
    /// # Errors
    /// The vault does not open; the error says why.
    pub fn open_on(path: &Path, unlock: &Unlock, disk: &SimulatedDisk) -> Result<Self, VaultError> {
        Self::open_file(VaultFile::open(path)?.on(Some(disk.clone())), path, unlock)
    }

    fn open_file(file: VaultFile, path: &Path, unlock: &Unlock) -> Result<Self, VaultError> {
        let (header, same) = file.header()?;
        let keys = Arc::new(Keys::of(header.unwrap(unlock, path)?));
        if !same {
            // Ends a change of passphrase that was cut off, or mends the copy that decayed.
            file.write_header(&header)?;
        }
        Self::open_with(file, header, keys)
    }

    fn open_with(file: VaultFile, header: Header, keys: Arc<Keys>) -> Result<Self, VaultError> {
        let file = Arc::new(file);
        let path = file.path();
        let anchor = file.anchor(&keys.anchor)?;
        // If anything is wrong with a sealed vault, the check of the whole says what.
        let Contents { database, seals, ledger } = match Contents::sealed(&file, &keys, anchor) {
            Some(contents) => contents,
            None => Contents::checked(&file, &keys, anchor)?,
        };
        let (erasure, settled) = erasure::choose(file.erasure_keys(&keys)?, ledger.erasure, path)?;
        if ledger.commit > anchor {
            file.write_anchor(&keys.anchor, ledger.commit)?;
        }
        if !settled {
            // Ends an erasure that was cut off, or mends the place that decayed; once the commit
            // that was read is on the disk for certain, for the other key is then lost.
            file.sync()?;
            file.announce(&erasure, &keys)?;
            file.settle(&erasure, &keys)?;
        }
        if file.is_written() {
            seals.keep();
        }
        Ok(Self::of(Open::new(database, file, seals, keys, erasure), header))
    }

    const fn of(open: Open, header: Header) -> Self {
        Self { open, header, writer: Mutex::new(()) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.open.path()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.open.keys
    }

    /// The newest commit's state, and the key of its erasable tables.
    pub(crate) fn snapshot(&self) -> Result<(ReadTransaction, Arc<ErasureKey>), VaultError> {
        self.open.snapshot()
    }

    /// Makes what opens the vault again once this is dropped. After an error of the disk no read
    /// and no write succeeds before that, whatever becomes of the disk.
    #[must_use]
    pub fn spare_key(&self) -> SpareKey {
        let Open { file, keys, .. } = &self.open;
        let (path, disk) = (file.path().to_owned(), file.simulated().cloned());
        SpareKey { path, keys: Arc::clone(keys), disk }
    }

    /// Reads from one commit's state, whatever is written meanwhile.
    ///
    /// # Errors
    /// The error that `work` returns, or the reason why the state cannot be read.
    pub fn read<T, E: From<VaultError>>(
        &self,
        work: impl FnOnce(&ReadTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        work(&ReadTx::begin(&self.open)?)
    }

    /// Makes one transaction: if `work` succeeds, all its changes are on the disk when this
    /// returns; if it fails, none was made. Writes wait for each other, so `work` must not write
    /// again.
    ///
    /// # Errors
    /// The error that `work` returns, or the reason why nothing could be committed. After
    /// [`VaultError::Io`] from the commit itself, opening the vault again tells whether it took
    /// place.
    pub fn write<T, E: From<VaultError>>(
        &self,
        work: impl FnOnce(&mut WriteTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // A panic of other work aborted its transaction and left nothing behind.
        let _alone = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut transaction = WriteTx::begin(&self.open)?;
        let done = work(&mut transaction)?;
        if let Some(commit) = transaction.commit(&self.open)? {
            // The commit is on the disk; an error now would have the caller do it twice. Without
            // its anchor it is guarded by checksums alone, until the next.
            let _ = self.open.file.write_anchor(&self.open.keys.anchor, commit);
        }
        Ok(done)
    }

    /// Count of the records that were opened since the vault was: the cost of what was read, whatever
    /// the machine.
    pub fn records_opened(&self) -> u64 {
        self.open.opened.load(Ordering::Relaxed)
    }

    /// What was written to the file since the vault was opened.
    pub fn written(&self) -> Written {
        self.open.file.written()
    }

    /// Locks the vault by another passphrase or key file. The records stay as they are: only the
    /// master key is wrapped anew, and the old wrapping overwritten. After a power cut within, one
    /// of the two opens the vault.
    ///
    /// Backups keep what they were made with. Who has an old copy and its passphrase has the
    /// master key; against them, only a new vault helps.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn change_unlock(&mut self, unlock: &Unlock) -> Result<(), VaultError> {
        let sequence = self.header.next_sequence();
        let header = Header::wrap(&self.open.keys.master, unlock, sequence)?;
        self.open.file.write_header(&header)?;
        self.header = header;
        Ok(())
    }

    /// Copies the newest commit's state to a new file, which opens like this vault. It appears
    /// under its name when it is on the disk and was checked; until then it is `to.partial`. It has
    /// an erasure key of its own: what this vault erases later is erased here whatever the copy's
    /// fate, and stays in the copy.
    ///
    /// # Errors
    /// There is a file already, or the copy cannot be written.
    pub fn back_up(&self, to: &Path) -> Result<(), VaultError> {
        let (draft, copy) = self.copy(to)?;
        drop(copy);
        draft.publish()
    }

    /// Makes a vault of a backup, with a first change to it: without that it does not appear. The
    /// backup stays as it is, and may lie where this user can only read.
    ///
    /// # Errors
    /// The error that `work` returns, or the reason why the backup does not open or the vault
    /// cannot be made.
    pub fn restore<E: From<VaultError>>(
        backup: &Path,
        to: &Path,
        unlock: &Unlock,
        work: impl FnOnce(&mut WriteTx<'_>) -> Result<(), E>,
    ) -> Result<Self, E> {
        private_directory(to)?;
        let source = Self::open_file(VaultFile::open_kept(backup)?, backup, unlock)?;
        let (draft, Copy { database, seals, erasure }) = source.copy(to)?;
        let Self { open: Open { keys, .. }, header, .. } = source;
        let open = Open::new(database, Arc::clone(draft.file()), seals, keys, erasure);
        let vault = Self::of(open, header);
        vault.write(work)?;
        draft.publish()?;
        vault.open.seals.keep();
        Ok(vault)
    }

    fn copy(&self, to: &Path) -> Result<(Draft, Copy), VaultError> {
        let path = self.open.file.path();
        let draft = Draft::begin(to)?;
        draft.file().write_header(&self.header)?;
        let seals = Arc::new(Seals::unknown(self.open.keys.seals(), to));
        let copy = database(draft.file(), &seals, &Pages::Trust)?;
        let (from, erasure) = self.open.snapshot()?;
        let into = copy.begin_write().map_err(VaultError::store(to))?;
        for table in from.list_tables().map_err(VaultError::store(path))? {
            let definition = definition(table.name());
            let source = from.open_table(definition).map_err(VaultError::store(path))?;
            let mut target = into.open_table(definition).map_err(VaultError::store(to))?;
            for record in source.iter().map_err(VaultError::store(path))? {
                let (stored, sealed) = record.map_err(VaultError::store(path))?;
                target.insert(stored.value(), sealed.value()).map_err(VaultError::store(to))?;
            }
        }
        let mut ledger = Ledger::load(&from, &self.open.keys, path)?;
        let own = erasure::rekey(&into, &mut ledger, &self.open.keys, &erasure, to)?;
        ledger.save(&into, &self.open.keys, to)?;
        into.commit().map_err(VaultError::store(to))?;
        draft.file().announce(&own, &self.open.keys)?;
        draft.file().settle(&own, &self.open.keys)?;
        Ledger::anchored(&copy, &self.open.keys, ledger.commit, to)?;
        ledger.verify(&copy, &self.open.keys, &own, to)?;
        draft.file().write_anchor(&self.open.keys.anchor, ledger.commit)?;
        Ok((draft, Copy { database: copy, seals, erasure: own }))
    }

    /// Destroys a vault that no process has open: overwrites its header with the wrapped master
    /// key, then the rest, and removes the file. No passphrase is needed.
    ///
    /// On flash memory, and on file systems that copy on write or keep snapshots, the old blocks
    /// may survive where no program can reach them, the wrapped key among them: there the
    /// passphrase, or the key file's destruction, is what protects. Backups are not touched.
    ///
    /// # Errors
    /// There is no vault, or it is open, or the file cannot be written.
    pub fn wipe(path: &Path) -> Result<(), VaultError> {
        VaultFile::open(path)?.wipe()
    }
}

/// Contents of a vault's file that is just being opened.
struct Contents {
    database: Database,
    seals: Arc<Seals>,
    ledger: Ledger,
}

impl Contents {
    /// The contents of a vault that was closed in order; none if it was not, or if anything of what
    /// is read is not as it was then.
    fn sealed(file: &Arc<VaultFile>, keys: &Keys, anchor: u64) -> Option<Self> {
        let (header, len) = file.begin().ok()?;
        let seals = Arc::new(Seals::load(keys.seals(), file.path(), &header, len)?);
        let database = database(file, &seals, &Pages::Trust).ok()?;
        let ledger = Ledger::anchored(&database, keys, anchor, file.path()).ok()?;
        Some(Self { database, seals, ledger })
    }

    /// The contents of any vault, all of which is read.
    fn checked(file: &Arc<VaultFile>, keys: &Keys, anchor: u64) -> Result<Self, VaultError> {
        let path = file.path();
        let seals = Arc::new(Seals::unknown(keys.seals(), path));
        let database = database(file, &seals, &Pages::Check)?;
        let ledger = Ledger::anchored(&database, keys, anchor, path)?;
        let (erasure, _) = erasure::choose(file.erasure_keys(keys)?, ledger.erasure, path)?;
        ledger.verify(&database, keys, &erasure, path)?;
        Ok(Self { database, seals, ledger })
    }
}

/// A copy of a vault that is not called by its name yet.
struct Copy {
    database: Database,
    seals: Arc<Seals>,
    erasure: ErasureKey,
}

#[cfg(test)]
mod tests;
