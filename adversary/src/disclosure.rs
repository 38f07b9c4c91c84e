//! `rohrpost-adversary disclosure`: statistical disclosure by acknowledgements in any setting, a
//! simulation by the traffic schedule (`docs/anonymity.md`).

mod chance;
mod command;
mod curve;
mod model;
mod recipient;
mod search;
mod stream;
mod trial;

pub(crate) use command::{Options, run};
pub(crate) use model::{Knowledge, Model, Replies};
pub(crate) use search::{Effort, Needed, needed};

#[cfg(test)]
mod tests;
