//! The directory of a network: who takes part, by whose word, and with which keys
//! (`docs/directory.md`).
//!
//! Agencies make a [`trust`] root and sign a [`roster`] of nodes. Each node announces its packet
//! key in a [`descriptor`]. The agencies' relays, as [authorities](authority), agree on a network
//! document ([`consensus`]), which says who is up and by which key. Everybody [follows](follower) it:
//! nodes over [control links](control), clients by their entry relay's [`carousel`]. Roster, document
//! and descriptors together are the [`view`] from which paths are drawn. The signatures under all of it
//! are in [`signing`], its times in [`timing`].

pub mod authority;
pub mod board;
pub mod carousel;
pub mod clocks;
pub mod consensus;
pub mod control;
pub mod descriptor;
pub mod descriptors;
pub mod exposure;
pub mod follower;
pub mod footprint;
pub mod presence;
pub mod roster;
pub mod signing;
pub mod timing;
pub mod trust;
pub mod view;
pub mod views;
