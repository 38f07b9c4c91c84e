//! Versions of the own address, and what contacts tell of theirs (`docs/delivery.md`). When contacts
//! are told of the own one, `announcements` decides.

use std::time::Duration;

use rohrpost_network::Network;
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::Contact;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::account::{AccountRecord, LastResortRecord, PrekeyRecord};
use super::error::StoreError;
use super::file::Store;
use super::record::{decode, encode};
use super::state::{self, STATE};
use super::{contact, opened, rounds};
use crate::address::{Address, time};
use crate::card::Card;
use crate::profile::{Profile, Replacement};

impl Store {
    /// Keys and places as a session needs them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn profile(&self) -> Result<Profile, StoreError> {
        self.vault.read(|tx| Ok(account(tx)?.profile(&prekeys(tx)?, &last_resorts(tx)?)))
    }

    /// Makes a card for others.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn card(&self, network: &Network, now: Duration) -> Result<Card, StoreError> {
        self.vault.read(|tx| Ok(Card::new(network.roster.network_id, newest(tx)?, now)))
    }

    /// Begins a new address version if a prekey is three days old or a write key's time is over, and has
    /// every contact told. To be called while the client is online, and only then: what begins
    /// while nobody can be told of it is of no use, and two mailboxes whose keys changed meanwhile
    /// would be seen to change at once. True if there is something new for the session.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn roll(&self, now: Duration) -> Result<bool, StoreError> {
        let due = self.vault.read(|tx| {
            let account = account(tx)?;
            Ok::<_, StoreError>(account.wants_prekey(now) || account.wants_write_key(now))
        })?;
        if due {
            self.vault.write(|tx| roll(tx, now))?;
        }
        // Prekeys are made a little later each time, and the end of one does not wait for that.
        Ok(self.expire_prekeys(now)? || due)
    }

    /// Erases prekeys whose time is over, for good. True if there were any: the session must forget
    /// them too. No link is needed for that.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn expire_prekeys(&self, now: Duration) -> Result<bool, StoreError> {
        let over = self.vault.read(|tx| {
            let over = prekeys(tx)?.iter().any(|prekey| prekey.is_over(now));
            let mut last = last_resorts(tx)?.into_iter().skip(LASTING_RESORTS);
            Ok::<_, StoreError>(over || last.any(|last| last.is_over(now)))
        })?;
        if over {
            self.vault.write(|tx| erase_prekeys(tx, now))?;
        }
        Ok(over)
    }

    /// Begins an address version above one that a contact knows and this store does not, as after an
    /// older copy of it, and has every contact told, also that prekeys are lost which were told
    /// before. A number that was never given may be a contact's invention: one of a time to come, and
    /// any within a day of another, is not believed, and false is given.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn surpass_version(&self, known: u64, now: Duration) -> Result<bool, StoreError> {
        self.vault.write(|tx| {
            let mut account = account(tx)?;
            if !account.surpass(known, now) {
                return Ok(false);
            }
            let within = telling_anew(&account);
            begin_keys_anew(tx, account, now, within)?;
            Ok(true)
        })
    }

    /// Begins an address version that says that prekeys are lost which were told before, as after an
    /// older copy of the store, and has every contact told. False, and nothing changes, within a day of
    /// another: who runs a program for each message would do it in each run.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn begin_keys_anew(&self, now: Duration) -> Result<bool, StoreError> {
        self.vault.write(|tx| {
            let mut account = account(tx)?;
            if !account.may_begin_anew(now) {
                return Ok(false);
            }
            account.begin_anew(now);
            let within = telling_anew(&account);
            begin_keys_anew(tx, account, now, within)?;
            Ok(true)
        })
    }

    /// Puts another mailbox in the place of one that is lost for good, and has every contact told.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn replace_mailbox(
        &self,
        from: NodeNumber,
        replacement: Replacement,
        now: Duration,
    ) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            let mut account = account(tx)?;
            if account.replace_mailbox(from, replacement, now) {
                account.begin_version(now);
                save(tx, &account)?;
                tell_all(tx, account.address_version, now, TELLING)?;
            }
            Ok(())
        })
    }

    /// Has the client enter through this relay from now on, and through these when it is gone. Nobody is
    /// told: contacts know mailboxes alone.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn enter(&self, entry: NodeNumber, spares: &[NodeNumber]) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            let mut account = account(tx)?;
            if account.enter(entry, spares) {
                state::note_entry_silent(tx, Duration::ZERO)?;
            }
            save(tx, &account)
        })
    }

    /// Has the next mailboxes be at these relays, and every contact told.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn renew_reserve(&self, relays: &[NodeNumber], now: Duration) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            let mut account = account(tx)?;
            account.reserve_at(relays, now);
            account.begin_version(now);
            save(tx, &account)?;
            tell_all(tx, account.address_version, now, TELLING)
        })
    }
}

/// Time at which the newest prekey was made, in Unix seconds.
pub(super) fn rolled(tx: &ReadTx<'_>) -> Result<u64, StoreError> {
    Ok(account(tx)?.rolled())
}

/// Puts a new client's keys into the store.
pub(super) fn found(
    tx: &mut WriteTx<'_>,
    profile: &Profile,
    now: Duration,
) -> Result<(), StoreError> {
    let (account, prekey, last_resort) = AccountRecord::new(profile, now);
    save(tx, &account)?;
    put_last_resort(tx, &last_resort)?;
    put_prekey(tx, &prekey)
}

/// Begins a new address version where it is time for one.
fn roll(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    let mut account = account(tx)?;
    let before = account.address_version;
    account.change_write_key(now);
    if account.wants_prekey(now) {
        next_prekey(tx, &mut account, now)?;
        erase_prekeys(tx, now)?;
    }
    if account.address_version > before {
        save(tx, &account)?;
        tell_all(tx, account.address_version, now, TELLING)?;
    }
    Ok(())
}

/// Begins an address version after an older copy of the store. Its number is above all that the
/// store has told since that copy. Contacts are told sooner than else: until
/// then some may seal to a prekey that is lost.
pub(super) fn begin_anew(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    let mut account = account(tx)?;
    account.begin_incarnation(now);
    account.begin_versions_anew(now);
    begin_keys_anew(tx, account, now, TELLING_ANEW)
}

/// Minutes online within which everybody is to be told that the store has begun anew: soon, unless that
/// was so lately. Else a contact that lies would have all be told within an hour, each day, and who
/// sees which mailboxes get something then would know them.
fn telling_anew(account: &AccountRecord) -> u64 {
    if account.began_anew_lately() { TELLING } else { TELLING_ANEW }
}

/// Makes a prekey after an older copy of the store, and has every contact told of it within so many
/// minutes online.
fn begin_keys_anew(
    tx: &mut WriteTx<'_>,
    mut account: AccountRecord,
    now: Duration,
    within: u64,
) -> Result<(), StoreError> {
    account.keys_since = now.as_secs();
    next_prekey(tx, &mut account, now)?;
    save(tx, &account)?;
    tell_all(tx, account.address_version, now, within)
}

/// Has every contact told of a version within so many minutes online.
fn tell_all(
    tx: &mut WriteTx<'_>,
    version: u64,
    now: Duration,
    within: u64,
) -> Result<(), StoreError> {
    let online = state::online(tx)?;
    rounds::begin(tx, version, (online, within), now)
}

/// Has the write keys refused that a blocked contact knows, once others have taken their place.
pub(super) fn refuse_write_keys(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    let mut account = account(tx)?;
    account.refuse_write_keys();
    save(tx, &account)
}

/// Puts a new prekey before the others. None is erased by that: the machine's clock may be wrong.
fn next_prekey(
    tx: &mut WriteTx<'_>,
    account: &mut AccountRecord,
    now: Duration,
) -> Result<(), StoreError> {
    let new = account.roll_prekey(now);
    // A clock that was ahead: until then every prekey would be taken for lost.
    account.keys_since = account.keys_since.min(now.as_secs());
    for mut old in prekeys(tx)? {
        if old.supersede(now) {
            put_prekey(tx, &old)?;
        }
    }
    for mut ahead in last_resorts(tx)?.into_iter().filter(|last| last.made > now.as_secs()) {
        // The machine's clock was ahead: it would stay until then.
        tx.remove(LAST_RESORTS, &ahead.made.to_be_bytes())?;
        ahead.made = now.as_secs();
        put_last_resort(tx, &ahead)?;
    }
    if last_resorts(tx)?.first().is_none_or(|newest| newest.is_old(now)) {
        put_last_resort(tx, &LastResortRecord::next(now))?;
    }
    put_prekey(tx, &new)
}

/// Removes prekeys whose time is over, for good, and the marks of what they have opened.
fn erase_prekeys(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    for old in prekeys(tx)?.iter().filter(|old| old.is_over(now)) {
        opened::forget(tx, old.id())?;
        tx.remove(PREKEYS, &old.address_version.to_be_bytes())?;
    }
    // These stay, though nobody made others: one of them is on the newest address.
    for old in last_resorts(tx)?.iter().skip(LASTING_RESORTS).filter(|old| old.is_over(now)) {
        opened::forget(tx, old.id())?;
        tx.remove(LAST_RESORTS, &old.made.to_be_bytes())?;
    }
    Ok(())
}

/// Version of the newest address.
pub(super) fn version(tx: &ReadTx<'_>) -> Result<u64, StoreError> {
    Ok(account(tx)?.address_version)
}

/// The newest address, as a contact hears it.
pub(super) fn newest(tx: &ReadTx<'_>) -> Result<Address, StoreError> {
    let account = account(tx)?;
    let contact = account.profile(&prekeys(tx)?, &last_resorts(tx)?).account.contact();
    let (made, keys_since) = (time(account.rolled()), time(account.keys_since));
    let contact = Contact { made, keys_since, ..contact };
    Ok(Address { version: account.address_version, contact })
}

/// Takes an address that a contact has told, if it is newer and the contact's own.
pub(super) fn take(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    address: Address,
) -> Result<Option<Address>, StoreError> {
    let Some(mut known) = contact::by_key(tx, sender)? else {
        return Ok(None);
    };
    let own = address.contact.identity.key_id() == sender;
    // Where a card was newer than what the contact has told, older versions tell nothing new.
    if !own || address.version <= known.address.version || address.version < known.card {
        return Ok(None);
    }
    known.address = address.clone();
    contact::put(tx, &known)?;
    Ok(Some(address))
}

fn account(tx: &ReadTx<'_>) -> Result<AccountRecord, StoreError> {
    decode(&tx.get(STATE, ACCOUNT)?.ok_or(StoreError::Record)?)
}

fn save(tx: &mut WriteTx<'_>, account: &AccountRecord) -> Result<(), StoreError> {
    Ok(tx.put(STATE, ACCOUNT, &encode(account)?)?)
}

/// All prekeys, newest first.
fn prekeys(tx: &ReadTx<'_>) -> Result<Vec<PrekeyRecord>, StoreError> {
    let mut prekeys: Vec<PrekeyRecord> = Vec::new();
    for record in tx.iter(PREKEYS)? {
        prekeys.push(decode(&record?.1)?);
    }
    prekeys.sort_by_key(|prekey| std::cmp::Reverse(prekey.address_version));
    Ok(prekeys)
}

fn put_prekey(tx: &mut WriteTx<'_>, prekey: &PrekeyRecord) -> Result<(), StoreError> {
    Ok(tx.put(PREKEYS, &prekey.address_version.to_be_bytes(), &encode(prekey)?)?)
}

/// All last-resort prekeys, newest first.
fn last_resorts(tx: &ReadTx<'_>) -> Result<Vec<LastResortRecord>, StoreError> {
    let mut all: Vec<LastResortRecord> = Vec::new();
    for record in tx.iter(LAST_RESORTS)? {
        all.push(decode(&record?.1)?);
    }
    all.sort_by_key(|last| std::cmp::Reverse(last.made));
    Ok(all)
}

fn put_last_resort(tx: &mut WriteTx<'_>, last: &LastResortRecord) -> Result<(), StoreError> {
    Ok(tx.put(LAST_RESORTS, &last.made.to_be_bytes(), &encode(last)?)?)
}

/// Last-resort prekeys that stay however old they are: the one that is told, and the next.
const LASTING_RESORTS: usize = 2;
const ACCOUNT: &[u8] = b"account";
/// Prekeys by address version. Erasable: whoever seizes the file later must not find the prekeys of
/// before.
pub(super) const PREKEYS: KeyedTable = KeyedTable::erasable("prekeys");
/// Last-resort prekeys by the time at which they were made.
pub(super) const LAST_RESORTS: KeyedTable = KeyedTable::erasable("last-resort prekeys");
/// Minutes online within which each contact is told of a newer address, at a time that is drawn for
/// it alone. Were all told at once, who sees which mailboxes get a letter at that moment would know
/// the contacts after a few days.
const TELLING: u64 = 12 * 60;
/// The same after an older copy of the store.
const TELLING_ANEW: u64 = 60;
