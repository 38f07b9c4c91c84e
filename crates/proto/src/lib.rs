//! State machines of Rohrpost without sockets, clocks, tasks or global randomness.
//!
//! Every machine takes the time and its randomness as arguments, so that the same code runs under
//! QUIC, in virtual time in the tests, and in simulations.
//!
//! - A packet's way: [`courier`] (client), [`entry`] (relay), [`hop`] and [`mix`] (mix node),
//!   [`mailbox`] (relay), back over mixes and entry to the courier.
//! - Contents of links: [`frame`] and [`directory::control`]; contents of packets: [`instruction`].
//! - Members of the network: [`directory`], a [`path`] over them, and the [`places`] of those around a
//!   node.
#![forbid(unsafe_code)]

pub mod courier;
pub mod delay;
pub mod directory;
pub mod entry;
pub mod frame;
pub mod hop;
pub mod instruction;
pub mod lock;
pub mod mailbox;
pub mod mix;
pub mod path;
pub mod places;
pub mod replay;
pub mod time;
pub mod weakness;
pub mod wire;
