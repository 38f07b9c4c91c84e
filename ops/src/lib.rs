//! The operator's tool as a library: the local network, and the ceremony of keys and rosters.

pub mod ceremony;
pub mod duration;
pub mod localnet;
pub mod output;
