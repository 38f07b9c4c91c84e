//! Agreement of the agencies on one network document (`docs/directory.md`, Agreement).
//!
//! Time is cut into slots ([`timing`](super::timing)). In each slot one relay of every agency votes:
//! it says which nodes it hears, and by which keys. The slot's proposer merges k votes into a
//! document, and every agency signs one document a slot at most. A document that k agencies have
//! signed holds from six slots after its own, for everybody at once. Two documents of one slot would
//! need k signatures each; any two sets of k share an agency that is honest, and that signed once.
//!
//! - [`vote`]: what an agency's relay hears.
//! - [`merge`]: the document that votes give, by majority.
//! - [`document`]: the document, and its signatures.
//! - [`documents`]: those that hold, as everybody follows them.
//! - [`pledge`]: when a relay may sign. It remembers nothing over a restart, and needs not.
//! - [`rosters`]: the newest roster and those before it, side by side.
//! - [`signatories`]: the relays that vote and sign.
//! - [`signer`]: the duty of an agency's relay, slot by slot.
//! - [`equivocation`]: proof that an agency has signed twice.

pub mod document;
pub mod documents;
pub mod equivocation;
pub mod merge;
pub mod pledge;
pub mod proposal;
pub mod rosters;
pub mod signatories;
pub mod signer;
pub mod vote;

#[cfg(test)]
mod tests;
