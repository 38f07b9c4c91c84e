//! The rosters in force: the newest, and those before it while documents go by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rohrpost_packet::NodeNumber;

use super::signatories::Signatories;
use crate::directory::roster::{Roster, RosterHash, RosterNode};
use crate::directory::signing::IdentityKey;

/// A roster and the relays that sign by it.
#[derive(Clone)]
pub struct Charter {
    /// The roster.
    pub roster: Arc<Roster>,
    /// The relays that vote and sign.
    pub signatories: Signatories,
}

impl Charter {
    /// The charter that a verified roster gives.
    #[must_use]
    pub fn of(roster: Arc<Roster>) -> Self {
        let signatories = Signatories::of(&roster);
        Self { roster, signatories }
    }
}

/// Rosters of one network, side by side while a new one spreads. Where they differ about a node, it is as
/// the newest has it that names it.
#[derive(Clone)]
pub struct Rosters {
    /// The newest first: [`MOST`] at most.
    all: Vec<Charter>,
}

impl Rosters {
    /// Begins with a verified roster.
    #[must_use]
    pub fn new(roster: Arc<Roster>) -> Self {
        Self { all: vec![Charter::of(roster)] }
    }

    /// The newest.
    #[must_use]
    pub fn newest(&self) -> &Charter {
        &self.all[0]
    }

    /// The charter with the roster of this hash.
    #[must_use]
    pub fn of(&self, hash: &RosterHash) -> Option<&Charter> {
        self.all.iter().find(|charter| charter.roster.hash == *hash)
    }

    /// All of them, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Charter> {
        self.all.iter()
    }

    /// A node of any of them.
    #[must_use]
    pub fn node(&self, number: NodeNumber) -> Option<&RosterNode> {
        self.all.iter().find_map(|charter| charter.roster.node(number))
    }

    /// True if the node of this number has this identity: an older one, which may be stolen, counts no more.
    #[must_use]
    pub fn names(&self, number: NodeNumber, identity: &IdentityKey) -> bool {
        self.node(number).is_some_and(|node| node.identity == *identity)
    }

    /// True if a node is a relay by one of them.
    #[must_use]
    pub fn is_relay(&self, number: NodeNumber) -> bool {
        let mut relays = self.all.iter().flat_map(|charter| charter.roster.relays());
        relays.any(|relay| relay.number == number)
    }

    /// The nodes that `of` gives of any of them, by number.
    pub fn union<'a, N>(&'a self, of: impl Fn(&'a Roster) -> N) -> Vec<&'a RosterNode>
    where
        N: Iterator<Item = &'a RosterNode>,
    {
        let mut nodes = BTreeMap::new();
        for node in self.all.iter().flat_map(|charter| of(&charter.roster)) {
            nodes.entry(node.number).or_insert(node);
        }
        nodes.into_values().collect()
    }

    /// Takes a roster that was verified against the network's trust root: true if it is newer than all
    /// others.
    ///
    /// # Errors
    /// The roster is newer, and cannot be followed without a restart.
    pub fn take(&mut self, roster: Arc<Roster>) -> Result<bool, Break> {
        let newest = &self.newest().roster;
        if roster.version <= newest.version {
            return Ok(false);
        }
        Break::check(newest, &roster)?;
        self.all.insert(0, Charter::of(roster));
        self.all.truncate(MOST);
        Ok(true)
    }

    /// Forgets those of lower versions, by which no document goes any more.
    pub fn forget_before(&mut self, version: u32) {
        let newest = self.newest().roster.version;
        self.all.retain(|charter| charter.roster.version >= version.min(newest));
    }
}

impl PartialEq for Rosters {
    fn eq(&self, other: &Self) -> bool {
        let hash = |charter: &Charter| charter.roster.hash;
        self.all.iter().map(hash).eq(other.all.iter().map(hash))
    }
}

/// What in a newer roster cannot be followed while running: all parties would have to change it at
/// one moment.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Break {
    /// The roster is of another network.
    #[error("the newer roster is of another network")]
    Network,
    /// The suite is another, and so are the lengths of packets.
    #[error("the newer roster names another suite: start the program anew with it")]
    Suite,
    /// A rate, a delay or a period is another.
    #[error(
        "the newer roster has other values under [traffic] or [directory]: start the program anew with it"
    )]
    Rates,
}

impl Break {
    fn check(older: &Roster, newer: &Roster) -> Result<(), Self> {
        if newer.network_id != older.network_id {
            Err(Self::Network)
        } else if newer.suite != older.suite {
            Err(Self::Suite)
        } else if newer.traffic != older.traffic || newer.directory != older.directory {
            Err(Self::Rates)
        } else {
            Ok(())
        }
    }
}

/// Rosters that are kept: while one spreads, the agencies may sign another.
const MOST: usize = 3;
