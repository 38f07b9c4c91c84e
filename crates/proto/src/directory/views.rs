//! The views by which a party builds packets, one after another.

use std::sync::Arc;

use rohrpost_packet::{NodeNumber, Suite};

use crate::directory::carousel::object::Object;
use crate::directory::consensus::document::Member;
use crate::directory::descriptor::DescriptorHash;
use crate::directory::follower::{Follower, News, ObjectRefusal};
use crate::directory::roster::RosterHash;
use crate::directory::view::View;
use crate::time::{Slot, Time};

/// The directory as a party follows it, and the view that it gives. All parties change their views at
/// the same moments, by the starts of the documents: so no packet tells by its keys whose it is.
pub struct Views<S: Suite> {
    follower: Follower,
    /// The document by which the last view was made.
    shown: Option<Shown>,
    /// Time before which nothing changes.
    due: Time,
    view: Option<Arc<View<S>>>,
}

struct Shown {
    slot: Slot,
    roster: RosterHash,
    members: Vec<Member>,
}

/// What holds at a time, against what held before.
pub enum Turn<S: Suite> {
    /// The same as before.
    Same,
    /// Another document, which names the same keys.
    Renewed,
    /// Another view.
    View(Arc<View<S>>),
    /// Nothing any more: what held is stale.
    Stale,
}

impl<S: Suite> Views<S> {
    /// Begins with what a follower knows.
    #[must_use]
    pub const fn new(follower: Follower) -> Self {
        Self { follower, shown: None, due: Time::from_micros(0), view: None }
    }

    /// The directory as it is followed.
    #[must_use]
    pub const fn follower(&self) -> &Follower {
        &self.follower
    }

    /// The view that held last.
    #[must_use]
    pub const fn view(&self) -> Option<&Arc<View<S>>> {
        self.view.as_ref()
    }

    /// Slot of the document that held last.
    #[must_use]
    pub fn slot(&self) -> Option<Slot> {
        self.shown.as_ref().map(|shown| shown.slot)
    }

    /// Takes an object of the directory.
    ///
    /// # Errors
    /// The object is not genuine, or old.
    pub fn take(&mut self, now: Time, object: Object) -> Result<News, ObjectRefusal> {
        let news = self.follower.take(now, object)?;
        if news != News::None {
            self.due = Time::from_micros(0);
        }
        Ok(news)
    }

    /// Counts a descriptor that is there as the one of its node that came last.
    pub fn touch(&mut self, node: NodeNumber, hash: &DescriptorHash) {
        self.follower.touch(node, hash);
    }

    /// Has the next turn bring the view again, for a party that has gone by none meanwhile.
    pub fn withdraw(&mut self) {
        (self.shown, self.view, self.due) = (None, None, Time::from_micros(0));
    }

    /// Time at which the next turn may bring something, unless more is taken before.
    #[must_use]
    pub const fn due(&self) -> Time {
        self.due
    }

    /// What holds at a time, which may lie a little ahead: packets are built by what holds when they
    /// leave.
    pub fn turn(&mut self, at: Time) -> Turn<S> {
        if at < self.due {
            return Turn::Same;
        }
        let timing = self.follower.documents().timing();
        let starts = self.follower.next_start(at).unwrap_or(Time::LATEST);
        let Some(current) = self.follower.current(at) else {
            self.due = starts;
            self.view = None;
            return if self.shown.take().is_some() { Turn::Stale } else { Turn::Same };
        };
        let (document, slot) = (&current.document, current.document.slot);
        self.due = starts.min(timing.start_of(slot) + timing.stale_after());
        let same = |shown: &Shown| {
            shown.roster == document.roster_hash && shown.members == document.members
        };
        match &mut self.shown {
            Some(shown) if shown.slot == slot && same(shown) => Turn::Same,
            Some(shown) if same(shown) => {
                shown.slot = slot;
                Turn::Renewed
            }
            shown => {
                let (roster, members) = (document.roster_hash, document.members.clone());
                *shown = Some(Shown { slot, roster, members });
                let view = Arc::new(View::of(&current));
                self.view = Some(Arc::clone(&view));
                Turn::View(view)
            }
        }
    }
}
