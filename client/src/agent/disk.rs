//! Trouble of the disk under the store, and how a client gets over it.
//!
//! What cannot be stored must not be taken from a mailbox: while the store cannot be written, the
//! client is off the network. It opens the store again at once, so that what is there can be read;
//! tries after longer and longer pauses whether it can be written; and then begins a session from
//! what the store has, as at its start. After an hour it ends with the error, for whoever has
//! started it to act on.

use super::error::AgentError;
use super::progress::Progress;
use super::task::AgentTask;
use crate::api::Notice;
use crate::session::Session;
use crate::store::Store;

impl AgentTask {
    /// Sees to the store after a step of the client: notices that the disk has failed, and tries
    /// whether it is well again when it is time.
    ///
    /// # Errors
    /// The disk has failed for too long.
    pub(super) fn look_after_disk(&mut self) -> Result<(), AgentError> {
        let now = self.clocks.instant();
        if let Some(why) = self.store.has_failed() {
            if self.trouble.begin(now) {
                self.leave_network(why);
            }
            // Whether it opens is seen at the next try.
            let _ = self.store.reopen();
        }
        if self.trouble.next_try().is_none_or(|next| now < next) {
            return Ok(());
        }
        match self.return_to_network() {
            Ok(()) => {
                self.trouble.end(now);
                self.watch.disk_trouble(None);
                self.notify(Notice::Store { trouble: None });
            }
            Err(error) => {
                self.watch.disk_trouble(Some(error.to_string()));
                if !self.trouble.go_on(now) {
                    return Err(error);
                }
                let _ = self.store.reopen();
            }
        }
        Ok(())
    }

    /// Ends the session: nothing is pulled that could not be stored.
    fn leave_network(&mut self, why: String) {
        self.session = Session::offline();
        // They come again.
        self.letters.drain();
        (self.online, self.connected, self.served) = (false, false, false);
        self.watch.disk_trouble(Some(why.clone()));
        self.notify(Notice::Store { trouble: Some(why) });
    }

    /// Begins a session from what the store has, if that can be written.
    fn return_to_network(&mut self) -> Result<(), AgentError> {
        if self.store.has_failed().is_some() {
            self.store.reopen()?;
        }
        self.store.with(Store::try_disk)?;
        let mut progress = Progress::new(&self.network);
        progress.load(&self.store.with(Store::outbox)?);
        self.session = (self.begin)(&self.network, &self.store, self.entrance.present())?;
        self.progress = progress;
        // The session tells of it again.
        self.untaken.clear();
        Ok(())
    }
}
