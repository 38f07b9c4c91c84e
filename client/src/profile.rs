//! A client's keys and places, as a session takes them.

use crate::randomness;
use rand::seq::{IndexedRandom, SliceRandom};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::courier::{Account, RESERVED};
use rohrpost_proto::directory::roster::{Roster, RosterNode};
use zeroize::Zeroizing;

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
    /// Relays through which it enters when that one is gone, in the order in which they are tried: at
    /// most [`SPARE_ENTRIES`], the same for as long as the roster names them.
    pub spare_entries: Vec<NodeNumber>,
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
        let mut profile = Self { entry: entry.number, spare_entries: Vec::new(), account };
        profile.spare_entries = profile.entries(roster);
        Ok(profile)
    }

    /// The spare entries from now on, if the roster does not name all of them any more.
    #[must_use]
    pub fn renewed_entries(&self, roster: &Roster) -> Option<Vec<NodeNumber>> {
        let renewed = self.entries(roster);
        (renewed != self.spare_entries).then_some(renewed)
    }

    /// Spare entries by a roster: those that there are, and others drawn from the client's identity, so that
    /// one that goes on from a copy draws the same. First come relays of the entry's
    /// operator, who knows the client's address and times online anyway; then those of operators who have
    /// no mailbox of the client, for whoever is at both ends of a packet may link them.
    #[must_use]
    pub(crate) fn entries(&self, roster: &Roster) -> Vec<NodeNumber> {
        let operator = |relay: NodeNumber| Some(roster.relay(relay)?.operator.as_str());
        let own = operator(self.entry);
        let hold: Vec<_> =
            self.account.mailboxes.iter().filter_map(|mailbox| operator(mailbox.relay)).collect();
        let kept = self.spare_entries.iter().copied();
        let mut spares: Vec<_> =
            kept.filter(|spare| roster.relay(*spare).is_some() && *spare != self.entry).collect();
        let is_new = |relay: &&RosterNode| {
            relay.number != self.entry && !self.spare_entries.contains(&relay.number)
        };
        let secret = Zeroizing::new(blake3::derive_key(
            "rohrpost spare entries v1",
            self.account.identity.to_seed().as_ref(),
        ));
        let rank = |relay: &RosterNode| {
            let class = match Some(relay.operator.as_str()) {
                operator if operator == own => 0,
                operator => 1 + u8::from(hold.iter().any(|held| Some(*held) == operator)),
            };
            (class, *blake3::keyed_hash(&secret, &relay.number.get().to_be_bytes()).as_bytes())
        };
        let mut others: Vec<_> = roster.relays().filter(is_new).collect();
        others.sort_by_cached_key(|relay| rank(relay));
        spares.extend(others.into_iter().map(|relay| relay.number));
        spares.truncate(SPARE_ENTRIES);
        spares
    }

    /// A mailbox that is at a relay of the entry's operator, which is to be elsewhere: both ends of a
    /// packet would be in one hand.
    #[must_use]
    pub fn beside_entry(&self, roster: &Roster) -> Option<NodeNumber> {
        let operator = |relay: NodeNumber| Some(roster.relay(relay)?.operator.as_str());
        let own = operator(self.entry)?;
        let mut mailboxes = self.account.mailboxes.iter().map(|mailbox| mailbox.relay);
        mailboxes.find(|relay| operator(*relay) == Some(own))
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
        let fits = |relay: &&NodeNumber| self.is_apart(roster, **relay) && is_up(**relay);
        let told = next.iter().find(fits);
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
        let apart: Vec<_> =
            next.iter().copied().filter(|relay| self.is_apart(roster, *relay)).collect();
        let renewed = reserve(roster, &self.used(), &apart, is_up);
        // The same in another order would be a new address for nothing.
        let same = renewed.len() == next.len() && renewed.iter().all(|relay| next.contains(relay));
        (!same).then_some(renewed)
    }

    /// True for a relay of the roster that is not of the entry's operator.
    fn is_apart(&self, roster: &Roster, relay: NodeNumber) -> bool {
        let operator = |relay| roster.relay(relay).map(|node| node.operator.as_str());
        operator(relay).is_some_and(|operator_of| Some(operator_of) != operator(self.entry))
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
    let listed = |relay: &&NodeNumber| roster.relay(**relay).is_some();
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

/// Spare entries of a client (`docs/traffic.md`, Entries).
pub const SPARE_ENTRIES: usize = 2;

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
