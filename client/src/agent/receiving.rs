//! Receiving: from the session to the disk, and back to the session as a receipt; and who has no
//! room there.

use std::collections::BTreeSet;

use rohrpost_packet::envelope::KeyId;

use super::letters::Letter;
use super::listing::contact_id;
use super::room::sentence;
use super::task::AgentTask;
use crate::api::Notice;
use crate::store::{NoRoom, Store, StoreError};

impl AgentTask {
    pub(super) fn take_letter(&mut self, letter: Letter) {
        self.letters.take(letter, self.clocks.instant());
    }

    /// Writes the letters if it is time. Gives the contacts whose letters were written.
    pub(super) async fn commit_due_letters(&mut self) -> BTreeSet<KeyId> {
        let now = self.clocks.instant();
        if self.letters.due().is_none_or(|due| now < due) {
            return BTreeSet::new();
        }
        self.commit_letters().await
    }

    /// Writes all letters, in one transaction, and has the session acknowledge those that are
    /// stored. Gives the contacts whose letters were written. What cannot be written is not
    /// acknowledged.
    pub(super) async fn commit_letters(&mut self) -> BTreeSet<KeyId> {
        let letters = self.letters.drain();
        if letters.is_empty() {
            return BTreeSet::new();
        }
        let of = |letter: &Letter| letter.receipt.sender;
        let fragments = letters.iter().filter_map(|it| Some((of(it), &**it.fragment.as_ref()?)));
        let marks = letters.iter().map(|letter| (of(letter), letter.receipt.mark));
        let now = self.now();
        let refused = match self.store.with(|store| store.store_letters(fragments, marks, now)) {
            Ok(refused) => refused,
            Err(error) => {
                self.watch.store_trouble(&error);
                return BTreeSet::new();
            }
        };
        let senders = letters.iter().map(of).collect();
        let is_refused = |letter: &Letter| {
            letter.fragment.is_some() && refused.iter().any(|one| one.is_of(&letter.receipt))
        };
        for letter in letters.iter().filter(|letter| !is_refused(letter)) {
            self.session.commit(letter.receipt).await;
        }
        if !refused.is_empty() || self.room.is_short() {
            self.tell_room();
        }
        senders
    }

    /// Tells of contacts that have no room since it was told of last, and of those that have again.
    pub(super) fn tell_room(&mut self) {
        if let Err(error) = self.try_tell_room() {
            self.watch.store_trouble(&error);
        }
    }

    fn try_tell_room(&mut self) -> Result<(), StoreError> {
        let (new, again) = self.room.renew(&self.store.with(Store::without_room)?);
        for one in &new {
            self.notify_room(one, Some(self.room_problem(one)?))?;
        }
        again.iter().try_for_each(|one| self.notify_room(one, None))
    }

    fn notify_room(&self, one: &NoRoom, trouble: Option<String>) -> Result<(), StoreError> {
        let (contact, name) = (contact_id(one.contact), self.called(one.contact)?);
        let NoRoom { bytes, limit, .. } = *one;
        self.notify(Notice::Room { contact, name, bytes, limit, trouble });
        Ok(())
    }

    /// Sentences on all contacts that have no room.
    pub(super) fn room_problems(&self) -> Result<Vec<String>, StoreError> {
        let without = self.store.with(Store::without_room)?;
        without.iter().map(|one| self.room_problem(one)).collect()
    }

    fn room_problem(&self, one: &NoRoom) -> Result<String, StoreError> {
        Ok(sentence(&self.called(one.contact)?, one))
    }

    /// Name of a contact, or its id if it is none any more.
    fn called(&self, key: KeyId) -> Result<String, StoreError> {
        let name = self.store.with(|store| store.name_of(key))?;
        Ok(if name.is_empty() { contact_id(key) } else { name })
    }
}
