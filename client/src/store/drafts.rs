//! Drafts: files that are put into the store part by part, before they are messages.
//!
//! A draft is nothing until it is accepted. What its program or a power cut leaves of it is removed
//! ([`Store::discard_drafts`]).

use std::sync::{Arc, Weak};
use std::time::Duration;

use rohrpost_proto::courier::MESSAGE_BYTES;
use rohrpost_vault::{KeyedTable, WriteTx};
use zeroize::Zeroizing;

use super::contact;
use super::error::StoreError;
use super::file::Store;
use super::outbox::bodies::{self, BodyId, BodyWriter};
use super::outbox::{Accepted, Terms, accept};
use crate::content::Content;

/// A file that is on its way into the store.
pub struct Draft {
    body: BodyWriter,
    name: String,
    /// Bytes of the body before the file's.
    head: usize,
    alive: Arc<()>,
}

impl Draft {
    /// A draft of a file of this name, which is made harmless as by [`Content::file`].
    #[must_use]
    pub fn file(name: &str) -> Self {
        let content = Content::file(name, Zeroizing::default());
        let head = content.head();
        let name = content.name().unwrap_or_default().to_owned();
        Self { body: BodyWriter::new(&head), name, head: head.len(), alive: Arc::new(()) }
    }

    /// Name of the draft in the store.
    #[must_use]
    pub const fn id(&self) -> BodyId {
        self.body.id()
    }

    /// What ends with the draft, whether it was accepted or dropped.
    #[must_use]
    pub fn alive(&self) -> Weak<()> {
        Arc::downgrade(&self.alive)
    }
}

impl Store {
    /// Puts a part of the file at the end of its draft. Nothing of the draft can be used after an
    /// error.
    ///
    /// # Errors
    /// The file is too long, or the store cannot be written.
    pub fn extend(&self, mut draft: Draft, part: &[u8]) -> Result<Draft, StoreError> {
        if draft.body.len() + part.len() > MESSAGE_BYTES {
            let len = draft.body.len() - draft.head + part.len();
            return Err(StoreError::TooLong { len, limit: MESSAGE_BYTES - draft.head });
        }
        self.vault.write(|tx| {
            tx.put(DRAFTS, draft.id().as_bytes(), &[])?;
            draft.body.push(tx, part)
        })?;
        Ok(draft)
    }

    /// Accepts a draft as a message for a contact, as [`Store::accept_on`] does. When this returns, the
    /// message is on the disk.
    ///
    /// # Errors
    /// There is no such contact, it is blocked, the message's life is too long, or another was accepted
    /// under its id.
    pub fn accept_draft(
        &self,
        to: &str,
        draft: Draft,
        terms: Terms,
        now: Duration,
    ) -> Result<Accepted, StoreError> {
        let Draft { body, name, alive: _alive, .. } = draft;
        if let Some(before) = self.accepted_before(to, terms, &body.digest())? {
            return Ok(Accepted::Before(before));
        }
        self.vault.write(|tx| {
            let contact = contact::named(tx, to)?;
            tx.remove(DRAFTS, body.id().as_bytes())?;
            let body = body.end(tx)?;
            accept(tx, contact, (Some(&name), body), terms, now).map(Accepted::Now)
        })
    }

    /// Removes the drafts that nobody will accept.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn discard_drafts(&self, keep: impl Fn(BodyId) -> bool) -> Result<(), StoreError> {
        if self.vault.read(|tx| Ok::<_, StoreError>(tx.count(DRAFTS)))? == 0 {
            return Ok(());
        }
        self.vault.write(|tx| discard(tx, keep))
    }
}

fn discard(tx: &mut WriteTx<'_>, keep: impl Fn(BodyId) -> bool) -> Result<(), StoreError> {
    let mut dead = Vec::new();
    for record in tx.iter(DRAFTS)? {
        dead.push(BodyId::decode(&record?.0)?);
    }
    for id in dead.into_iter().filter(|id| !keep(*id)) {
        bodies::remove(tx, id)?;
        tx.remove(DRAFTS, id.as_bytes())?;
    }
    Ok(())
}

/// Bodies that are not a message's yet.
pub(super) const TABLES: [KeyedTable; 1] = [DRAFTS];
const DRAFTS: KeyedTable = KeyedTable::new("outbox drafts");
