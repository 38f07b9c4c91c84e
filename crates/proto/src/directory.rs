//! The directory of a network: who takes part, by whose word, and with which keys
//! (`docs/directory.md`).
//!
//! Agencies make a [`trust`] root and sign a [`roster`] of nodes. Each node announces its packet
//! key in a [`descriptor`]; a relay joins those of all nodes into a network [`document`]. What
//! several relays say is [`merged`]. Roster and document together are the [`view`] from which paths
//! are drawn. What of it goes over links
//! between nodes is in [`control`], the signatures under all of it are in [`signing`].

pub mod control;
pub mod descriptor;
pub mod document;
pub mod exposure;
pub mod merged;
pub mod roster;
pub mod signing;
pub mod trust;
pub mod view;
