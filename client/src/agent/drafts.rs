//! What is on its way into the store: contents, and files that are read aside and a part at a time, so
//! that a slow disk holds up nobody and no file is in memory as a whole.

use std::sync::Weak;

use crate::content::Content;
use crate::store::{BodyId, Draft};

/// What is to be sent, as the store takes it.
pub(super) enum Outbound {
    Content(Content),
    Draft(Box<Draft>),
}

/// Drafts that somebody may still accept. There are as many as requests that are being answered.
#[derive(Default)]
pub(super) struct Drafts(Vec<(BodyId, Weak<()>)>);

impl Drafts {
    /// Watches a draft, from its first part on.
    pub(super) fn watch(&mut self, draft: &Draft) {
        if self.0.iter().all(|(id, _)| *id != draft.id()) {
            self.0.push((draft.id(), draft.alive()));
        }
    }

    /// Forgets the drafts that nobody has any more; true if there were any.
    pub(super) fn sweep(&mut self) -> bool {
        let before = self.0.len();
        self.0.retain(|(_, alive)| alive.strong_count() > 0);
        self.0.len() < before
    }

    pub(super) fn contains(&self, id: BodyId) -> bool {
        self.0.iter().any(|(known, _)| *known == id)
    }
}
