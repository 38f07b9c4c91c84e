//! Announcements: when each contact is told of the newest address (`docs/delivery.md`).
//!
//! An address is state, not a message: it takes no number, waits behind nothing, and only the newest
//! counts. Who has none is told at once. For a newer version each contact has a time of its own
//! (`rounds`), drawn over half a day of the client's time *online*; it leaves earlier together with the next
//! message that goes to that contact anyway. The time is counted online, so that what came due
//! while the client was off does not leave at once, to all, when it is back.

use std::collections::BTreeSet;
use std::time::Duration;

use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::Message;
use rohrpost_vault::{ReadTx, WriteTx};

use super::error::StoreError;
use super::exchange::{self, Exchange};
use super::file::Store;
use super::{address_versions, contact, outbox, rounds, state};
use crate::address::Address;

/// What a contact knows of this client's address, after it has acknowledged one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressKnown {
    /// The contact has the newest.
    Newest,
    /// The contact has an older one.
    Older,
    /// The contact has one of which this client does not know: the store is an older copy.
    Newer,
}

impl Store {
    /// Counts minutes for which the client was online, and gives the contacts whose time has come
    /// to be told of the newest address. Where that are many, some of them at a time.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn announce(&self, minutes: u64, now: Duration) -> Result<Vec<KeyId>, StoreError> {
        if self.vault.read(rounds::are_over)? {
            return Ok(Vec::new());
        }
        self.vault.write(|tx| {
            let online = state::count_online(tx, minutes)?;
            let mut told = Vec::new();
            for key in rounds::take_due(tx, online, now)? {
                told.extend(tell(tx, key)?);
            }
            Ok(told)
        })
    }

    /// Has a contact told of the newest address now, because a message is to follow it there. Gives
    /// the contact, unless it was told before.
    ///
    /// # Errors
    /// There is no such contact, or the store cannot be written.
    pub fn announce_to(&self, name: &str) -> Result<Option<KeyId>, StoreError> {
        let (known, newest) = self.vault.read(|tx| {
            Ok::<_, StoreError>((contact::named(tx, name)?, address_versions::version(tx)?))
        })?;
        if known.exchange.telling >= newest {
            return Ok(None);
        }
        self.vault.write(|tx| tell(tx, known.key()))
    }

    /// The newest address as a contact is told it; none if it has it, or is not to have it yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn announcement(&self, to: KeyId) -> Result<Option<Message>, StoreError> {
        self.vault.read(|tx| match exchange::with(tx, to)? {
            Some(with) if is_due(&with, address_versions::version(tx)?) => {
                newest(tx, &with).map(Some)
            }
            _ => Ok(None),
        })
    }

    /// Notes that an own address of this version has left for a contact, for the first or another
    /// time.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn announced(
        &self,
        to: KeyId,
        version: u64,
        times: u32,
        now: Duration,
    ) -> Result<(), StoreError> {
        self.vault.write(|tx| match exchange::with(tx, to)? {
            Some(with) => {
                let announced = Some((now.as_secs(), times));
                let telling = with.telling.max(version);
                exchange::put(tx, to, &Exchange { announced, telling, ..with })
            }
            None => Ok(()),
        })
    }

    /// The newest address, with which those are told who are being told an older one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn address(&self) -> Result<Address, StoreError> {
        self.vault.read(address_versions::newest)
    }

    /// Notes the version of the newest own address that a contact has acknowledged.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn address_acknowledged(
        &self,
        to: KeyId,
        version: u64,
    ) -> Result<AddressKnown, StoreError> {
        self.vault.write(|tx| {
            let newest = address_versions::version(tx)?;
            if version > newest {
                return Ok(AddressKnown::Newer);
            }
            if let Some(mut with) = exchange::with(tx, to)?.filter(|with| with.told < version) {
                (with.told, with.announced) = (version, None);
                if let Some(without) = with.without.take() {
                    rounds::has_one(tx, without)?;
                }
                exchange::put(tx, to, &with)?;
            }
            Ok(if version == newest { AddressKnown::Newest } else { AddressKnown::Older })
        })
    }
}

/// Lets a contact be told of the newest address from now on. Gives the contact, unless it was told
/// before, or nothing goes to it.
pub(super) fn tell(tx: &mut WriteTx<'_>, key: KeyId) -> Result<Option<KeyId>, StoreError> {
    let newest = address_versions::version(tx)?;
    let waits = |with: &Exchange| !with.blocked && with.telling < newest;
    let Some(mut with) = exchange::with(tx, key)?.filter(waits) else {
        return Ok(None);
    };
    with.telling = newest;
    exchange::put(tx, key, &with)?;
    Ok(Some(key))
}

/// True if a contact has not the newest address, of this version, and is to have it. Who has none
/// does not wait for its turn.
pub(super) const fn is_due(with: &Exchange, newest: u64) -> bool {
    !with.blocked && with.told < newest && (with.told == 0 || with.telling >= newest)
}

/// The newest address as a contact is told it.
pub(super) fn newest(tx: &ReadTx<'_>, with: &Exchange) -> Result<Message, StoreError> {
    let address = address_versions::newest(tx)?;
    let (version, body) = (address.version, address.encode());
    let message = Message::address(version, &body);
    Ok(Message { left: with.announced(), ..message })
}

/// Tells those contacts at once for whom messages wait, which leave at once too.
pub(super) fn tell_where_mail_waits(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    let waits: BTreeSet<_> = outbox::open(tx)?.into_iter().map(|one| one.to).collect();
    waits.into_iter().try_for_each(|key| tell(tx, key).map(drop))
}
