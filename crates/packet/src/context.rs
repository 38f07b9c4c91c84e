//! Context of a hop's key derivation, as far as the hop's key determines it
//! (`docs/packet-format.md` §4).

use sha2::{Digest, Sha256};

use crate::identifier::Generation;
use crate::suite::Suite;

/// Part of a hop's context that its key determines, hashed once: a node uses one key for every
/// packet of an epoch.
#[derive(Clone)]
pub(crate) struct KeyContext(pub(crate) Sha256);

impl KeyContext {
    pub(crate) fn new<S: Suite>(generation: Generation, public: &[u8]) -> Self {
        let hash = Sha256::new()
            .chain_update(HOP_LABEL)
            .chain_update([S::ID.get()])
            .chain_update(generation.get().to_be_bytes())
            .chain_update(public);
        Self(hash)
    }
}

/// Label of all that is derived for a hop.
pub(crate) const HOP_LABEL: &[u8] = b"rohrpost hop v1";
