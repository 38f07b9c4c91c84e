//! The roster: nodes, rates and rules of a network, signed by k of n agencies offline.

mod error;
mod file;
mod members;
mod network;
mod signatures;

pub use error::RosterError;
pub use members::{Directory, Role, Roster, RosterHash, RosterNode, SuiteName, Traffic};
pub use network::{NetworkFiles, NetworkFilesError};
pub use signatures::{
    Consent, RosterSignature, essential_signatures, parse_signatures, render_signatures,
};

#[cfg(test)]
mod tests;
