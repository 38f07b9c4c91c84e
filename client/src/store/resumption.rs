//! Memory of former sessions in the store, by which a session goes on.

use std::collections::{BTreeMap, HashMap};

use rohrpost_packet::envelope::KeyId;
use rohrpost_proto::courier::{Memory, Part};
use rohrpost_proto::time::Time;
use rohrpost_vault::ReadTx;

use super::contact::{self, KnownContact};
use super::error::StoreError;
use super::file::Store;
use super::{address_versions, announcements, fragments, opened, outbox, told};
use crate::session::{Correspondent, Resumption};

impl Store {
    /// All that a session goes on with: the contacts, and the marks of letters that were opened.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn resumption(&self) -> Result<Resumption, StoreError> {
        let opened = self.vault.read(opened::all)?;
        Ok(Resumption { contacts: self.correspondents()?, opened })
    }

    /// The contacts as a session takes them, each with what is in the store of its unfinished
    /// messages. Blocked contacts are not among them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn correspondents(&self) -> Result<Vec<Correspondent>, StoreError> {
        self.vault.read(|tx| {
            let (open, newest) = (outbox::first_open(tx)?, address_versions::version(tx)?);
            let mut parts: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for (sender, part) in fragments::parts(tx)? {
                parts.entry(sender).or_default().push(part);
            }
            let mut correspondents = Vec::new();
            for known in contact::contacts(tx)?.into_iter().filter(|known| !known.blocked()) {
                let parts = parts.remove(&known.key()).unwrap_or_default();
                correspondents.push(correspondent(tx, known, &open, parts, newest)?);
            }
            Ok(correspondents)
        })
    }

    /// One contact as a session takes it; none if there is none, or it is blocked.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn correspondent(&self, key: KeyId) -> Result<Option<Correspondent>, StoreError> {
        self.vault.read(|tx| {
            let Some(known) = contact::by_key(tx, key)?.filter(|known| !known.blocked()) else {
                return Ok(None);
            };
            let parts = fragments::parts_of(tx, key)?;
            let newest = address_versions::version(tx)?;
            correspondent(tx, known, &outbox::first_open(tx)?, parts, newest).map(Some)
        })
    }
}

/// A contact with what there is of its unfinished messages.
fn correspondent(
    tx: &ReadTx<'_>,
    known: KnownContact,
    open: &HashMap<KeyId, u64>,
    mut parts: Vec<Part>,
    newest: u64,
) -> Result<Correspondent, StoreError> {
    let due = announcements::is_due(&known.exchange, newest);
    parts.sort_by_key(|part| (part.sequence, part.position.index));
    Ok(Correspondent {
        memory: Memory {
            since: known.exchange.since,
            below: known.exchange.below,
            told: told::of(tx, known.key())?,
            past: told::past_of(tx, known.key())?,
            address: known.address.version,
            heard: Some(Time::from_micros(0) + known.heard()),
            acknowledged: known.exchange.acknowledged(),
            disputed: known.exchange.disputed,
            parts,
            owes: known.exchange.owes,
        },
        open: open.get(&known.key()).copied().unwrap_or(known.exchange.next),
        next: known.exchange.next,
        announcement: due.then(|| announcements::newest(tx, &known.exchange)).transpose()?,
        contact: known.into_contact(),
    })
}
