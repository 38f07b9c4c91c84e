//! The load generator as a library: real clients against real nodes, and what comes of it.

pub mod run;
