//! Relays that are gone, as the network documents show it: letters for mailboxes there go where the
//! next mailboxes of their owners will be.

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_packet::{NodeNumber, Suite};

use crate::directory::view::View;
use crate::time::Steady;

/// Relays of the roster that the newest view does not name, and since when none has. As many entries
/// as the roster has relays, at most.
///
/// A relay that is started anew is away for some minutes, and its mailboxes are there again after that:
/// so an absence counts after hours. Whoever makes a client's documents could leave relays out of them
/// for so long, for this client alone. A relay in the same hands, at which a next mailbox is to be, then
/// sees that somebody who enters there stores for it, and later whose it is.
#[derive(Default)]
pub(super) struct Absences {
    since: BTreeMap<NodeNumber, Steady>,
}

impl Absences {
    /// Takes note of the relays that a view does not name.
    pub(super) fn note<S: Suite>(&mut self, now: Steady, view: &View<S>) {
        let absent = |number: &NodeNumber| view.key(*number).is_none();
        let relays = view.roster().relays().map(|relay| relay.number);
        let now_absent = relays.filter(absent).map(|relay| (relay, now));
        self.since = now_absent
            .map(|(relay, now)| (relay, self.since.get(&relay).copied().unwrap_or(now)))
            .collect();
    }

    /// True if the relay has left the roster, or no view has named it for [`GONE`].
    pub(super) fn is_gone<S: Suite>(&self, now: Steady, view: &View<S>, relay: NodeNumber) -> bool {
        let long = |since: &Steady| now.since(*since) >= GONE;
        view.roster().node(relay).is_none() || self.since.get(&relay).is_some_and(long)
    }
}

/// Time after which a relay that no view names counts as gone: well before its mailboxes' owners give
/// it up, for a client may be online for a working day at a time.
const GONE: Duration = Duration::from_hours(3);
