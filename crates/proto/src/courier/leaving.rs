//! Relays that leave: whose documents are without them, and which work on until their mailboxes are empty
//! and their clients have what comes to them (`docs/directory.md`, Descriptors).
//!
//! Nobody stores there any more. Whoever has a mailbox there, or enters there, goes on for the longest way
//! of a packet with the key by which the last document named the relay. All do so for as long, so that key
//! tells nothing of whose view a packet is built by.

use std::collections::BTreeMap;
use std::sync::Arc;

use rohrpost_packet::{HopPublicKey, NodeNumber, Suite};

use crate::directory::view::View;
use crate::time::Steady;

/// The own relays, of entry and mailboxes, by the keys that documents named last.
pub(super) struct Leaving<S: Suite> {
    last: BTreeMap<NodeNumber, LastKey<S>>,
    /// The newest view with those relays that are leaving, and until when it is gone by.
    reach: Option<(Arc<View<S>>, Steady)>,
}

struct LastKey<S: Suite> {
    key: HopPublicKey<S>,
    /// Time until which the relay is there, if the newest view is without it.
    until: Option<Steady>,
}

impl<S: Suite> Default for Leaving<S> {
    fn default() -> Self {
        Self { last: BTreeMap::new(), reach: None }
    }
}

impl<S: Suite> Leaving<S> {
    /// Takes note of a view; `own` are the relays that matter.
    pub(super) fn note(
        &mut self,
        now: Steady,
        view: &View<S>,
        own: impl IntoIterator<Item = NodeNumber>,
    ) {
        let mut before = std::mem::take(&mut self.last);
        for relay in own {
            let last = match view.key(relay) {
                Some(key) => Some(LastKey { key: key.clone(), until: None }),
                None => before.remove(&relay).map(|LastKey { key, until }| {
                    let until = until.unwrap_or_else(|| now + view.roster().way());
                    LastKey { key, until: Some(until) }
                }),
            };
            self.last.extend(last.map(|last| (relay, last)));
        }
        let there =
            self.last.iter().filter(|(_, last)| last.until.is_some_and(|until| until > now));
        let keys: BTreeMap<_, _> =
            there.clone().map(|(relay, last)| (*relay, last.key.clone())).collect();
        let until = there.filter_map(|(_, last)| last.until).max();
        self.reach = until.map(|until| (Arc::new(view.and(keys)), until));
    }

    /// The view by which own mailboxes are pulled, where relays are leaving.
    pub(super) fn reach(&self, now: Steady) -> Option<Arc<View<S>>> {
        let (view, until) = self.reach.as_ref()?;
        (now < *until).then(|| Arc::clone(view))
    }
}
