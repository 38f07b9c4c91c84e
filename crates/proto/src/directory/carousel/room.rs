//! Which rosters the cells have room for: the directory of a network must reach its clients in time.

use std::time::Duration;

use rohrpost_packet::{Classic, Hybrid, Suite};

use super::object::{KIND_LEN, room_of};
use super::sender::ROSTER_EVERY;
use crate::directory::consensus::document::signed_len as document_len;
use crate::directory::consensus::proposal::{MAX_PROPOSAL_LEN, encoded_len as proposal_len};
use crate::directory::consensus::signatories::Signatories;
use crate::directory::descriptor::signed_len as descriptor_len;
use crate::directory::roster::{Roster, SuiteName};
use crate::directory::timing::LEAD;
use crate::frame::chunk_len;

/// What the directory of a roster needs of the cells of its clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Nodes of the roster.
    pub nodes: usize,
    /// Cells that a document and all that is new with it need at most before it starts: an update in
    /// which every node has changed, and the descriptors of nodes that have changed their keys
    /// meanwhile.
    pub needed: u32,
    /// Cells that a client gets in that time, beside those of the roster: the time to the document's
    /// start less two slots, in which the agencies sign.
    pub there: u32,
    /// Cells of a whole round, after which a new client has everything.
    pub round: u32,
    /// Length of a slot of the traffic.
    pub slot: Duration,
    /// Length of a slot of the directory.
    pub interval: Duration,
    /// Age at which a document is stale.
    pub stale_after: Duration,
    /// Shortest slot of the directory in which there is room, if one of ten minutes at most has it.
    pub shortest: Option<Duration>,
    /// Agencies whose relays sign.
    pub agencies: usize,
    /// Bytes of the longest message between relays: a document with the votes of all agencies.
    pub longest: usize,
}

/// The directory of a roster does not reach its clients in time, or not at all.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// It does not reach its clients in time.
    #[error(
        "the documents of {nodes} nodes need {needed} cells before they start, and a client gets \
         {there} at slot_ms = {slot}: {}",
        remedy(*least)
    )]
    Cells {
        /// Nodes of the roster.
        nodes: usize,
        /// Cells that are needed.
        needed: u32,
        /// Cells that there are.
        there: u32,
        /// Length of a slot of the traffic, in milliseconds.
        slot: u128,
        /// Shortest slot of the directory with room for them, in milliseconds.
        least: Option<u128>,
    },
    /// The relays do not get a document to all nodes in time.
    #[error(
        "a document of {nodes} nodes has {len} bytes, and a relay takes {seconds} s to send it to all of \
         them, which is more than half a slot of the directory: set document_slot_ms to {least} at \
         least, or leave out nodes"
    )]
    Links {
        /// Nodes of the roster.
        nodes: usize,
        /// Bytes of a document.
        len: usize,
        /// Seconds that a relay takes.
        seconds: u64,
        /// Shortest slot of the directory that is long enough, in milliseconds.
        least: u128,
    },
    /// It does not pass between relays.
    #[error(
        "a document of {nodes} nodes with the votes of {agencies} agencies has {longest} bytes, and \
         {MAX_PROPOSAL_LEN} may pass between relays: leave out nodes"
    )]
    Long {
        /// Nodes of the roster.
        nodes: usize,
        /// Agencies that sign.
        agencies: usize,
        /// Bytes of the longest message.
        longest: usize,
    },
}

impl Room {
    /// Reckons what a roster needs.
    #[must_use]
    pub fn of(roster: &Roster) -> Self {
        let (key, chunk) = match roster.suite {
            SuiteName::Classic => (Classic::PUBLIC_KEY_LEN, chunk_len::<Classic>()),
            SuiteName::Hybrid => (Hybrid::PUBLIC_KEY_LEN, chunk_len::<Hybrid>()),
        };
        let (nodes, timing) = (roster.nodes().count(), roster.directory.timing);
        let agencies = Signatories::of(roster).len();
        let document = KIND_LEN + document_len(nodes, agencies);
        let descriptor = room_of(descriptor_len(key));
        let descriptors = |count: usize| match (chunk - KIND_LEN) / descriptor {
            0 => count * (KIND_LEN + descriptor).div_ceil(chunk),
            fit => count.div_ceil(fit),
        };
        let (document, slot) = (document.div_ceil(chunk), roster.traffic.slot);
        let needed = |interval: Duration| {
            let time = interval * (LEAD - SIGNING);
            cells(document + descriptors(changes(nodes, time, roster.directory.epoch)))
        };
        let interval = timing.interval();
        // In a longer time more keys change.
        let mut shortest = interval;
        let longer = |it: &Duration| needed(*it) > room(*it, slot) && *it < LONGEST;
        while longer(&shortest) {
            shortest = interval_for(needed(shortest), slot).max(shortest + slot);
        }
        Self {
            nodes,
            needed: needed(interval),
            there: room(interval, slot),
            round: cells(document + descriptors(nodes)),
            slot,
            interval,
            stale_after: timing.stale_after(),
            shortest: Some(shortest).filter(|it| needed(*it) <= room(*it, slot)),
            agencies,
            longest: proposal_len(nodes, agencies),
        }
    }

    /// Time in which a relay that serves brings a new client all that it needs, though cells are lost
    /// and a part has to wait for the next round.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let round = self.slot * (self.round + self.round.div_ceil(ROSTER_EVERY - 1));
        (round * 2).max(self.stale_after)
    }

    /// Checks that the directory reaches its clients in time.
    ///
    /// # Errors
    /// It does not; with the numbers.
    pub fn check(&self) -> Result<(), NoRoom> {
        let Self { nodes, needed, there, slot, shortest, agencies, longest, .. } = *self;
        if longest > MAX_PROPOSAL_LEN {
            return Err(NoRoom::Long { nodes, agencies, longest });
        }
        let len = document_len(nodes, agencies);
        let takes = PER_BYTE * u32::try_from(nodes * len).unwrap_or(u32::MAX);
        if takes * 2 > self.interval {
            let (seconds, least) = (takes.as_secs(), takes.as_millis() * 2 + 1);
            return Err(NoRoom::Links { nodes, len, seconds, least });
        }
        if needed > there {
            let least = shortest.map(|shortest| shortest.as_millis());
            return Err(NoRoom::Cells { nodes, needed, there, slot: slot.as_millis(), least });
        }
        Ok(())
    }
}

/// Cells of a client in the time to a document's start, less two slots, in which the agencies sign, and
/// less those of the roster.
fn room(interval: Duration, slot: Duration) -> u32 {
    let time = (interval * (LEAD - SIGNING)).as_micros();
    let share = time - time / u128::from(ROSTER_EVERY);
    u32::try_from(share / slot.as_micros().max(1)).unwrap_or(u32::MAX)
}

/// Shortest slot of the directory, in whole milliseconds, in which there is room for so many cells.
fn interval_for(cells: u32, slot: Duration) -> Duration {
    let time = slot.as_millis() * u128::from(cells);
    let time = time + time.div_ceil(u128::from(ROSTER_EVERY - 1));
    let interval = time.div_ceil((LEAD - SIGNING).into());
    Duration::from_millis(u64::try_from(interval).unwrap_or(u64::MAX)).min(LONGEST)
}

fn cells(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Nodes that change their keys within a time, of which each does so once an epoch, at a time of its
/// own; and two that are started anew.
fn changes(nodes: usize, time: Duration, epoch: Duration) -> usize {
    let (time, epoch) = (time.as_secs(), epoch.as_secs().max(1));
    let due = u64::try_from(nodes).unwrap_or(u64::MAX).saturating_mul(time).div_ceil(epoch);
    usize::try_from(due).unwrap_or(usize::MAX).saturating_add(STARTED).min(nodes)
}

fn remedy(least: Option<u128>) -> String {
    match least {
        Some(least) => format!("set document_slot_ms to {least} at least, or leave out nodes"),
        None => "leave out nodes".to_owned(),
    }
}

/// Time for a byte of what a relay sends to all nodes: 8 MB a second go out on all control links.
pub const PER_BYTE: Duration = Duration::from_nanos(125);
/// Longest slot of the directory that is looked at.
const LONGEST: Duration = Duration::from_secs(600);
/// Slots before a document's start in which it is not yet signed, or not yet with the relay.
const SIGNING: u32 = 2;
/// Nodes that are started anew while a document is on its way.
const STARTED: usize = 2;
