//! What the directory takes of a node's memory.

use rohrpost_packet::{HOPS, Suite};

use super::carousel::sender::LANES;
use super::consensus::document::signed_len as document_len;
use super::consensus::proposal::encoded_len as proposal_len;
use super::consensus::signatories::Signatories;
use super::consensus::signer::KEPT;
use super::control::MAX_CONTROL_LEN;
use super::descriptor::signed_len as descriptor_len;
use super::descriptors::UNNAMED;
use super::roster::Roster;
use super::timing::{LEAD, STALE};
use crate::frame::MAX_DOCUMENT_LEN;
use crate::replay::SPARE_LINKS;

/// Bytes of a relay at most, by the bounds of each part, even if every node changes its key in every
/// slot, and a newer roster has more nodes in every place: documents until they are stale, descriptors that they name, votes and proposals of the slots
/// that are open, all of it once more as it goes out on links; what comes in on a link to each relay;
/// and what the carousel sends. A mix holds less.
#[must_use]
pub fn footprint<S: Suite>(roster: &Roster) -> usize {
    let nodes = roster.nodes().count() + SPARE_LINKS * HOPS;
    let agencies = Signatories::of(roster).len();
    let slots = count(LEAD + STALE) + MARGIN;
    let documents = slots * document_len(nodes, agencies);
    let descriptor = descriptor_len(S::PUBLIC_KEY_LEN) + ENTRY;
    let descriptors = nodes * (slots + UNNAMED) * descriptor;
    // The votes of a slot are there by themselves, and in the proposal.
    let signing = count(KEPT) * 2 * proposal_len(nodes, agencies);
    let links = roster.relays().count() * MAX_CONTROL_LEN;
    let carousel = LANES * MAX_DOCUMENT_LEN;
    HELD * (documents + descriptors + signing) + links + carousel
}

fn count(slots: u32) -> usize {
    usize::try_from(slots).unwrap_or(usize::MAX)
}

/// Slots before the current one and after it of which there are documents while clocks differ.
const MARGIN: usize = 2;
/// Bytes of a map's entry and of an allocation, beside a descriptor.
const ENTRY: usize = 128;
/// Times that something is held: read, and as it goes out; and what the memory of numbers takes more
/// than their encoding.
const HELD: usize = 3;
