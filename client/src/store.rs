//! The store: what a client must not lose, as records of its vault.
//!
//! *Accepted means committed*: whatever a method has taken is on the disk when it returns, whole,
//! and after a crash at any point the store is as some method left it. Each method is one
//! transaction and blocks on the disk; an asynchronous caller gives it a thread.
//!
//! Each file has its tables: own keys and address versions (`account`, `address_versions`), contacts
//! and when they are told (`contact`, `announcements`), outbox, inbox. Times are since the Unix
//! epoch, by the caller's clock.

mod account;
mod address_versions;
mod announcements;
mod bodies;
mod contact;
mod contacts;
mod drafts;
mod due;
mod error;
mod exchange;
mod file;
mod fragments;
#[cfg(test)]
mod fresh_vault;
mod inbox;
mod letters;
mod names;
mod numbers;
mod older_copies;
mod opened;
mod outbox;
mod permutation;
mod quota;
mod record;
mod reports;
mod requests;
mod resumption;
mod rounds;
mod silence;
mod state;
mod status;
mod told;
mod undelivered;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_network::Network;
use rohrpost_packet::envelope::{KeyId, MessageId};
use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_proto::mailbox::TTL;
use rohrpost_proto::time::agreement::Agreement;
use rohrpost_vault::{SimulatedDisk, Table, Unlock, Vault, VaultError, WriteTx};
use zeroize::Zeroizing;

use crate::profile::Profile;
use due::{Ended, Next};
use file::{MOVED, NewHome, file, private_home};
use state::{
    DATE, NETWORK, STATE, count_forgotten, forgetting, keep_for, latest_date, next_incarnation,
    of_network, retention,
};

pub use account::LONGEST_ABSENCE;
pub use announcements::AddressKnown;
pub use contact::KnownContact;
pub use contacts::Added;
pub use drafts::Draft;
pub use error::StoreError;
pub use file::{SpareStoreKey, Store};
pub use inbox::{Incoming, Unreadable};
pub use letters::{Bounds, Completed, Refused};
pub use outbox::{Accepted, BodyId, Outgoing, Tally, Terms};
pub(crate) use quota::SHORT;
pub use quota::{Lack, NoRoom};
pub use requests::ContactRequest;
pub use silence::Silence;
pub use state::Forgetting;
pub use status::DeliveryStatus;

/// Messages that were forgotten at once because their time was over.
#[derive(Default)]
pub struct Forgotten {
    /// True if there are more to forget.
    pub more: bool,
    /// Numbers of messages of the inbox.
    pub received: Vec<u64>,
    /// Ids of messages of the outbox.
    pub sent: Vec<MessageId>,
    /// Messages that have come and waited for others, which their senders have given up meanwhile:
    /// they are in the inbox now.
    pub arrived: Vec<Incoming>,
}

impl Store {
    /// Makes the store of a new client in its home, which is made if it is not there.
    ///
    /// # Errors
    /// There is a store already, or it cannot be written.
    pub fn create(
        home: &Path,
        unlock: &Unlock,
        network: &Network,
        profile: &Profile,
        now: Duration,
    ) -> Result<Self, StoreError> {
        let new = NewHome::make(home)?;
        let vault = Vault::create_with(&file(home), unlock, |tx| {
            tx.put(STATE, NETWORK, network.roster.network_id.as_bytes())?;
            next_incarnation(tx, now)?;
            address_versions::found(tx, profile, now)
        })?;
        new.keep();
        Ok(Self { vault })
    }

    /// Opens the store of a home.
    ///
    /// # Errors
    /// There is no store, others can enter the home, it does not open, or it is of another network.
    pub fn open(home: &Path, unlock: &Unlock, network: &Network) -> Result<Self, StoreError> {
        Self::open_with(home, network, |path| Vault::open(path, unlock))
    }

    /// Opens the store of a home as [`Store::open`] does, on the disk of a simulated machine.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_on(
        home: &Path,
        unlock: &Unlock,
        network: &Network,
        disk: &SimulatedDisk,
    ) -> Result<Self, StoreError> {
        Self::open_with(home, network, |path| Vault::open_on(path, unlock, disk))
    }

    fn open_with(
        home: &Path,
        network: &Network,
        open: impl FnOnce(&Path) -> Result<Vault, VaultError>,
    ) -> Result<Self, StoreError> {
        private_home(home)?;
        let mut vault = match open(&file(home)) {
            Err(VaultError::Missing(_)) => return Err(StoreError::Missing(home.to_owned())),
            opened => opened?,
        };
        vault.read(|tx| of_network(tx, network, home))?;
        vault.compact(MOVED)?;
        Ok(Self { vault })
    }

    /// Time for which messages stay once they were read, delivered or given up; none if they stay
    /// for ever.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn retention(&self) -> Result<Option<Duration>, StoreError> {
        self.vault.read(retention)
    }

    /// When the next message is forgotten, and how many are within a day from now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn forgotten_next(&self, now: Duration) -> Result<(Option<Duration>, usize), StoreError> {
        self.vault.read(|tx| {
            let Some(keep) = retention(tx)? else {
                return Ok((None, 0));
            };
            let soon = (now + Duration::from_secs(86_400)).checked_sub(keep);
            let (first, within_a_day) = due::first(tx, soon)?;
            Ok((first.map(|first| first.saturating_add(keep)), within_a_day))
        })
    }

    /// Sets the time for which messages stay, from now on.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_retention(&self, keep: Duration) -> Result<(), StoreError> {
        self.vault.write(|tx| keep_for(tx, keep))
    }

    /// Notes a date that a link has shown; false if the client must not go by it. Below the latest
    /// one it counts only where all clocks agree, as after a date that was wrong: an entry relay can
    /// show announcements of weeks ago again, and what was made since would be of that date, and be
    /// erased when the right one is back. Links show one every few seconds, and the disk is written
    /// when it is another by minutes.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn note_date(&self, shown: Duration, agreement: Agreement) -> Result<bool, StoreError> {
        let (shown, latest) = (shown.as_secs(), self.vault.read(latest_date)?);
        let counts = agreement == Agreement::All || shown >= latest;
        if counts && shown.abs_diff(latest) >= DATE_STEP {
            self.vault.write(|tx| tx.put(STATE, DATE, &shown.to_be_bytes()))?;
        }
        Ok(counts)
    }

    /// Time for which the entry has been silent while the client ran, up to the end of the last run.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn entry_silent(&self) -> Result<Duration, StoreError> {
        self.vault.read(state::entry_silent)
    }

    /// Notes for how long the entry has been silent; nothing is written while that is nothing new.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn note_entry_silent(&self, silent: Duration) -> Result<(), StoreError> {
        if self.entry_silent()?.as_secs() == silent.as_secs() {
            return Ok(());
        }
        self.vault.write(|tx| state::note_entry_silent(tx, silent))
    }

    /// Keeps a roster that came over the network, by which documents go.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn keep_roster(&self, files: &RosterFiles) -> Result<(), StoreError> {
        self.vault.write(|tx| state::keep_roster(tx, files))
    }

    /// The network of these files, by the newest roster: that of the files, or one that came over the
    /// network later. Whether it has expired is for whoever sends to see.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn newest_network(&self, network: &Arc<Network>) -> Result<Arc<Network>, StoreError> {
        let kept = self.vault.read(state::roster)?;
        let newer = kept.and_then(|files| network.renewed(&files));
        Ok(newer.map_or_else(|| Arc::clone(network), Arc::new))
    }

    /// Notes that the client was moved: it goes on elsewhere, in an incarnation of this number.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn note_moved(&self, incarnation: u32) -> Result<(), StoreError> {
        self.vault.write(|tx| state::move_to(tx, Some(incarnation)))
    }

    /// Time at which the client was moved, if it was: then this store must not go online.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn moved(&self) -> Result<Option<Duration>, StoreError> {
        self.vault.read(state::moved)
    }

    /// Forgets messages whose time is over, some of them at a time: of files one, of texts many.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn prune(&self, now: Duration) -> Result<Forgotten, StoreError> {
        self.vault.write(|tx| {
            let more = due::forget_ids(tx, now.saturating_sub(SEEN), now)?;
            let mut forgotten = Forgotten { more, ..Forgotten::default() };
            let mut pieces = end_unfinished(tx, &mut forgotten, now)?;
            let keep = retention(tx)?;
            while let Some(limit) = keep.map(|keep| now.saturating_sub(keep))
                && pieces < SLICE
            {
                pieces += match due::next_ended(tx, limit, now)? {
                    Next::Over(Ended::Read(number)) => {
                        forgotten.received.push(number);
                        1 + inbox::forget(tx, number)?
                    }
                    Next::Over(Ended::Settled(id)) => {
                        forgotten.sent.push(id);
                        outbox::forget(tx, id)?;
                        2
                    }
                    Next::Ahead => 1,
                    Next::Nothing => break,
                };
            }
            forgotten.more |= pieces >= SLICE;
            count_forgotten(tx, forgotten.received.len() + forgotten.sent.len(), now)?;
            Ok(forgotten)
        })
    }

    /// Count of the messages that were forgotten because their time was over, and when the last was.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn forgetting(&self) -> Result<Forgetting, StoreError> {
        self.vault.read(forgetting)
    }

    /// Puts a backup into a home without a store, and begins a new incarnation there: what waits
    /// for contacts gets new numbers, for they may have seen the old ones.
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
        let new = NewHome::make(home)?;
        let vault = Vault::restore(backup, &file(home), unlock, |tx| {
            of_network(tx, network, backup)?;
            let as_of = latest_date(tx)?.max(address_versions::rolled(tx)?);
            state::note_restored(tx, as_of)?;
            begin_incarnation(tx, now)
        })?;
        new.keep();
        Ok(Self { vault })
    }

    /// Time up to which the backup went from which the store was restored, since the Unix epoch: the
    /// last date on which the client was online before it was copied. None if it was not restored.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn restored_as_of(&self) -> Result<Option<Duration>, StoreError> {
        self.vault.read(state::restored)
    }

    /// Begins a new incarnation of what is exchanged with one contact, after the contact has shown
    /// that this store is an older copy: what waits for it gets new numbers, and it sends again
    /// whatever is open. What both had exchanged since the copy, and this store has lost, stays
    /// lost. The incarnation is above all that the contact has heard of, as by a clock that was ahead.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn begin_again(
        &self,
        contact: KeyId,
        heard_of: u32,
        now: Duration,
    ) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            let Some(exchange) = exchange::with(tx, contact)? else {
                return Ok(());
            };
            let incarnation = next_incarnation(tx, now)?.max(heard_of.saturating_add(1));
            older_copies::note(tx, contact, now)?;
            outbox::renumber(tx, contact, exchange, incarnation)
        })
    }

    /// All records that can be read by whoever seizes the file and what opens it, removed ones
    /// among the living; see [`Vault::danger_remnants`].
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

/// Begins a new incarnation after an older copy of the store: numbers go on above all that were
/// ever given, and every contact hears that its messages are counted anew.
fn begin_incarnation(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    let incarnation = next_incarnation(tx, now)?;
    state::move_to(tx, None)?;
    silence::end_all(tx)?;
    for KnownContact { address, exchange, .. } in contact::contacts(tx)? {
        outbox::renumber(tx, address.contact.identity.key_id(), exchange, incarnation)?;
    }
    address_versions::begin_anew(tx, now)?;
    announcements::tell_where_mail_waits(tx)
}

/// Ends messages of which nothing more comes, for no message is tried so long, and shows those that
/// are whole; gives the pieces that they had.
fn end_unfinished(
    tx: &mut WriteTx<'_>,
    forgotten: &mut Forgotten,
    now: Duration,
) -> Result<u32, StoreError> {
    let limit = now.saturating_sub(outbox::LONGEST_LIFE);
    let mut pieces = 0;
    while pieces < SLICE {
        pieces += 1;
        match due::next_fragments(tx, limit, now)? {
            Next::Over(entry) => {
                let Some(ended) = fragments::end(tx, &entry)? else { continue };
                pieces += ended.pieces;
                for (complete, whole) in ended.whole {
                    let (sender, id) = (ended.sender, complete.message);
                    forgotten.arrived.extend(inbox::take_content(tx, sender, id, &whole, now)?);
                    told::remember_alone(tx, sender, complete)?;
                }
            }
            Next::Ahead => {}
            Next::Nothing => break,
        }
    }
    Ok(pieces)
}

/// All tables that have records.
fn tables() -> impl Iterator<Item = Table> {
    let keyed = [
        STATE,
        address_versions::PREKEYS,
        address_versions::LAST_RESORTS,
        older_copies::OLDER_COPIES,
    ]
    .into_iter()
    .chain(contact::TABLES);
    let keyed = keyed.chain(outbox::TABLES).chain(inbox::TABLES).chain(fragments::TABLES);
    let keyed = keyed.chain(bodies::TABLES).chain(drafts::TABLES).chain(quota::TABLES);
    let keyed = keyed.chain(opened::TABLES).chain(told::TABLES).chain(due::TABLES);
    let keyed = keyed.chain(names::TABLES).chain(exchange::TABLES).chain(rounds::TABLES);
    let keyed = keyed.chain(silence::TABLES).chain(undelivered::TABLES).chain(requests::TABLES);
    let ordered = [inbox::INBOX, outbox::ORDER].into_iter().chain(due::LOGS).chain(rounds::LISTS);
    keyed.map(Table::from).chain(ordered.map(Table::from))
}

/// Seconds by which a date differs from the one on the disk when it is written: erasing and rolling go
/// by days.
const DATE_STEP: u64 = 600;
/// Pieces of messages and records that are forgotten at a time: some milliseconds of work. The longest
/// file has a few more.
const SLICE: u32 = 400;
/// Time for which ids of messages are remembered: as long as any message is tried, and then waits at a
/// mailbox.
const SEEN: Duration = Duration::from_secs(outbox::LONGEST_LIFE.as_secs() + TTL.as_secs());
