//! Versions of the own address, and what contacts tell of theirs (`docs/delivery.md`). When contacts
//! are told of the own one, `announcements` decides.

use std::time::Duration;

use rohrpost_network::Network;
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::KeyId;
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::account::{AccountRecord, PrekeyRecord};
use super::error::StoreError;
use super::file::Store;
use super::record::{decode, encode};
use super::state::{STATE, next_incarnation};
use super::{contact, opened, outbox};
use crate::address::Address;
use crate::card::Card;
use crate::profile::Profile;

impl Store {
    /// Keys and places as a session needs them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn profile(&self) -> Result<Profile, StoreError> {
        self.vault.read(|tx| Ok(account(tx)?.profile(&prekeys(tx)?)))
    }

    /// Makes a card for others.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn card(&self, network: &Network, now: Duration) -> Result<Card, StoreError> {
        self.vault.read(|tx| {
            let contact = account(tx)?.profile(&prekeys(tx)?).account.contact();
            Ok(Card::new(network.roster.network_id, contact, now))
        })
    }

    /// Begins a new address version if a prekey is a day old or a write key's time is over, and has
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
        // Prekeys are made a little later each day, and the end of one does not wait for that.
        Ok(self.expire_prekeys(now)? || due)
    }

    /// Erases prekeys whose time is over, for good. True if there were any: the session must forget
    /// them too. No link is needed for that.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn expire_prekeys(&self, now: Duration) -> Result<bool, StoreError> {
        let over = self.vault.read(|tx| {
            Ok::<_, StoreError>(prekeys(tx)?.iter().any(|prekey| prekey.is_over(now)))
        })?;
        if over {
            self.vault.write(|tx| erase_prekeys(tx, now))?;
        }
        Ok(over)
    }

    /// Puts another mailbox in the place of one that is lost for good, and has every contact told.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn replace_mailbox(
        &self,
        from: NodeNumber,
        to: NodeNumber,
        now: Duration,
    ) -> Result<(), StoreError> {
        self.vault.write(|tx| {
            let mut account = account(tx)?;
            if account.replace_mailbox(from, to, now) {
                account.address_version += 1;
                save(tx, &account)?;
                contact::tell_all_later(tx, now, TELLING)?;
            }
            Ok(())
        })
    }
}

/// Puts a new client's keys into the store.
pub(super) fn found(
    tx: &mut WriteTx<'_>,
    profile: &Profile,
    now: Duration,
) -> Result<(), StoreError> {
    let (account, prekey) = AccountRecord::new(profile, now);
    save(tx, &account)?;
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
        contact::tell_all_later(tx, now, TELLING)?;
    }
    Ok(())
}

/// Begins an address version after an older copy of the store. Its number is above all that the
/// store has told since that copy: address versions are far fewer than seconds. Contacts are told
/// sooner than else, for until then they number their messages on.
pub(super) fn begin_anew(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    let mut account = account(tx)?;
    account.address_version = account.address_version.max(now.as_secs());
    next_prekey(tx, &mut account, now)?;
    save(tx, &account)?;
    contact::tell_all_later(tx, now, TELLING_ANEW)
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
    for mut old in prekeys(tx)? {
        if old.supersede(now) {
            put_prekey(tx, &old)?;
        }
    }
    put_prekey(tx, &new)
}

/// Removes prekeys whose time is over, for good, and the marks of what they have opened.
fn erase_prekeys(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    for old in prekeys(tx)?.iter().filter(|old| old.is_over(now)) {
        opened::forget(tx, old.id())?;
        tx.remove(PREKEYS, &old.address_version.to_be_bytes())?;
    }
    Ok(())
}

/// The newest address, as a contact hears it.
pub(super) fn newest(tx: &ReadTx<'_>, counts_since: u32) -> Result<Address, StoreError> {
    let account = account(tx)?;
    let contact = account.profile(&prekeys(tx)?).account.contact();
    Ok(Address { version: account.address_version, counts_since, contact })
}

/// Takes an address that a contact has told, if it is newer and the contact's own. If the contact
/// counts anew, so does this side: what waits for it gets new numbers.
pub(super) fn take(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    address: Address,
    now: Duration,
) -> Result<Option<(Address, bool)>, StoreError> {
    let Some(mut known) = contact::by_key(tx, sender)? else {
        return Ok(None);
    };
    let own = address.contact.identity.key_id() == sender;
    // Who removes a contact and adds it again counts anew in the same address version.
    let newer =
        (address.version, address.counts_since) > (known.address.version, known.counted_since);
    if !own || !newer {
        return Ok(None);
    }
    let anew = known.counted_since != 0 && known.counted_since != address.counts_since;
    known.counted_since = address.counts_since;
    known.address = address.clone();
    if anew {
        let incarnation = next_incarnation(tx, now)?;
        outbox::renumber(tx, &mut known, incarnation)?;
    }
    contact::put(tx, &known)?;
    Ok(Some((address, anew)))
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

const ACCOUNT: &[u8] = b"account";
/// Prekeys by address version. Erasable: whoever seizes the file later must not find the prekeys of
/// before.
pub(super) const PREKEYS: KeyedTable = KeyedTable::erasable("prekeys");
/// Minutes online within which each contact is told of a newer address, at a time that is drawn for
/// it alone. Were all told at once, who sees which mailboxes get a letter at that moment would know
/// the contacts after a few days.
const TELLING: u64 = 12 * 60;
/// The same after an older copy of the store.
const TELLING_ANEW: u64 = 60;
