//! Announcements: when each contact is told of the newest address (`docs/delivery.md`).
//!
//! An address is state, not a message: it takes no number, waits behind nothing, and only the newest
//! counts. Who has none is told at once. For a newer version each contact has a time of its own,
//! drawn over half a day of the client's time *online*; it leaves earlier together with the next
//! message that goes to that contact anyway. The time is counted online, so that what came due
//! while the client was off does not leave at once, to all, when it is back.

use std::collections::BTreeSet;
use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, Kind, MessageId};
use rohrpost_proto::courier::Message;
use rohrpost_proto::time::Time;
use rohrpost_vault::{ReadTx, WriteTx};
use zeroize::Zeroizing;

use super::contact::{self, KnownContact};
use super::error::StoreError;
use super::file::Store;
use super::{address_versions, outbox, state};
use crate::randomness;

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
    /// to be told of the newest address.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn announce(&self, minutes: u64, now: Duration) -> Result<Vec<KeyId>, StoreError> {
        if self.vault.read(|tx| Ok::<_, StoreError>(tx.count(contact::UNTOLD)))? == 0 {
            return Ok(Vec::new());
        }
        self.vault.write(|tx| {
            let minute = state::count_online(tx, minutes)?;
            let mut told = Vec::new();
            for (key, untold) in contact::untold(tx)? {
                let late = untold.versions >= MISSED_VERSIONS && untold.latest <= now.as_secs();
                if (untold.minute <= minute || late)
                    && let Some(known) = contact::by_key(tx, key)?
                {
                    told.push(tell(tx, known)?);
                }
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
        let known = self.vault.read(|tx| contact::named(tx, name))?;
        if known.untold.is_none() {
            return Ok(None);
        }
        self.vault.write(|tx| tell(tx, known).map(Some))
    }

    /// The newest address as a contact is told it; none if it has it, or is not to have it yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn announcement(&self, to: KeyId) -> Result<Option<Message>, StoreError> {
        self.vault.read(|tx| match contact::by_key(tx, to)? {
            Some(known) => announcement(tx, &known),
            None => Ok(None),
        })
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
            if let Some(mut known) = contact::by_key(tx, to)?.filter(|known| known.told < version) {
                known.told = version;
                contact::put(tx, &known)?;
            }
            Ok(if version == newest { AddressKnown::Newest } else { AddressKnown::Older })
        })
    }
}

/// Lets a contact be told of the newest address from now on.
fn tell(tx: &mut WriteTx<'_>, mut known: KnownContact) -> Result<KeyId, StoreError> {
    known.untold = None;
    contact::put(tx, &known)?;
    Ok(known.key())
}

/// The newest address for a contact that is to have it and has not.
pub(super) fn announcement(
    tx: &ReadTx<'_>,
    known: &KnownContact,
) -> Result<Option<Message>, StoreError> {
    let newest = address_versions::version(tx)?;
    if known.blocked || known.untold.is_some() || known.told >= newest {
        return Ok(None);
    }
    let body = Zeroizing::new(address_versions::newest(tx)?.encode());
    Ok(Some(Message {
        id: MessageId::random(&mut randomness::rng()),
        kind: Kind::Address,
        sequence: newest,
        minutes: 0,
        expires: Time::from_micros(u64::MAX),
        left: None,
        body,
    }))
}

/// Tells those contacts at once for whom messages wait, which leave at once too.
pub(super) fn tell_where_mail_waits(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    let waits: BTreeSet<_> = outbox::open(tx)?.into_iter().map(|one| one.to).collect();
    for key in waits {
        if let Some(known) = contact::by_key(tx, key)?.filter(|known| known.untold.is_some()) {
            tell(tx, known)?;
        }
    }
    Ok(())
}

/// Address versions of which a contact has not heard before it is told at the next opportunity,
/// late. Two are not enough: they begin before and after any long absence, and whoever comes back
/// has the hours before it to tell everybody in.
const MISSED_VERSIONS: u32 = 3;
