//! Announcements: when each contact is told of the newest address (`docs/delivery.md`).
//!
//! A new address version makes no letter. Each contact has a time of its own, drawn over half a day
//! of the client's time *online*, at which an address leaves by itself; it leaves earlier together
//! with the next message that goes to that contact anyway. The time is counted online, so that
//! what came due while the client was off does not leave at once, to all, when it is back.

use std::time::Duration;

use rohrpost_packet::envelope::{KeyId, Kind};
use rohrpost_vault::WriteTx;

use super::account::PREKEY_LIFETIME;
use super::contact::{self, KnownContact};
use super::error::StoreError;
use super::file::Store;
use super::outbox::{self, Outgoing};
use super::{address_versions, state};

impl Store {
    /// Counts minutes for which the client was online, and puts addresses into the outbox for the
    /// contacts whose time has come. True if there are any.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn announce(&self, minutes: u64, now: Duration) -> Result<bool, StoreError> {
        let waits = |known: &KnownContact| known.untold.is_some();
        if !self.vault.read(|tx| Ok::<_, StoreError>(contact::contacts(tx)?.iter().any(waits)))? {
            return Ok(false);
        }
        self.vault.write(|tx| {
            let minute = state::count_online(tx, minutes)?;
            let due = |known: &KnownContact| {
                let now = now.as_secs();
                known.untold.is_some_and(|untold| {
                    untold.minute <= minute
                        || (untold.versions >= MISSED_VERSIONS && untold.latest <= now)
                })
            };
            let due: Vec<_> = contact::contacts(tx)?.into_iter().filter(due).collect();
            for known in &due {
                tell(tx, known.key(), now)?;
            }
            Ok(!due.is_empty())
        })
    }

    /// Puts an address into the outbox for a contact that has not heard of the newest one, because
    /// a message is to follow it there. None if the contact has been told.
    ///
    /// # Errors
    /// There is no such contact, or the store cannot be written.
    pub fn announce_to(&self, name: &str, now: Duration) -> Result<Option<Outgoing>, StoreError> {
        let known = self.vault.read(|tx| contact::named(tx, name))?;
        if known.untold.is_none() {
            return Ok(None);
        }
        self.vault.write(|tx| tell(tx, known.key(), now))
    }
}

/// Puts the newest address into the outbox for a contact. It is of use as long as its prekey is
/// there.
pub(super) fn tell(
    tx: &mut WriteTx<'_>,
    to: KeyId,
    now: Duration,
) -> Result<Option<Outgoing>, StoreError> {
    let Some(mut known) = contact::by_key(tx, to)? else {
        return Ok(None);
    };
    known.untold = None;
    contact::put(tx, &known)?;
    let body = address_versions::newest(tx, known.counts_since)?.encode();
    let len = u64::try_from(body.len()).unwrap_or(0);
    let expires = now + PREKEY_LIFETIME;
    let draft = outbox::Draft { to, kind: Kind::Address, name: None, len, expires };
    outbox::accept(tx, draft, &body, now).map(Some)
}

/// Tells those contacts at once for whom messages wait, which leave at once too.
pub(super) fn tell_where_mail_waits(tx: &mut WriteTx<'_>, now: Duration) -> Result<(), StoreError> {
    let outbox = outbox::outbox(tx)?;
    let waits =
        |known: &KnownContact| outbox.iter().any(|one| one.to == known.key() && one.is_waiting());
    let untold = contact::contacts(tx)?.into_iter().filter(|known| known.untold.is_some());
    for known in untold.filter(waits) {
        tell(tx, known.key(), now)?;
    }
    Ok(())
}

/// Address versions of which a contact has not heard before it is told at the next opportunity,
/// late. Two are not enough: they begin before and after any long absence, and whoever comes back
/// has the hours before it to tell everybody in.
const MISSED_VERSIONS: u32 = 3;
