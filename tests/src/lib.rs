//! The virtual network: the cores of `rohrpost-proto` under a virtual clock, over links whose
//! latency and loss are functions of the seed, watched by an observer of all links.
//!
//! The same code that runs under QUIC runs here; only sockets, clocks and threads are replaced. A run
//! is determined by its seed.

mod link;
mod observer;
mod party;
mod roster;
mod toy;
mod world;

pub use link::{Address, Conditions};
pub use observer::{Kind, Record};
pub use roster::{NORTH, agencies, roster};
pub use toy::Toy;
pub use world::{ClientEvent, World, seeds};
