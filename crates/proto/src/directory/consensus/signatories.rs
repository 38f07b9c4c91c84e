//! Signatories: the relays that vote and sign for the agencies, one for each.

use std::collections::BTreeSet;

use rohrpost_packet::NodeNumber;

use crate::directory::roster::Roster;
use crate::time::Slot;

/// The relays that vote and sign, and how many must. An agency is heard through its relay of the
/// lowest number, however many it runs, so that no two of them sign differently by mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signatories {
    /// By number: as many as there are agencies with a relay.
    relays: Vec<NodeNumber>,
    threshold: usize,
}

impl Signatories {
    /// The signatories of a roster. Where each agency runs a relay, as many must sign a document as must
    /// sign a roster. Where some run none, it is the least number of the others for which two documents
    /// of one slot take a third of them that lie: 3k ≥ 2n + 1, as trust roots have it.
    #[must_use]
    pub fn of(roster: &Roster) -> Self {
        let mut operators = BTreeSet::new();
        let first = roster.relays().filter(|relay| operators.insert(relay.operator.as_str()));
        let relays: Vec<_> = first.map(|relay| relay.number).collect();
        let count = relays.len();
        let all = count == roster.agencies;
        let threshold = if all { roster.threshold } else { (2 * count + 1).div_ceil(3) };
        Self { relays, threshold }
    }

    /// The relay whose turn it is to propose the document of a slot; none if there is no relay.
    #[must_use]
    pub fn proposer(&self, slot: Slot) -> Option<NodeNumber> {
        let count = u64::try_from(self.relays.len()).ok()?;
        let turn = slot.number().checked_rem(count)?;
        self.relays.get(usize::try_from(turn).ok()?).copied()
    }

    /// True if this relay votes and signs for an agency.
    #[must_use]
    pub fn contains(&self, relay: NodeNumber) -> bool {
        self.relays.contains(&relay)
    }

    /// Signatures that a document needs.
    #[must_use]
    pub const fn threshold(&self) -> usize {
        self.threshold
    }

    /// The relays, by number.
    pub fn iter(&self) -> impl Iterator<Item = NodeNumber> {
        self.relays.iter().copied()
    }

    /// Number of the relays.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.relays.len()
    }

    /// True if no agency has a relay.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.relays.is_empty()
    }
}
