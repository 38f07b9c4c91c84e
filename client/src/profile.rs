//! A client's keys and places, as a session takes them.

use crate::randomness;
use rand::seq::{IndexedRandom, SliceRandom};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::{Account, RESERVED};
use rohrpost_proto::directory::roster::{Roster, RosterNode};

/// A mailbox in place of a lost one.
pub struct Replacement {
    /// The relay at which the mailbox will be.
    pub to: NodeNumber,
    /// Relays at which the mailboxes after this one will be.
    pub reserve: Vec<NodeNumber>,
}

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
        let mut account = Account::generate(relays.iter().copied(), rng);
        let used = [&relays[..], &[entry.number]].concat();
        account.reserve(reserve(roster, &used, &[], |_| true), rng);
        Ok(Self { entry: entry.number, account })
    }

    /// A mailbox in the place of a lost one, at a relay that `is_up`: one at which the next mailbox is to
    /// be, so that contacts know it before they are told; else of an operator that the client has
    /// nothing to do with yet, else any other. None if there is no other.
    #[must_use]
    pub fn replacement(
        &self,
        roster: &Roster,
        is_up: impl Fn(NodeNumber) -> bool,
    ) -> Option<Replacement> {
        let (mut used, next) = (self.used(), self.next());
        let told = next.iter().find(|relay| roster.node(**relay).is_some() && is_up(**relay));
        let to = told.copied().or_else(|| spare_relays(roster, &used, &is_up).first().copied())?;
        used.push(to);
        let left: Vec<_> = next.into_iter().filter(|relay| *relay != to).collect();
        Some(Replacement { to, reserve: reserve(roster, &used, &left, is_up) })
    }

    /// Relays at which the next mailboxes are to be from now on; none if that changes nothing. Those
    /// that have left the roster yield to others.
    #[must_use]
    pub fn renewed_reserve(
        &self,
        roster: &Roster,
        is_up: impl Fn(NodeNumber) -> bool,
    ) -> Option<Vec<NodeNumber>> {
        let next = self.next();
        let renewed = reserve(roster, &self.used(), &next, is_up);
        (renewed != next).then_some(renewed)
    }

    /// Relays of the mailboxes and of the entry.
    fn used(&self) -> Vec<NodeNumber> {
        self.account.mailboxes.iter().map(|own| own.relay).chain([self.entry]).collect()
    }

    /// Relays of the next mailboxes.
    fn next(&self) -> Vec<NodeNumber> {
        self.account.reserve.iter().map(|own| own.relay).collect()
    }
}

/// Relays for the next mailboxes: those where they were to be that are in the roster, and others up to
/// [`RESERVED`].
fn reserve(
    roster: &Roster,
    used: &[NodeNumber],
    before: &[NodeNumber],
    is_up: impl Fn(NodeNumber) -> bool,
) -> Vec<NodeNumber> {
    let listed = |relay: &&NodeNumber| roster.node(**relay).is_some();
    let mut all: Vec<_> = before.iter().filter(listed).copied().collect();
    while all.len() < RESERVED
        && let Some(next) = spare_relays(roster, &[used, &all].concat(), &is_up).first()
    {
        all.push(*next);
    }
    all
}

/// Relays that are up and not used yet, in random order; first those of operators of whom none is
/// used.
fn spare_relays(
    roster: &Roster,
    used: &[NodeNumber],
    is_up: impl Fn(NodeNumber) -> bool,
) -> Vec<NodeNumber> {
    let operator = |relay: &NodeNumber| Some(roster.node(*relay)?.operator.as_str());
    let operators: Vec<_> = used.iter().filter_map(operator).collect();
    let other = |relay: &&RosterNode| !used.contains(&relay.number) && is_up(relay.number);
    let mut others: Vec<_> = roster.relays().filter(other).collect();
    others.shuffle(&mut randomness::rng());
    others.sort_by_key(|relay| operators.contains(&relay.operator.as_str()));
    others.into_iter().map(|relay| relay.number).collect()
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
