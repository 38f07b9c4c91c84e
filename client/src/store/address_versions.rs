//! Versions of the own address and of contacts' addresses: who is told what.

use std::time::Duration;

use rohrpost_network::Network;
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{KeyId, Kind};
use rohrpost_vault::{KeyedTable, ReadTx, WriteTx};

use super::account::{AccountRecord, OldKeys, PREKEY_LIFETIME, PrekeyRecord};
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
            let contact = account(tx)?.on_card(&prekeys(tx)?);
            Ok(Card::new(network.roster.network_id, contact, now))
        })
    }

    /// Begins a new address version if a day has passed, and has every contact told; prekeys whose
    /// time is over are gone for good. True if there is something new for the session.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn roll(&self, now: Duration) -> Result<bool, StoreError> {
        let (due, over) = self.vault.read(|tx| {
            let over = prekeys(tx)?.iter().any(|prekey| prekey.is_over(now));
            Ok::<_, StoreError>((account(tx)?.is_due(now), over))
        })?;
        if due {
            self.vault.write(|tx| roll(tx, now, OldKeys::Accept))?;
        } else if over {
            // Address versions begin a little later each day, and a prekey's end does not wait for
            // that.
            self.vault.write(|tx| erase_prekeys(tx, now))?;
        }
        Ok(due || over)
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
            if account.replace_mailbox(from, to) {
                account.address_version += 1;
                save(tx, &account)?;
                notify_all(tx, now)?;
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

/// Begins a new address version and has every contact told.
pub(super) fn roll(tx: &mut WriteTx<'_>, now: Duration, old: OldKeys) -> Result<(), StoreError> {
    let mut account = account(tx)?;
    let new = account.roll(now, old);
    for mut old in prekeys(tx)?.into_iter().filter(|old| old.superseded.is_none()) {
        old.superseded = Some(now.as_secs());
        put_prekey(tx, &old)?;
    }
    erase_prekeys(tx, now)?;
    put_prekey(tx, &new)?;
    save(tx, &account)?;
    notify_all(tx, now)
}

/// Begins an address version after an older copy of the store. Its number is above all that the
/// store has told since that copy: address versions are far fewer than seconds.
pub(super) fn begin_anew(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    let mut account = account(tx)?;
    account.address_version = account.address_version.max(now.as_secs());
    save(tx, &account)?;
    roll(tx, now, OldKeys::Accept)
}

/// Removes prekeys whose time is over, for good, and the marks of what they have opened.
fn erase_prekeys(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    for old in prekeys(tx)?.iter().filter(|old| old.is_over(now)) {
        opened::forget(tx, old.id())?;
        tx.remove(PREKEYS, &old.address_version.to_be_bytes())?;
    }
    Ok(())
}

fn notify_all(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    for contact in contact::contacts(tx)?.into_iter().filter(|contact| !contact.blocked) {
        notify(tx, contact.key(), now)?;
    }
    Ok(())
}

/// Puts a message into the outbox that tells a contact the newest address. The message is of use as
/// long as its prekey is there.
pub(super) fn notify(tx: &mut WriteTx<'_>, to: KeyId, now: Duration) -> Result<(), StoreError> {
    let account = account(tx)?;
    let Some(known) = contact::by_key(tx, to)? else {
        return Ok(());
    };
    let contact = account.profile(&prekeys(tx)?).account.contact();
    let (version, counts_since) = (account.address_version, known.counts_since);
    let body = Address { version, counts_since, contact }.encode();
    let len = u64::try_from(body.len()).unwrap_or(0);
    let expires = now + PREKEY_LIFETIME;
    let draft = outbox::Draft { to, kind: Kind::Address, name: None, len, expires };
    outbox::accept(tx, draft, &body, now).map(drop)
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

pub(super) fn account(tx: &ReadTx<'_>) -> Result<AccountRecord, StoreError> {
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
