//! The store: what a client must not lose, as records of its vault.
//!
//! *Accepted means committed*: whatever a method has taken is on the disk when it returns, whole, and
//! after a crash at any point the store is as some method left it. Each method is one transaction
//! and blocks on the disk; an asynchronous caller gives it a thread.
//!
//! Each file has its tables: own keys and generations (`account`, `address`), contacts, outbox,
//! inbox. Times are since the Unix epoch, by the caller's clock.

mod account;
mod address;
mod contacts;
mod fragments;
mod inbox;
mod outbox;
mod record;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rohrpost_proto::mailbox::TTL;
use rohrpost_vault::{KeyedTable, ReadTx, Table, Unlock, Vault, VaultError, WriteTx};
use zeroize::Zeroizing;

use crate::{Network, Profile};

pub use contacts::KnownContact;
pub use inbox::{Completed, Incoming};
pub use outbox::{Fate, Outgoing};

/// A client's store, open.
pub struct Store {
    vault: Vault,
}

impl Store {
    /// Makes the store of a new client in its home, which is made if it is not there.
    ///
    /// # Errors
    /// There is one already, or it cannot be written.
    pub fn create(
        home: &Path,
        unlock: &Unlock,
        network: &Network,
        profile: &Profile,
        now: Duration,
    ) -> Result<Self, StoreError> {
        make_home(home)?;
        let vault = Vault::create_with(&file(home), unlock, |tx| {
            tx.put(STATE, NETWORK, network.roster.network_id.as_bytes())?;
            next_life(tx, now)?;
            keep_for(tx, KEEP)?;
            address::found(tx, profile, now)
        })?;
        Ok(Self { vault })
    }

    /// Whether a home has a store.
    #[must_use]
    pub fn is_in(home: &Path) -> bool {
        file(home).exists()
    }

    /// Opens the store of a home.
    ///
    /// # Errors
    /// There is none, it does not open, or it is of another network.
    pub fn open(home: &Path, unlock: &Unlock, network: &Network) -> Result<Self, StoreError> {
        let path = file(home);
        let vault = match Vault::open(&path, unlock) {
            Err(VaultError::Missing(_)) => return Err(StoreError::Missing(home.to_owned())),
            opened => opened?,
        };
        vault.read(|tx| of_network(tx, network, home))?;
        Ok(Self { vault })
    }

    /// How long messages are kept that were read, delivered or given up.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn retention(&self) -> Result<Duration, StoreError> {
        self.vault.read(|tx| Ok(Duration::from_secs(number(tx, RETENTION)?)))
    }

    /// Keeps messages for another time, from now on.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_retention(&self, keep: Duration) -> Result<(), StoreError> {
        self.vault.write(|tx| keep_for(tx, keep))
    }

    /// Forgets messages whose time is over.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn prune(&self, now: Duration) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            let keep = Duration::from_secs(number(tx, RETENTION)?);
            let limit = now.saturating_sub(keep);
            outbox::prune(tx, limit)?;
            inbox::prune(tx, limit, now.saturating_sub(SEEN))
        })
    }

    /// Copies the store to a new file, which opens with the same passphrase or key file.
    ///
    /// # Errors
    /// There is a file already, or it cannot be written.
    pub fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        Ok(self.vault.back_up(to)?)
    }

    /// Puts a backup into a home without a store, and begins a new life there: what waits for
    /// contacts gets new numbers, for they may have seen the old ones.
    ///
    /// # Errors
    /// There is a store already, or the backup does not open.
    pub fn restore(
        backup: &Path,
        home: &Path,
        unlock: &Unlock,
        network: &Network,
        now: Duration,
    ) -> Result<Self, StoreError> {
        make_home(home)?;
        let vault = Vault::restore(backup, &file(home), unlock, |tx| {
            of_network(tx, network, backup)?;
            begin_life(tx, now)
        })?;
        Ok(Self { vault })
    }

    /// Locks the store by another passphrase or key file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn change_unlock(&mut self, unlock: &Unlock) -> Result<(), StoreError> {
        Ok(self.vault.change_unlock(unlock)?)
    }

    /// Destroys the store of a home that no process has open.
    ///
    /// # Errors
    /// There is none, or it is open.
    pub fn wipe(home: &Path) -> Result<(), StoreError> {
        match Vault::wipe(&file(home)) {
            Err(VaultError::Missing(_)) => Err(StoreError::Missing(home.to_owned())),
            wiped => Ok(wiped?),
        }
    }

    /// Everything that whoever seizes the file and what opens it can read in it, removed records
    /// among the living ones; see [`Vault::danger_remnants`].
    ///
    /// # Errors
    /// The file cannot be read, or its header does not open.
    pub fn danger_remnants(
        home: &Path,
        unlock: &Unlock,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, StoreError> {
        let tables: Vec<_> = tables().collect();
        Ok(Vault::danger_remnants(&file(home), unlock, &tables)?)
    }
}

/// Why the store does not do what was asked; each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// There is no store.
    #[error("{0} holds no client; make one with: rohrpost --home {0} init")]
    Missing(PathBuf),
    /// Made for another network.
    #[error("the client in {0} is of another network; give the --network that it was made for")]
    Network(PathBuf),
    /// A record does not say what it must.
    #[error(
        "the store holds a record that this program does not understand; if a newer rohrpost wrote it, use that"
    )]
    Record,
    /// A directory.
    #[error("{path}: {source}")]
    Home {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not usable as a name.
    #[error("\"{0}\" cannot name a contact; use up to 64 bytes of letters, digits, - and _")]
    Name(String),
    /// In use.
    #[error("there is a contact {0} already; choose another name")]
    NameTaken(String),
    /// A contact already.
    #[error("this card is that of {0}, who is a contact already")]
    Known(String),
    /// Blocked.
    #[error("{0} is blocked; to write again, remove it and add its card")]
    Blocked(String),
    /// No such contact.
    #[error("there is no contact {0}; `rohrpost … contacts` lists them, `add` adds one")]
    Unknown(String),
    /// No such message.
    #[error("there is no message {0}; `rohrpost … inbox` lists them")]
    Number(u64),
    /// A message beyond the limit.
    #[error("{len} bytes are too long: a message holds {limit}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes that fit.
        limit: usize,
    },
}

fn of_network(tx: &ReadTx<'_>, network: &Network, path: &Path) -> Result<(), StoreError> {
    let own = tx.get(STATE, NETWORK)?;
    let same = own.is_some_and(|own| *own == network.roster.network_id.as_bytes());
    if same { Ok(()) } else { Err(StoreError::Network(path.to_owned())) }
}

/// Begins a new life after an older copy of the store: numbers go on above all that were ever given,
/// and every contact hears that its messages are counted anew.
fn begin_life(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    let life = next_life(tx, now)?;
    for mut contact in contacts::contacts(tx)? {
        contact.counts_since = life;
        outbox::renumber(tx, &mut contact, life)?;
    }
    address::begin_anew(tx, now)
}

/// A life that begins now: the Unix second, above that of the last one.
fn next_life(tx: &mut WriteTx<'_>, now: Duration) -> Result<u32, StoreError> {
    let before = if tx.get(STATE, LIFE)?.is_some() { number(tx, LIFE)? } else { 0 };
    let before = u32::try_from(before).map_err(|_| StoreError::Record)?;
    let life = u32::try_from(now.as_secs()).unwrap_or(u32::MAX).max(before.saturating_add(1));
    tx.put(STATE, LIFE, &u64::from(life).to_be_bytes())?;
    Ok(life)
}

fn keep_for(tx: &mut WriteTx<'_>, keep: Duration) -> Result<(), StoreError> {
    Ok(tx.put(STATE, RETENTION, &keep.as_secs().to_be_bytes())?)
}

fn number(tx: &ReadTx<'_>, key: &[u8]) -> Result<u64, StoreError> {
    let value = tx.get(STATE, key)?.ok_or(StoreError::Record)?;
    let bytes = value.as_slice().try_into().map_err(|_| StoreError::Record)?;
    Ok(u64::from_be_bytes(bytes))
}

/// Where records are.
fn tables() -> impl Iterator<Item = Table> {
    let keyed = [STATE, address::PREKEYS, contacts::CONTACTS].into_iter();
    let keyed = keyed.chain(outbox::TABLES).chain(inbox::TABLES).chain(fragments::TABLES);
    keyed.map(Table::from).chain([inbox::INBOX.into()])
}

fn make_home(home: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home).map_err(|source| StoreError::Home { path: home.to_owned(), source })
}

fn file(home: &Path) -> PathBuf {
    home.join("store.vault")
}

const STATE: KeyedTable = KeyedTable::new("state");
const NETWORK: &[u8] = b"network";
/// The newest life, of the store or of a contact in it: the upper half of numbers that it gives to messages.
const LIFE: &[u8] = b"life";
/// In seconds.
const RETENTION: &[u8] = b"retention";
/// Messages are kept for so long unless their user says otherwise.
const KEEP: Duration = Duration::from_secs(30 * 86_400);
/// Longer than any message waits for its delivery.
const SEEN: Duration = Duration::from_secs(8 * TTL.as_secs());
