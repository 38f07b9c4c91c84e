//! A client's keys and places, as a session takes them.

use crate::randomness;
use rand::seq::{IndexedRandom, SliceRandom};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::Account;
use rohrpost_proto::directory::roster::{Roster, RosterNode};

/// Keys and places of one client.
pub struct Profile {
    /// The relay through which the client enters.
    pub entry: NodeNumber,
    /// Secret keys and mailboxes of the client.
    pub account: Account,
}

impl Profile {
    /// Makes a client: entry at a relay of `agency` (any, if none is named), two mailboxes at
    /// relays of other operators, drawn at random.
    ///
    /// # Errors
    /// The agency runs no relay.
    pub fn create(roster: &Roster, agency: Option<&str>) -> Result<Self, ProfileError> {
        let rng = &mut randomness::rng();
        let at_home = |relay: &&RosterNode| agency.is_none_or(|agency| relay.operator == agency);
        let entries: Vec<_> = roster.relays().filter(at_home).collect();
        let entry = *entries.choose(rng).ok_or_else(|| ProfileError::Agency {
            agency: agency.unwrap_or_default().to_owned(),
            known: names(roster),
        })?;
        let relays = mailbox_relays(roster, entry);
        Ok(Self { entry: entry.number, account: Account::generate(relays, rng) })
    }

    /// A relay that `is_up` for a mailbox in place of a lost one: of an operator that the client has
    /// nothing to do with yet, else any other. None if there is no other.
    #[must_use]
    pub fn spare_relay(
        &self,
        roster: &Roster,
        is_up: impl Fn(NodeNumber) -> bool,
    ) -> Option<NodeNumber> {
        let used = || self.account.mailboxes.iter().map(|own| own.relay).chain([self.entry]);
        let operators: Vec<_> =
            used().filter_map(|relay| Some(roster.node(relay)?.operator.as_str())).collect();
        let unused = |relay: &&RosterNode| used().all(|number| number != relay.number);
        let others: Vec<_> =
            roster.relays().filter(unused).filter(|relay| is_up(relay.number)).collect();
        let foreign: Vec<_> = others
            .iter()
            .filter(|relay| !operators.contains(&relay.operator.as_str()))
            .copied()
            .collect();
        let rng = &mut randomness::rng();
        foreign.choose(rng).or_else(|| others.choose(rng)).map(|relay| relay.number)
    }
}

/// Two relays of different operators, none of them the entry's; fewer where the roster has fewer.
fn mailbox_relays(roster: &Roster, entry: &RosterNode) -> Vec<NodeNumber> {
    let mut relays: Vec<_> =
        roster.relays().filter(|relay| relay.operator != entry.operator).collect();
    relays.shuffle(&mut randomness::rng());
    let mut chosen: Vec<&RosterNode> = Vec::new();
    for relay in relays {
        if chosen.len() < 2 && chosen.iter().all(|other| other.operator != relay.operator) {
            chosen.push(relay);
        }
    }
    if chosen.is_empty() {
        let others = roster.relays().filter(|relay| relay.number != entry.number);
        chosen.extend(others.take(1));
    }
    if chosen.is_empty() {
        chosen.push(entry);
    }
    chosen.into_iter().map(|relay| relay.number).collect()
}

fn names(roster: &Roster) -> String {
    let mut names: Vec<_> = roster.relays().map(|relay| relay.operator.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// Reason why no client can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The agency runs no relay.
    #[error("{agency} runs no relay in this network; choose one of: {known}")]
    Agency {
        /// The agency that was asked for.
        agency: String,
        /// Agencies that run relays.
        known: String,
    },
}
