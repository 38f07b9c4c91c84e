//! State machines of Rohrpost without sockets, clocks, tasks or global randomness.
//!
//! Every machine takes the time and its randomness as arguments, so that the same code runs under
//! QUIC, in virtual time in the tests, and in simulations.
//!
//! - A packet's way: [`courier`] (client), [`entry`] (relay), [`hop`] and [`mix`] (mix node),
//!   [`mailbox`] (relay), back over mixes and entry to the courier.
//! - Contents of links: [`frame`] and [`control`]; contents of packets: [`instruction`].
//! - Members of the network: [`trust`], [`roster`], [`descriptor`], [`document`], [`view`],
//!   [`path`].
#![forbid(unsafe_code)]

pub mod control;
pub mod courier;
pub mod delay;
pub mod descriptor;
pub mod document;
pub mod entry;
pub mod frame;
pub mod hop;
pub mod instruction;
pub mod mailbox;
pub mod mix;
pub mod path;
pub mod pool;
pub mod replay;
pub mod roster;
pub mod signing;
pub mod time;
pub mod trust;
pub mod view;
pub mod wire;
