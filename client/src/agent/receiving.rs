//! Receiving: from the session to the disk, and back to the session as a receipt.

use std::collections::BTreeSet;

use rohrpost_packet::envelope::KeyId;

use super::letters::Letter;
use super::task::AgentTask;
use crate::store::{Refused, SHORT};

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
        let refused = match self.store.with(|store| store.store_letters(fragments, marks)) {
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
        self.note_room(&letters, &refused);
        senders
    }

    /// Takes note of who has no more room for what is not complete, and who has again.
    fn note_room(&mut self, letters: &[Letter], refused: &BTreeSet<Refused>) {
        let long = |letter: &&Letter| {
            letter.fragment.as_ref().is_some_and(|fragment| fragment.position.count > SHORT)
        };
        for letter in letters.iter().filter(long) {
            self.watch.has_room(letter.receipt.sender);
        }
        for sender in refused.iter().map(|one| one.sender) {
            match self.store.with(|store| store.name_of(sender)) {
                Ok(name) => self.watch.full(sender, name),
                Err(error) => self.watch.store_trouble(&error),
            }
        }
    }
}
