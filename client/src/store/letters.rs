//! Letters that have come, and the messages that are complete by them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rohrpost_packet::envelope::{EnvelopeMark, Fragment, KeyId, Kind};
use rohrpost_proto::courier::{Complete, Receipt, is_written_anew};
use rohrpost_vault::WriteTx;

use super::error::StoreError;
use super::file::Store;
use super::inbox::Incoming;
use super::{address_versions, exchange, fragments, inbox, opened, told};
use crate::address::Address;

/// A complete message, by its kind.
pub enum Completed {
    /// The message is for the reader.
    Message(Incoming),
    /// The message tells a contact's newest address.
    Address(Box<Address>),
}

/// End of what has come from a contact, beside the messages that are told of.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Number before which every message is over.
    pub below: u64,
    /// Number before which the contact knows what has come.
    pub floor: u64,
    /// Fragments of a short message at most: short ones keep their order, and long ones theirs.
    pub short: u32,
}

/// A message of which fragments were not stored, because its sender has no room for them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Refused {
    /// The contact that sent the message.
    pub sender: KeyId,
    kind: u8,
    sequence: u64,
}

impl Refused {
    /// True if a letter carried a fragment of the message.
    #[must_use]
    pub fn is_of(&self, receipt: &Receipt) -> bool {
        let Receipt { sender, kind, sequence, .. } = receipt;
        (self.sender, self.kind, self.sequence) == (*sender, kind.byte(), *sequence)
    }
}

impl Store {
    /// Stores fragments that have come, and sender and mark of all letters that were opened, with
    /// these fragments or with others that were stored before: their senders are owed an
    /// acknowledgement. When this returns, all that is on the disk, by one transaction. A fragment
    /// from someone who is no contact any more, or is blocked, is not stored. One whose sender has
    /// no room for it is not either, and its message is among those that are given back: of such
    /// a fragment the sender must not hear that it has come.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn store_letters<'l>(
        &self,
        fragments: impl IntoIterator<Item = (KeyId, &'l Fragment)>,
        letters: impl IntoIterator<Item = (KeyId, EnvelopeMark)>,
        now: Duration,
    ) -> Result<BTreeSet<Refused>, StoreError> {
        let (senders, marks): (BTreeSet<_>, Vec<_>) = letters.into_iter().unzip();
        let mut messages: BTreeMap<_, Vec<&Fragment>> = BTreeMap::new();
        for (sender, fragment) in fragments {
            let name = (sender, fragment.kind.byte(), fragment.sequence);
            let one = (name, *fragment.message.as_bytes(), fragment.position.count);
            messages.entry(one).or_default().push(fragment);
        }
        self.vault.write(|tx| {
            opened::remember(tx, marks)?;
            for sender in senders {
                owe(tx, sender, true)?;
            }
            let mut welcome = BTreeMap::new();
            let mut refused = BTreeSet::new();
            for (((sender, kind, sequence), ..), fragments) in messages {
                if let Entry::Vacant(new) = welcome.entry(sender) {
                    new.insert(exchange::with(tx, sender)?.is_some_and(|with| !with.blocked));
                }
                if welcome[&sender] && !fragments::store(tx, sender, &fragments, now)? {
                    refused.insert(Refused { sender, kind, sequence });
                }
            }
            Ok(refused)
        })
    }

    /// Notes that the acknowledgement of all that has come from a contact has left.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn acknowledgement_sent(&self, to: KeyId) -> Result<(), StoreError> {
        self.vault.write(|tx| owe(tx, to, false))
    }

    /// Takes note, in one step, of complete messages and of all that is over by them. A message
    /// that came before, in another incarnation of its sender, does not come again. One that is whole
    /// under a number of such an incarnation, and that its sender has forgotten with it, comes before
    /// what the sender wrote afterwards.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn complete(
        &self,
        sender: KeyId,
        messages: &[Complete],
        Bounds { below, floor, short }: Bounds,
        now: Duration,
    ) -> Result<Vec<Completed>, StoreError> {
        self.vault.write(|tx| {
            let mut completed = Vec::new();
            for complete in messages {
                take_left_behind(tx, sender, complete, short, now, &mut completed)?;
                completed.extend(take(tx, sender, complete, now)?);
            }
            if let Some(mut with) = exchange::with(tx, sender)? {
                with.below = below;
                exchange::put(tx, sender, &with)?;
                let content = messages.iter().filter(|complete| complete.kind == Kind::Content);
                told::remember(tx, sender, content.copied(), floor)?;
            }
            fragments::drop_below(tx, sender, Kind::Content, below)?;
            Ok(completed)
        })
    }
}

/// Notes whether a contact is owed an acknowledgement.
fn owe(tx: &mut WriteTx<'_>, to: KeyId, owes: bool) -> Result<(), StoreError> {
    match exchange::with(tx, to)?.filter(|with| with.owes != owes) {
        Some(mut with) => {
            with.owes = owes;
            exchange::put(tx, to, &with)
        }
        None => Ok(()),
    }
}

/// Shows what is whole under numbers of older incarnations of its sender, before a message that was
/// written after them.
fn take_left_behind(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    complete: &Complete,
    short: u32,
    now: Duration,
    completed: &mut Vec<Completed>,
) -> Result<(), StoreError> {
    if complete.kind != Kind::Content || !is_written_anew(complete.sequence) {
        return Ok(());
    }
    let keeps_order = |count| (count <= short) == (complete.fragments <= short);
    for (id, whole) in fragments::take_left_behind(tx, sender, complete.sequence, keeps_order)? {
        let incoming = inbox::take_content(tx, sender, id, &whole, now)?;
        completed.extend(incoming.map(Completed::Message));
    }
    Ok(())
}

/// Moves a complete message to where it belongs.
fn take(
    tx: &mut WriteTx<'_>,
    sender: KeyId,
    complete: &Complete,
    now: Duration,
) -> Result<Option<Completed>, StoreError> {
    let Some(whole) = fragments::take(tx, sender, complete)? else {
        return Ok(None);
    };
    match complete.kind {
        Kind::Address => {
            fragments::drop_below(tx, sender, Kind::Address, complete.sequence.saturating_add(1))?;
            let Some(body) = whole.body else {
                return Ok(None);
            };
            let address = Address::decode(&body.read(tx)?);
            body.forget(tx)?;
            let Ok(address) = address else {
                return Ok(None);
            };
            let newer = address_versions::take(tx, sender, address)?;
            Ok(newer.map(Box::new).map(Completed::Address))
        }
        Kind::Content => {
            let incoming = inbox::take_content(tx, sender, complete.message, &whole, now)?;
            Ok(incoming.map(Completed::Message))
        }
        Kind::Acknowledgement | Kind::Loop => Ok(None),
    }
}
