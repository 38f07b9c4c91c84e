//! The operator's tool as a library: the ceremony of keys and rosters.

pub mod ceremony;
