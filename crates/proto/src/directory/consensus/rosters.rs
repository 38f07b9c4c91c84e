//! The rosters by which documents go: the newest, and those before it while their documents hold.

use std::sync::Arc;

use super::signatories::Signatories;
use crate::directory::roster::{Roster, RosterHash};

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

/// Rosters of one network, side by side while a new one spreads.
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

    /// Takes a roster that was verified against the network's trust root: true if it is newer than
    /// all others.
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
    /// The slot of the traffic or that of the directory is another.
    #[error(
        "the newer roster has another slot_ms or document_slot_ms: start the program anew with it"
    )]
    Slot,
}

impl Break {
    fn check(older: &Roster, newer: &Roster) -> Result<(), Self> {
        if newer.network_id != older.network_id {
            Err(Self::Network)
        } else if newer.suite != older.suite {
            Err(Self::Suite)
        } else if newer.traffic.slot != older.traffic.slot
            || newer.directory.timing != older.directory.timing
        {
            Err(Self::Slot)
        } else {
            Ok(())
        }
    }
}

/// Rosters that are kept: while one spreads, the agencies may sign another.
const MOST: usize = 3;
